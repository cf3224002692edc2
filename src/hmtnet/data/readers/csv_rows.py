"""Label tables as CSV files: the rows below a header, and the text of a cell of any table."""

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path

from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.folder import decode_text
from hmtnet.data.readers.sheets import Row
from hmtnet.errors import DataError, listed, nearest


def read_csv(path: Path, columns: Sequence[str], faults: Faults) -> list[tuple[str, Row]]:
    """Read a CSV file with a header; any usual encoding and line end, blank lines skipped.

    It may be separated by commas, semicolons or tabs. Column names are compared without letter case
    and surrounding blanks; further columns do not count.

    Args:
        path: The file.
        columns: Names of the wanted columns.
        faults: Gets lines that have fewer or more cells than the header.

    Returns:
        For every row: where it stands, for messages, and its cells by wanted column.

    Raises:
        DataError: The file cannot be read, or its header lacks a column.
    """
    text = decode_text(path)
    wanted = [name.strip().lower() for name in columns]
    for separator in ",;\t":
        (_, titles), *lines = parse(text, separator, path)
        header = [title.lower() for title in titles]
        if all(name in header for name in wanted):
            break
    else:
        header = parse(text, ",", path)[0][1]
        lacking = [n for n in columns if n.strip().lower() not in map(str.lower, header)]
        raise DataError(
            f"The table '{path}' has no column {listed(repr(name) for name in lacking)} in its "
            f"header ({listed(header, 10) or 'empty'}).{nearest(lacking[0], header)} Copy it anew "
            "from the dataset."
        )
    places = {name: header.index(key) for name, key in zip(columns, wanted, strict=True)}
    rows: list[tuple[str, Row]] = []
    for number, cells in lines:
        where = f"{path.name} line {number}"
        if len(cells) != len(header):
            faults.add("malformed label lines", f"{where}: {separator.join(cells)!r}")
            continue
        rows.append((where, {name: cells[place] for name, place in places.items()}))
    return rows


def parse(text: str, separator: str, path: Path) -> list[tuple[int, list[str]]]:
    """Split the text of a CSV file into its rows, the header first; blank rows are left out.

    A first line ``sep=;``, which Excel writes and reads, is no row.

    Args:
        text: The file's.
        separator: Between two cells.
        path: For the message.

    Returns:
        For every row the number of its last line, and its cells, stripped.

    Raises:
        DataError: A cell is too long, as where a quote never closes.
    """
    skipped = re.match(r"sep=.\r?\n", text)
    lines = csv.reader(
        io.StringIO(text[skipped.end() :] if skipped else text, newline=""),
        delimiter=separator,
        strict=True,
    )
    rows = []
    start = 1
    try:
        for cells in lines:
            if any(cell.strip() for cell in cells):
                rows.append((lines.line_num + bool(skipped), [cell.strip() for cell in cells]))
            start = lines.line_num + 1
    except csv.Error as error:
        raise DataError(
            f"The table '{path}' cannot be split into cells from line {start + bool(skipped)} on "
            f'({error}). A quote (") that is never closed does that; close it or remove it.'
        ) from error
    return rows or [(1, [])]


def text_of(cell: object) -> str:
    """Return a cell as text: ``1600`` for the number 1600.0, an empty text for an empty cell.

    >>> text_of(1600.0), text_of(0.5), text_of(None), text_of(" a ")
    ('1600', '0.5', '', 'a')
    """
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()
