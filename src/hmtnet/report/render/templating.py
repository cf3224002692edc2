"""The templates of the page and of its figures; whatever they show is escaped."""

import base64
import functools
import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hmtnet.report.render import panels, tables
from hmtnet.report.render.formats import decimals, percent

# What a template may ask of a section.
_PARTS: tuple[Callable[..., Any], ...] = (
    tables.leaderboard_table,
    tables.significance_tables,
    tables.stability_table,
    tables.breakdown_table,
    tables.grades_table,
    tables.cost_table,
    panels.glance,
    panels.scatter_plots,
    panels.grade_plots,
    panels.learning_curves,
)


def render(template: str, **values: Any) -> str:
    """Fill a template of the folder `templates`.

    Args:
        template: Its file.
        **values: What it shows. A name that it asks for and is not given is an error.
    """
    return _environment().get_template(template).render(values)


def breakable(text: str) -> Markup:
    """Let a long name end its line behind a dot, an underscore, a slash or an equals sign.

    >>> breakable("a.b<c")
    Markup('a.<wbr>b&lt;c')
    """
    return Markup("<wbr>").join(re.split(r"(?<=[._/=])(?=.)", text))


@functools.cache
def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("hmtnet.report.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.globals.update({part.__name__: part for part in _PARTS})
    found.filters.update(breakable=breakable, decimals=decimals, percent=percent, base64=_base64)
    return found


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
