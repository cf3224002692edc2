"""The report as Markdown, for a repository or a pull request."""

import re
from collections.abc import Iterable

from hmtnet.errors import printable
from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.render.layout import Cell, Table
from hmtnet.report.render.tables import (
    breakdown_table,
    cost_table,
    grades_table,
    leaderboard_table,
    significance_tables,
    stability_table,
)
from hmtnet.report.render.words import how_computed, introduction

# What Markdown or the HTML inside it would take for markup.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")


def as_markdown(report: Report) -> str:
    """Return the report's tables and notes as GitHub-flavoured Markdown."""
    lines = [f"# {escape(report.title)}", "", *map(escape, introduction(report)), ""]
    for section in report.sections:
        lines += [f"## {escape(section.grounds.title)}", ""]
        lines += [f"> {escape(note)}\n" for note in section.notes]
        for table in tables_of(section):
            lines += [_table(table), ""]
    if report.problems:
        lines += ["## Problems", ""]
        lines += [f"- {escape(str(problem))}" for problem in report.problems]
        lines += [""]
    lines += ["## How each number is computed", ""]
    lines += [f"- {escape(text)}" for text in how_computed(report)]
    return "\n".join(lines) + "\n"


def tables_of(section: Section) -> list[Table]:
    """Return the tables of a section in the order of a report."""
    tables = [
        leaderboard_table(section),
        *(table for found in section.comparisons for table in significance_tables(found)),
        *map(stability_table, section.comparisons),
        *map(breakdown_table, section.breakdowns),
        grades_table(section),
        cost_table(section),
    ]
    return [table for table in tables if table is not None and table.rows]


def escape(text: str) -> str:
    r"""Make text that Markdown shows as it is, on one line.

    >>> print(escape("a|b <script>"))
    a\|b \<script\>
    """
    return _SPECIAL.sub(r"\\\1", printable(" ".join(text.split())))


def _table(table: Table) -> str:
    lines = [
        f"**{escape(table.caption)}**",
        "",
        _line(escape(column.title) for column in table.columns),
        _line(":---" if column.text else "---:" for column in table.columns),
    ]
    for block, rows in table.blocks:
        if block:
            lines.append(_line([f"**{escape(block)}**", *("" for _ in table.columns[1:])]))
        lines += [_line(map(_cell, row.cells)) for row in rows]
    return "\n".join([*lines, "", *(f"{escape(note)}\n" for note in table.notes)]).rstrip() + "\n"


def _cell(cell: Cell) -> str:
    text = f"**{escape(cell.text)}**" if cell.strong else escape(cell.text)
    return f"{text} ({escape(cell.below)})" if cell.below else text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
