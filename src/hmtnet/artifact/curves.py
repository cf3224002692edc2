"""A run's learning curves, ``metrics.csv``: one row per epoch, one column per logged number."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from hmtnet.files import written_aside

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


def write(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write one row per epoch, whole or not at all; what an epoch lacks is an empty cell."""
    names = dict.fromkeys(name for row in reversed(rows) for name in row)
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
