"""Cells of a CSV file, parsed so that a message can name the row and the column."""

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hmtnet.errors import ArtifactError, listed

_REQUIRED = object()  # marks a column whose cells may not be empty


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file.

    Attributes:
        path: The file.
        header: The names of the columns.
        rows: The cells below it; each row is as long as the header.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]

    def require(self, names: Iterable[str]) -> None:
        """Check that the columns ``names`` are there.

        Raises:
            ArtifactError: Some are missing; all of those are named.
        """
        missing = [name for name in names if name not in self.header]
        if missing:
            raise ArtifactError(f"{self.path} lacks the columns {listed(missing, limit=10)}.")

    def column(
        self, name: str, parse: Callable[[str], object], absent: object = _REQUIRED
    ) -> list[Any]:
        """Parse one column.

        Args:
            name: A column that is there.
            parse: Turns a cell into a value; raises a ``ValueError`` that says what it expected.
            absent: The value of an empty cell. Without it, empty cells are parsed as well.

        Raises:
            ArtifactError: A cell cannot be parsed; names the row (the header is row 1).
        """
        index = self.header.index(name)
        values = []
        for number, row in enumerate(self.rows, start=2):
            cell = row[index]
            try:
                values.append(absent if not cell and absent is not _REQUIRED else parse(cell))
            except ValueError as error:
                raise ArtifactError(
                    f"{self.path}, row {number}, column {name}: {error}."
                ) from error
        return values


def read_table(path: Path) -> Table:
    """Read a CSV file with a header.

    Raises:
        ArtifactError: The file is missing or not CSV in UTF-8, a column occurs twice, or a row is
            longer or shorter than the header.
    """
    path = Path(path)
    try:
        # utf-8-sig: a spreadsheet program may have put a byte order mark in front.
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = list(csv.reader(stream, strict=True)) or [[]]
    except FileNotFoundError:
        raise ArtifactError(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ArtifactError(f"{path} cannot be read as CSV in UTF-8: {error}.") from error
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise ArtifactError(f"{path} has the columns {listed(twice)} more than once.")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise ArtifactError(
                f"{path}, row {number}: expected {len(header)} cells, found {len(row)}."
            )
    return Table(path, header, rows)


def finite(cell: str) -> float:
    """Parse a finite number."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, found {cell!r}")
    return value


def whole(cell: str) -> int:
    """Parse a whole number that is not negative."""
    if not re.fullmatch(r"[0-9]+", cell):
        raise ValueError(f"expected a whole number, found {cell!r}")
    return int(cell)


def is_utf8(name: str) -> bool:
    """Return whether a name can be written as UTF-8; a file name of other bytes cannot."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
