"""A run's learning curves, ``metrics.csv``: one row per epoch, one column per logged number."""

import csv
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hmtnet.files import written_aside

log = logging.getLogger(__name__)

EPOCH = "epoch"

Curves = dict[int, dict[str, str]]
"""What was logged in each epoch, by name: numbers as text, empty where there is none."""


def read(path: Path) -> Curves:
    """Read the curves; epochs count from 1, and 0 is the network before its training.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is not what ``write`` writes.
    """
    curves: Curves = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream, strict=True):
                if None in row or None in row.values():
                    raise ValueError("a row has not as many cells as the header")
                epoch = int(row.get(EPOCH, ""))
                if epoch < 0 or (curves and epoch != max(curves) + 1):
                    raise ValueError(f"epoch {epoch} does not follow the one above it")
                for cell in filter(None, row.values()):
                    float(cell)
                curves[epoch] = row
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if not curves:
        raise ValueError("it has no epoch")
    return curves


def write(path: Path, row: Mapping[str, float]) -> None:
    """Put one epoch's row into the file, replacing this and later epochs."""
    before = read(path) if path.exists() else {}
    rows: list[Mapping[str, Any]] = [r for epoch, r in before.items() if epoch < row[EPOCH]]
    names = dict.fromkeys([*row, *(name for found in rows for name in found)])
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])


def set_aside_if_damaged(path: Path) -> None:
    """Rename a file that cannot be read, and say so: no training is lost for want of its curves."""
    try:
        if path.exists():
            read(path)
    except (OSError, ValueError) as error:
        aside = path.with_suffix(".damaged")
        path.replace(aside)
        log.warning(
            "The learning curves '%s' are damaged (%s). They lie in '%s' now, and new ones begin.",
            *(path, error, aside.name),
        )
