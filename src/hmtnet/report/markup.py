"""Markup that cannot be broken by what it shows: whatever is no `Markup` is escaped."""

import html
import re
from collections.abc import Iterable

_VOID = frozenset({"img", "meta"})


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()


def element(name: str, /, *children: object, **attributes: object) -> Markup:
    """Build an element.

    Args:
        name: Of the element.
        *children: Markup stays as it is; anything else is escaped as text. None is left out.
        **attributes: Underscores become hyphens, one at the end is dropped (``class_``). True is an
            attribute without a value; None and False are left out.

    >>> element("td", "a < b", class_="x", data_value=3)
    '<td class="x" data-value="3">a &lt; b</td>'
    """
    given = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def joined(parts: Iterable[object], between: str = "") -> Markup:
    """Put parts one after the other; what is no markup is escaped, None is left out."""
    return Markup(between.join(_escaped(part) for part in parts if part is not None))


def breakable(text: str) -> Markup:
    """Let a long name end its line behind a dot, an underscore, a slash or an equals sign.

    >>> breakable("a.b<c")
    'a.<wbr>b&lt;c'
    """
    parts = re.split(r"(?<=[._/=])(?=.)", text)
    return joined(parts, "<wbr>")


def _escaped(part: object) -> str:
    return part if isinstance(part, Markup) else html.escape(str(part))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
