"""Tables for a terminal."""

import textwrap
from collections.abc import Sequence

from hmtnet.errors import printable
from hmtnet.report.render.formats import DASH

WIDTH = 100
"""Columns of text that a table may take."""


def text_table(header: Sequence[str], rows: Sequence[Sequence[str] | str], left: int = 1) -> str:
    """Lay out rows in columns as wide as their widest cell.

    Args:
        header: Column titles.
        rows: One cell per column each; a row that is one text stands across all columns.
        left: So many first columns are aligned to the left, the others to the right.

    >>> print(text_table(["set", "images"], [["qads", "980"], "and others"]))
    set   images
    ──────────────
    qads     980
    and others
    """
    rows = [printable(row) if isinstance(row, str) else [*map(_one_line, row)] for row in rows]
    cells = [header, *(row for row in rows if not isinstance(row, str))]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]

    def line(row: Sequence[str] | str) -> str:
        if isinstance(row, str):
            return row
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    rule = "─" * (sum(widths) + 2 * len(widths))
    return "\n".join([line(header), rule, *map(line, rows)])


def notes(texts: Sequence[str]) -> str:
    """Lay out what stands below a table, each text from a line of its own."""
    return "\n".join(
        textwrap.fill(printable(text), WIDTH, subsequent_indent="  ") for text in texts
    )


def _one_line(cell: str) -> str:
    return printable(cell).replace("\n", r"\n")


def cell(value: object) -> str:
    """Return a cell's text; a dash for None."""
    return DASH if value is None else str(value)
