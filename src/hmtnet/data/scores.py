"""Scores that some metric gave to a dataset's images, from a CSV file."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.readers.csv_rows import parse
from hmtnet.data.readers.folder import decode_text
from hmtnet.data.readers.table import EMPTY
from hmtnet.errors import DataError, listed, nearest


def read_scores(
    path: Path, labels: Labels, image: str = "image", columns: Sequence[str] | None = None
) -> dict[str, FloatArray]:
    """Read scores and join them to a dataset's records.

    Images are found by their names in the dataset, or by an end that both names share and no other
    image has: ``a.png`` for ``set5/x4/a.png``, and the other way round.

    Args:
        path: A CSV with a header, separated by commas, semicolons or tabs: a column of image names,
            and one column per metric.
        labels: The dataset; its images need not be there.
        image: The column of image names.
        columns: Which columns of scores; None for all whose cells are numbers or empty.

    Returns:
        By column, (N,) the score of every record; NaN where the metric has none.

    Raises:
        DataError: The file is no such table, a column is not there or holds no score, a cell is no
            number, a row names no image of the dataset, or an image has two rows.
    """
    header, rows = _table(path, image)
    names = [image, *(columns or [])]
    unknown = [name for name in names if name not in header]
    if unknown:
        raise DataError(
            f"{path} has no column {listed(map(repr, unknown))}.{nearest(unknown[0], header)} Name "
            "the column of images with image=<name>, those of scores with columns=[…]."
        )
    place = header.index(image)
    found = _rows_of(path, [cells[place] for _, cells in rows], labels)
    chosen = columns or [
        name
        for i, name in enumerate(header)
        if i != place and all(_is_score(cells[i]) for _, cells in rows)
    ]
    scores: dict[str, FloatArray] = {}
    for name in chosen:
        values = np.full(len(labels), np.nan)
        at = header.index(name)
        values[found] = [_number(path, name, line, cells[at]) for line, cells in rows]
        if np.isfinite(values).any():
            scores[name] = values
    lacking = [name for name in columns or [] if name not in scores]
    if lacking or not scores:
        what = f"column {listed(map(repr, lacking))}" if lacking else "any column"
        raise DataError(
            f"{path} has no score in {what}. Found the columns {listed(header, 12)}; one of scores "
            "holds numbers, and nothing where an image has none."
        )
    return scores


def _table(path: Path, image: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with the number of its line."""
    text = decode_text(path)
    for separator in ",;\t":
        (_, header), *rows = parse(text, separator, path)
        if image in header:
            break
    else:
        (_, header), *rows = parse(text, ",", path)
    if not rows:
        raise DataError(f"Scores '{path}' hold no row. Give a header, and one row per image.")
    twice = [name for name, count in Counter(header).items() if count > 1]
    ragged = [line for line, cells in rows if len(cells) != len(header)]
    if twice or ragged:
        what = f"columns twice: {listed(twice)}" if twice else f"ragged rows: {listed(ragged)}"
        raise DataError(f"Scores '{path}' have {what}. Give each row one cell per column.")
    return header, rows


def _rows_of(path: Path, images: Sequence[str], labels: Labels) -> list[int]:
    """Return the record of each image name."""
    by_end: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(labels.records):
        parts = record.image.split("/")
        for start in range(len(parts)):
            by_end["/".join(parts[start:])].append(row)
    exact = {record.image: row for row, record in enumerate(labels.records)}
    cleaned = [name.replace("\\", "/").removeprefix("./") for name in images]
    ends = [[name.split("/", n)[-1] for n in range(name.count("/") + 1)] for name in cleaned]
    meant = [
        next(([exact[end]] if end in exact else by_end[end] for end in own if end in by_end), [])
        for own in ends
    ]
    lost = [name for name, rows in zip(images, meant, strict=True) if not rows]
    vague = [name for name, rows in zip(images, meant, strict=True) if len(rows) > 1]
    known = [rows[0] for rows in meant if rows]
    twice = [labels.records[row].image for row, count in Counter(known).items() if count > 1]
    for what, names in {
        f"name no image of '{labels.name}', such as {labels.records[0].image}": lost,
        "may mean several images; give more of their path": vague,
        "are given twice": twice,
    }.items():
        if names:
            raise DataError(f"Scores '{path}': {len(names)} rows {what}: {listed(names)}.")
    return known


def _is_score(cell: str) -> bool:
    try:
        return cell.lower() in EMPTY or math.isfinite(float(cell))
    except ValueError:
        return False


def _number(path: Path, column: str, line: int, cell: str) -> float:
    if not _is_score(cell):
        raise DataError(
            f"Scores '{path}', line {line}, column '{column}': expected a finite number, or "
            f"nothing, found {cell!r}."
        )
    return math.nan if cell.lower() in EMPTY else float(cell)
