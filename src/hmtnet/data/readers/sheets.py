"""Labels in spreadsheets: ``.xlsx`` (openpyxl) and ``.xls`` (xlrd)."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hmtnet.errors import DataError, listed

Row = dict[str, Any]
# How far down a sheet its header may stand.
_TOP = 20
# What no label file needs, and a small file may claim: 2 kB can unpack to gigabytes.
_MOST_BYTES, _MOST_ROWS, _MOST_COLUMNS, _MOST_CELLS = 100_000_000, 200_000, 1_000, 5_000_000


def read_sheet(
    path: Path, columns: Sequence[str], sheet: str | None = None
) -> list[tuple[str, Row]]:
    """Read the rows below the header that has the wanted columns.

    The first sheet with such a header counts; further sheets, columns and empty rows do not. Column
    names are compared without letter case and surrounding blanks; where a name stands twice,
    the first column counts.

    Args:
        path: The spreadsheet.
        columns: Names of the wanted columns.
        sheet: Title of the only sheet that counts, where several have such a header.

    Returns:
        For every row that has something in a wanted column: where it stands, for messages, and its
        cells by wanted column (text stripped, numbers as they are, None for an empty cell).

    Raises:
        DataError: The file cannot be read, or no sheet has such a header.
    """
    wanted = [name.strip().lower() for name in columns]
    seen = []
    for title, rows in _sheets(path):
        if sheet is not None and title.strip().lower() != sheet.lower():
            seen.append(f"'{title}'")
            continue
        for number, cells in enumerate(rows[:_TOP]):
            header = [str(cell).strip().lower() for cell in cells]
            if all(name in header for name in wanted):
                places = {
                    name: header.index(key) for name, key in zip(columns, wanted, strict=True)
                }
                return list(_below(title, rows, number + 1, places))
        first = [str(cell) for cell in rows[0] if cell is not None] if rows else []
        seen.append(f"'{title}' ({listed(first, 8) or 'empty'})")
    which = "No sheet" if sheet is None else f"No sheet '{sheet}'"
    raise DataError(
        f"{which} of '{path}' has the columns {listed(repr(name) for name in columns)} in its "
        f"header; found {listed(seen, 4) or 'no sheet'}. Copy it anew from the dataset."
    )


def _below(
    title: str, rows: list[list[Any]], start: int, places: dict[str, int]
) -> Iterator[tuple[str, Row]]:
    for number, cells in enumerate(rows[start:], start + 1):
        row = {
            name: _clean(cells[place]) if place < len(cells) else None
            for name, place in places.items()
        }
        if any(cell is not None for cell in row.values()):
            yield f"sheet '{title}' row {number}", row


def _clean(cell: Any) -> Any:
    if isinstance(cell, str):
        return cell.strip() or None
    return cell


def first_sheet(path: Path) -> tuple[str, list[list[Any]]]:
    """Return the title and all rows of the first sheet.

    Raises:
        DataError: The file cannot be read, or has no sheet.
    """
    for sheet in _sheets(path):
        return sheet
    raise DataError(f"The spreadsheet '{path}' has no sheet. Copy it anew from the dataset.")


def _sheets(path: Path) -> Iterator[tuple[str, list[list[Any]]]]:
    """Yield every sheet's title and its rows.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        if path.suffix.lower() == ".xls":
            yield from _old_sheets(path)
            return
        import openpyxl

        _check_size(path)
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            for sheet in book.worksheets:
                # Sizes noted by other programs may be wrong; the rows themselves are not.
                sheet.reset_dimensions()
                yield sheet.title, list(_limited(sheet.iter_rows(values_only=True)))
        finally:
            book.close()
    except Exception as error:  # the parsers raise whatever a damaged file makes them stumble over
        raise DataError(
            f"The spreadsheet '{path}' cannot be read ({error}). Copy it anew from the dataset."
        ) from error


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as parts:
        unpacked = sum(part.file_size for part in parts.infolist())
    if unpacked > _MOST_BYTES:
        raise ValueError(f"unpacked it has {unpacked / 1e6:.0f} MB; at most 100 are read")


def _limited(rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
    cells = 0
    for number, row in enumerate(rows):
        cells += len(row)
        if number >= _MOST_ROWS or len(row) > _MOST_COLUMNS or cells > _MOST_CELLS:
            raise ValueError(
                f"it has more than {_MOST_ROWS} rows, {_MOST_COLUMNS} columns or {_MOST_CELLS} "
                "cells"
            )
        yield list(row)


def _old_sheets(path: Path) -> Iterator[tuple[str, list[list[Any]]]]:
    import xlrd

    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has {path.stat().st_size / 1e6:.0f} MB; at most 100 are read")
    # Without a log file of ours it prints complaints about damaged files; and unless rows may be
    # ragged, one cell in the last corner fills up 17 million others.
    with xlrd.open_workbook(path, logfile=io.StringIO(), on_demand=True, ragged_rows=True) as book:
        for number in range(book.nsheets):
            sheet = book.sheet_by_index(number)
            rows = (sheet.row_values(row) for row in range(sheet.nrows))
            yield sheet.name, [[None if cell == "" else cell for cell in row] for row in rows]
            book.unload_sheet(number)
