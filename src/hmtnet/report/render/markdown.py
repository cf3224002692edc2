"""The report as Markdown, for a repository or a pull request."""

from collections.abc import Iterable

from hmtnet.files import in_markdown
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


def as_markdown(report: Report) -> str:
    """Return the report's tables and notes as GitHub-flavoured Markdown."""
    lines = [f"# {in_markdown(report.title)}", "", *map(in_markdown, introduction(report)), ""]
    for section in report.sections:
        lines += [f"## {in_markdown(section.grounds.title)}", ""]
        lines += [f"> {in_markdown(note)}\n" for note in section.notes]
        for table in tables_of(section):
            lines += [_table(table), ""]
    if report.problems:
        lines += ["## Problems", ""]
        lines += [f"- {in_markdown(str(problem))}" for problem in report.problems]
        lines += [""]
    lines += ["## How each number is computed", ""]
    lines += [f"- {in_markdown(text)}" for text in how_computed(report)]
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


def _table(table: Table) -> str:
    lines = [
        f"**{in_markdown(table.caption)}**",
        "",
        _line(in_markdown(column.title) for column in table.columns),
        _line(":---" if column.text else "---:" for column in table.columns),
    ]
    for block, rows in table.blocks:
        if block:
            lines.append(_line([f"**{in_markdown(block)}**", *("" for _ in table.columns[1:])]))
        lines += [_line(map(_cell, row.cells)) for row in rows]
    notes = [f"{in_markdown(note)}\n" for note in table.notes]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def _cell(cell: Cell) -> str:
    text = f"**{in_markdown(cell.text)}**" if cell.strong else in_markdown(cell.text)
    return f"{text} ({in_markdown(cell.below)})" if cell.below else text


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
