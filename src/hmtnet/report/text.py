"""The leaderboard for a terminal."""

import textwrap

from hmtnet.report.model import Report, Section
from hmtnet.report.quantities import DASH, QUANTITIES

WIDTH = 100
"""Columns of text that a report may take."""

_SHOWN = ("srcc", "plcc", "krcc", "rmse", "plcc_mapped", "within_tau", "accuracy")
_TITLES = {"plcc_mapped": "mapped", "accuracy": "grades"}
_NAME = 34


def as_text(report: Report) -> str:
    """Lay out one table a section: UTF-8, at most 100 columns, medians over splits."""
    return "\n\n".join(_section(section) for section in report.sections)


def _section(section: Section) -> str:
    quantities = [q for key in _SHOWN for q in QUANTITIES if q.key == key]
    header = _line("median over splits", [*(_TITLES.get(q.key, q.title) for q in quantities), "n"])
    rule = "─" * len(header)
    lines = [section.grounds.title, f"labels: {section.grounds.labels}", rule, header, rule]
    footnotes = list(section.notes)
    for block, members in section.blocks:
        if block:
            lines.append(_divider(block, len(header)))
        for entry in members:
            cells = [q.write(entry.spreads[q.key].median) for q in quantities]
            lines += _named(entry.name, [*cells, str(len(entry.splits))])
            told = "; ".join([*entry.marks, *([entry.reason] if entry.reason else [])])
            if told:
                lines.append(f"  ({told})")
    if section.published:
        lines.append(_divider("published, not ours", len(header)))
        for row in section.published:
            values = {"srcc": row.srcc, "plcc": row.plcc, "krcc": row.krcc, "rmse": row.rmse}
            cells = [f"{values[q.key]:.3f}" if q.key in values else DASH for q in quantities]
            lines += _named(row.name, [*cells, DASH])
    winners = [f"{name}: {why}." for name, why in section.winners]
    footnotes += winners or ["No paired test tells one system from every other row."]
    lines.append(rule)
    lines += [textwrap.fill(note, WIDTH, subsequent_indent="  ") for note in footnotes]
    return "\n".join(lines)


def _divider(name: str, width: int) -> str:
    return f"{f'· {name} ':·<{width}}"


def _named(name: str, cells: list[str]) -> list[str]:
    """Return a row; a long name has a line of its own, because its end tells rows apart."""
    if len(name) < _NAME:
        return [_line(name, cells)]
    return [*textwrap.wrap(name, WIDTH, subsequent_indent="  "), _line("", cells)]


def _line(name: str, cells: list[str]) -> str:
    *numbers, count = cells
    return name.ljust(_NAME) + "".join(cell.rjust(9) for cell in numbers) + count.rjust(3)
