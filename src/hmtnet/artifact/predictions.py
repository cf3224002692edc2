"""Predictions of one stage on one dataset: the table every reported number is computed from.

The file, ``predictions.csv``, is UTF-8 with one row per image and the columns image, subset, mos,
mos_std, score, grade, true_grade, p_1…p_K, reference, method, scale and, where several datasets
were used together, dataset. MOS and scores are in the dataset's own unit (of several datasets, in
[0, 1]), grades are 1…K with K the best, and an empty cell means "not applicable".
Numbers are written so that reading returns them to the last bit.
"""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hmtnet.artifact.table import Table, finite, is_utf8, read_table, whole
from hmtnet.errors import ArtifactError, listed
from hmtnet.files import write_table

SUBSETS = ("train", "val", "test")

_BEFORE = ("image", "subset", "mos", "mos_std", "score", "grade", "true_grade")
_AFTER = ("reference", "method", "scale")
_DATASET = "dataset"


@dataclass(frozen=True, eq=False)
class Predictions:
    """One row per image; columns of equal length N.

    Attributes:
        image: Path relative to the dataset's root; unique.
        subset: ``train``, ``val`` or ``test``.
        mos: float64 (N,), the label, in the dataset's unit.
        mos_std: float64 (N,), its standard deviation over raters; NaN where unknown.
        score: float64 (N,), the prediction, in the dataset's unit.
        grade: int64 (N,), the predicted grade, 0 (worst) … K-1 (best); -1 where there is none.
        true_grade: int64 (N,), the grade of the MOS; -1 where there is none.
        probabilities: float64 (N, K), of the grades; K = 0 where none are predicted.
        reference: Content id, or None.
        method: Super-resolution method, or None.
        scale: Super-resolution factor, or None; an int where it is whole.
        dataset: Which of several datasets, or None; all None by default.

    Raises:
        ArtifactError: A column's length or shape differs, a MOS or score is not finite, an image
            occurs twice, a subset is unknown, a grade is outside 0…K-1, or a name or scale
            is what the file cannot hold.
    """

    image: tuple[str, ...]
    subset: tuple[str, ...]
    mos: NDArray[np.float64]
    mos_std: NDArray[np.float64]
    score: NDArray[np.float64]
    grade: NDArray[np.int64]
    true_grade: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    reference: tuple[str | None, ...]
    method: tuple[str | None, ...]
    scale: tuple[float | None, ...]
    dataset: tuple[str | None, ...] = ()

    def __post_init__(self) -> None:
        """Check everything that a table of numbers would silently get wrong."""
        if not self.dataset:
            object.__setattr__(self, "dataset", (None,) * len(self))
        self._check_shapes()
        self._check_names()
        for name in ("mos", "score"):
            wrong = np.flatnonzero(~np.isfinite(getattr(self, name)))
            if wrong.size:
                raise ArtifactError(
                    f"The {name} of {wrong.size} of {len(self)} images is not a finite number "
                    f"({listed(self.image[i] for i in wrong)}). No metric may be computed from it."
                )
        if np.isinf(self.mos_std).any() or (self.mos_std < 0).any():
            raise ArtifactError("Column mos_std: expected numbers ≥ 0, or NaN where unknown.")
        if not np.isfinite(self.probabilities).all():
            raise ArtifactError("Grade probabilities must be finite numbers.")
        k = self.probabilities.shape[1]
        for name in ("grade", "true_grade"):
            grades = getattr(self, name)
            if len(self) and (grades.min() < -1 or (k and grades.max() >= k)):
                raise ArtifactError(
                    f"Column {name}: expected -1 … {k - 1 if k else 'K-1'} (-1: none), found "
                    f"{grades.min()} … {grades.max()}."
                )

    def __len__(self) -> int:
        return len(self.image)

    @property
    def subsets(self) -> tuple[str, ...]:
        """The subsets that occur, in the order train, val, test."""
        return tuple(name for name in SUBSETS if name in self.subset)

    def select(self, subset: str) -> Self:
        """Return the rows of one subset, in order; none, if it does not occur."""
        return self.take([i for i, name in enumerate(self.subset) if name == subset])

    def apart(self) -> dict[str | None, Self]:
        """Return the rows of each dataset by its name, in the order of the names.

        Numbers over several datasets would compare what different people said of different images.
        """
        names = sorted(set(self.dataset), key=lambda name: name or "")
        return {
            name: self.take([i for i, other in enumerate(self.dataset) if other == name])
            for name in names
        }

    def take(self, rows: Sequence[int]) -> Self:
        """Return some rows, in the order given."""
        columns: dict[str, Any] = {}
        for name, column in self._columns():
            if isinstance(column, tuple):
                columns[name] = tuple(column[i] for i in rows)
            else:
                columns[name] = column[list(rows)]
        return type(self)(**columns)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Put tables of different images below each other.

        Raises:
            ArtifactError: The parts differ in K, or an image occurs twice.
        """
        if not parts:
            raise ValueError("Nothing to concatenate: give at least one table of predictions.")
        counts = sorted({part.probabilities.shape[1] for part in parts})
        if len(counts) > 1:
            raise ArtifactError(
                f"Predictions with {listed(counts)} grade probabilities cannot be put together."
            )
        columns: dict[str, Any] = {}
        for name, first in parts[0]._columns():
            pieces = [getattr(part, name) for part in parts]
            if isinstance(first, tuple):
                columns[name] = tuple(value for piece in pieces for value in piece)
            else:
                columns[name] = np.concatenate(pieces)
        return cls(**columns)

    def _columns(self) -> Iterator[tuple[str, Any]]:
        return ((field.name, getattr(self, field.name)) for field in fields(self))

    def _check_shapes(self) -> None:
        n = len(self)
        for name, column in self._columns():
            if len(column) != n:
                raise ArtifactError(f"Column {name}: expected {n} rows, found {len(column)}.")
            if isinstance(column, np.ndarray):
                dimensions = 2 if name == "probabilities" else 1
                kind = np.int64 if name.endswith("grade") else np.float64
                if column.ndim != dimensions or column.dtype != kind:
                    raise ArtifactError(
                        f"Column {name}: expected {np.dtype(kind)} with {dimensions} dimension(s), "
                        f"found {column.dtype} of shape {column.shape}."
                    )

    def _check_names(self) -> None:
        for column in ("image", "reference", "method", "dataset"):
            for name in getattr(self, column):
                if name is None and column != "image":
                    continue
                if not name or "\r" in name or not is_utf8(name):
                    raise ArtifactError(
                        f"Column {column}: {name!r} is no usable name. It must not be empty nor "
                        "hold a carriage return, and must be valid Unicode. Rename it."
                    )
        for scale in self.scale:
            if scale is not None and not _is_factor(scale):
                raise ArtifactError(f"Column scale: expected 1.5, 2, … or None, found {scale!r}.")
        unknown = sorted(set(self.subset) - set(SUBSETS))
        if unknown:
            raise ArtifactError(
                f"Column subset: expected {listed(SUBSETS)}, found {listed(unknown)}."
            )
        if len(set(self.image)) < len(self):
            twice = sorted(name for name, count in Counter(self.image).items() if count > 1)
            raise ArtifactError(
                f"{len(twice)} images occur more than once ({listed(twice)}). "
                "One image must never count twice."
            )


def write(path: Path, predictions: Predictions) -> None:
    """Write predictions to a CSV file, whole or not at all.

    Raises:
        ArtifactError: The file cannot be written.
    """
    columns: list[list[str]] = [list(predictions.image), list(predictions.subset)]
    columns += [_floats(c) for c in (predictions.mos, predictions.mos_std, predictions.score)]
    columns += [_grades(c) for c in (predictions.grade, predictions.true_grade)]
    columns += [_floats(column) for column in predictions.probabilities.T]
    columns += [[name or "" for name in c] for c in (predictions.reference, predictions.method)]
    columns += [["" if scale is None else str(scale) for scale in predictions.scale]]
    more = [_DATASET] if any(predictions.dataset) else []
    columns += [[name or "" for name in predictions.dataset]] * len(more)
    probabilities = [f"p_{i + 1}" for i in range(predictions.probabilities.shape[1])]
    header = [*_BEFORE, *probabilities, *_AFTER]
    try:
        write_table(Path(path), [*header, *more], zip(*columns, strict=True))
    except OSError as error:
        raise ArtifactError(
            f"Predictions cannot be written to {path}: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def read(path: Path) -> Predictions:
    """Read and check a file of predictions. Columns it does not know are ignored.

    Raises:
        ArtifactError: The file is missing, not CSV in UTF-8, lacks columns, or holds what
            `Predictions` refuses; messages name the row (the header is row 1) and the column.
    """
    table = read_table(path)
    table.require((*_BEFORE, *_AFTER))
    probabilities = [table.column(name, finite) for name in _probability_columns(table)]
    columns: dict[str, Any] = {
        # Interned: a report holds hundreds of files that name the same images.
        "image": tuple(table.column("image", sys.intern)),
        "subset": tuple(table.column("subset", sys.intern)),
        "mos": np.array(table.column("mos", finite), dtype=np.float64),
        "mos_std": np.array(table.column("mos_std", finite, np.nan), dtype=np.float64),
        "score": np.array(table.column("score", finite), dtype=np.float64),
        "grade": np.array(table.column("grade", _grade, -1), dtype=np.int64),
        "true_grade": np.array(table.column("true_grade", _grade, -1), dtype=np.int64),
        "probabilities": np.array(probabilities, dtype=np.float64)
        .reshape(len(probabilities), len(table.rows))
        .T,
        "reference": tuple(table.column("reference", sys.intern, None)),
        "method": tuple(table.column("method", sys.intern, None)),
        "scale": tuple(table.column("scale", _factor, None)),
        "dataset": tuple(table.column(_DATASET, sys.intern, None))
        if _DATASET in table.header
        else (),
    }
    try:
        return Predictions(**columns)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error}") from error


def _probability_columns(table: Table) -> list[str]:
    """Return the names p_1 … p_K in order, and refuse a gap."""
    found = [name for name in table.header if re.fullmatch(r"p_[0-9]+", name)]
    expected = [f"p_{i + 1}" for i in range(len(found))]
    if set(found) != set(expected):
        raise ArtifactError(
            f"{table.path}: expected the grade probabilities {', '.join(expected)}, "
            f"found {', '.join(found)}."
        )
    return expected


def _grade(cell: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", cell):
        raise ValueError(f"expected a grade 1, 2, …, found {cell!r}")
    return int(cell) - 1


def _is_factor(scale: object) -> bool:
    if isinstance(scale, float):
        return scale > 0 and math.isfinite(scale) and not scale.is_integer()
    return isinstance(scale, int) and scale > 0


def _factor(cell: str) -> float:
    return whole(cell) if cell.isdecimal() else finite(cell)


def _floats(values: NDArray[np.float64]) -> list[str]:
    # tolist gives Python floats, whose repr is the shortest text that reads back to the same bits.
    return ["" if math.isnan(value) else repr(value) for value in values.tolist()]


def _grades(values: NDArray[np.int64]) -> list[str]:
    return ["" if value < 0 else str(value + 1) for value in values.tolist()]
