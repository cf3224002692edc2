"""What a table is, whatever it is about and however it is drawn."""

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        title: Its heading.
        hint: What it means; empty where the title says it.
        text: Whether it holds words, which stand at the left.
    """

    title: str
    hint: str = ""
    text: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell.

    Attributes:
        text: What it says.
        value: What it is sorted by; None where undefined, which comes last.
        below: A second, smaller line.
        strong: Whether a paired test makes it stand out.
        settings: Key of the run whose settings the page links to; empty where there is none.
    """

    text: str
    value: float | str | None = None
    below: str = ""
    strong: bool = False
    settings: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row; the first cell names it.

    Attributes:
        cells: One a column.
        kind: ``system``, ``reference`` or ``published``.
        block: The part of the table that it stands in, which its rows share and a line above them
            names; empty for the first.
    """

    cells: tuple[Cell, ...]
    kind: str = "system"
    block: str = ""


@dataclass(frozen=True)
class Table:
    """A table: a caption, columns, rows, and notes below."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[TableRow, ...]
    notes: tuple[str, ...] = ()

    @property
    def blocks(self) -> tuple[tuple[str, tuple[TableRow, ...]], ...]:
        """The rows by block, each with its name."""
        groups = itertools.groupby(self.rows, key=lambda row: row.block)
        return tuple((block, tuple(rows)) for block, rows in groups)
