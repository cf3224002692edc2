"""Label tables as CSV files: the rows below a header, and the text of a cell of any table."""

import csv
import io
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
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        header = [cell.strip().lower() for cell in next(lines, [])]
        if all(name in header for name in wanted):
            break
    else:
        header = [cell.strip() for cell in next(csv.reader(io.StringIO(text, newline="")), [])]
        lacking = [n for n in columns if n.strip().lower() not in map(str.lower, header)]
        raise DataError(
            f"The table '{path}' has no column {listed(repr(name) for name in lacking)} in its "
            f"header ({listed(header, 10) or 'empty'}).{nearest(lacking[0], header)} Copy it anew "
            "from the dataset."
        )
    places = {name: header.index(key) for name, key in zip(columns, wanted, strict=True)}
    rows: list[tuple[str, Row]] = []
    for cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        where = f"{path.name} line {lines.line_num}"
        if len(cells) != len(header):
            faults.add("malformed label lines", f"{where}: {separator.join(cells)!r}")
            continue
        rows.append((where, {name: cells[place].strip() for name, place in places.items()}))
    return rows


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
