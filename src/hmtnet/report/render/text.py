"""The leaderboard for a terminal."""

import math
import textwrap

from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.numbers.published import MARK
from hmtnet.report.numbers.quantities import QUANTITIES
from hmtnet.report.render.formats import DASH, decimals, written
from hmtnet.report.render.terminal import WIDTH, notes, text_table

_SHOWN = ("srcc", "plcc", "krcc", "rmse", "plcc_mapped", "within_tau", "accuracy")
_TITLES = {"plcc_mapped": "mapped", "accuracy": "grades"}
_NAME = 34  # longest name that stands beside its numbers


def as_text(report: Report) -> str:
    """Lay out one table per section: UTF-8, at most 100 columns, medians over splits."""
    return "\n\n".join(_section(section) for section in report.sections)


def _section(section: Section) -> str:
    quantities = [q for key in _SHOWN for q in QUANTITIES if q.key == key]
    header = ["median over splits", *(_TITLES.get(q.key, q.title) for q in quantities), "n"]
    rows: list[list[str] | str] = []
    for block, members in section.blocks:
        rows += [f"· {block}"] if block else []
        for entry in members:
            cells = [written(entry.spreads[q.key].median, q) for q in quantities]
            rows += _named(entry.name, [*cells, str(len(entry.splits))])
            rows += [f"  ({entry.told})"] if entry.told else []
    if section.published:
        rows.append(f"· {MARK}")
    for row in section.published:
        cells = [decimals(row.values.get(q.key, math.nan)) for q in quantities]
        rows += _named(row.name, [*cells, DASH])
    winners = [f"{name}: {why}." for name, why in section.winners]
    below = [*section.notes, *winners]
    if not winners:
        below.append("No paired test tells one system from every other row.")
    above = f"{section.grounds.title}\nlabels: {section.grounds.labels}\n"
    return "\n".join([above, text_table(header, rows), "", notes(below)])


def _named(name: str, cells: list[str]) -> list[list[str] | str]:
    """Return a row; a long name has a line of its own, because its end tells rows apart."""
    if len(name) <= _NAME:
        return [[name, *cells]]
    return [*textwrap.wrap(name, WIDTH, subsequent_indent="  "), ["", *cells]]
