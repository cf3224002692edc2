"""Plain tables for a terminal."""

from collections.abc import Sequence


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Lay out rows in columns as wide as their widest cell.

    Args:
        header: Column titles.
        rows: One cell a column each.
        left: So many first columns are aligned to the left, the others to the right.

    >>> print(text_table(["set", "images"], [["qads", "980"]]))
    set   images
    ──────────────
    qads     980
    """
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "  ".join(padded).rstrip()

    rule = "─" * (sum(widths) + 2 * len(widths))
    return "\n".join([line(header), rule, *map(line, rows)])


def cell(value: object) -> str:
    """Return a cell's text; a dash for None."""
    return "–" if value is None else str(value)
