"""A dataset's label table, read and checked: its records, and what their scores mean."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hmtnet.data.digests import DIGEST_LENGTH
from hmtnet.data.facts import Facts
from hmtnet.data.record import Record
from hmtnet.data.settings import LabelKind
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_text

LABELS_ONLY = "labels-"
"""What the fingerprint of labels begins with whose images were not looked at."""

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

# How far a label may lie outside the declared range, as a part of the range's width, so that scores
# which were rescaled in single precision are not refused for their last digit.
RANGE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Published:
    """The stored experiments of a published table: random orders of its references.

    Attributes:
        references: (N,) number of each record's reference, from 1.
        permutations: (P, R) P orders of the reference numbers 1…R; in each the first 60 % train,
            the next 20 % validate, the last 20 % test.
    """

    references: IntArray
    permutations: IntArray


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A dataset's labels; its images need not be there.

    Attributes:
        name: The dataset's name.
        root: Its folder.
        records: One record per image; a *row* is a position in this tuple.
        label_kind: Whether people gave the scores (``human``) or a formula did (``pseudo``).
        mos_range: Lowest and highest possible MOS.
        higher_is_better: Direction of the MOS.
        licence: Licence of the dataset, as its authors state it.
        citation: Publication to cite.
        left_out: Images of the dataset that have no usable label, each with the reason.
        facts: What is known of the dataset, where it is a published one under its own name.
        links: Whether images may lie outside the root, behind links in it.
        published: Its stored experiments, where the labels come from a published table.

    Raises:
        DataError: No record, a repeated image, a MOS that is not finite or lies outside the range,
            a negative standard deviation, a range that is empty, or a published table of another
            number of images.
    """

    name: str
    root: Path
    records: tuple[Record, ...]
    label_kind: LabelKind
    mos_range: tuple[float, float]
    higher_is_better: bool
    licence: str = ""
    citation: str = ""
    left_out: tuple[str, ...] = ()
    links: bool = False
    facts: Facts | None = None
    published: Published | None = None

    def __post_init__(self) -> None:
        _check_records(self.name, self.records, self.mos_range)
        if self.published is not None and len(self.published.references) != len(self.records):
            raise DataError(
                f"Dataset '{self.name}': {len(self.records)} records, but its published table "
                f"numbers the references of {len(self.published.references)}."
            )

    def __len__(self) -> int:
        return len(self.records)

    @property
    def identities(self) -> tuple[str, ...]:
        """One key per record for the image itself: its name, since no image was looked at."""
        return tuple(record.image for record in self.records)

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the labels, since no image was looked at: ``labels-`` and a digest.

        It covers image names, labels to the last bit, references, methods, scales, range, direction
        and label kind; not the root, the dataset's name or the order.
        """
        lines = [self._line(record) for record in self.records]
        return f"{LABELS_ONLY}{self._digest(lines)}"

    def _line(self, r: Record) -> list[Any]:
        return [r.image, float(r.mos), r.mos_std, r.reference, r.method, r.scale]

    def _digest(self, lines: Iterable[list[Any]]) -> str:
        """Return the digest of what is said of each record, in any order, and of the labels."""
        low, high = self.mos_range
        head = json.dumps([float(low), float(high), self.higher_is_better, self.label_kind])
        return digest_text("\n".join([head, *sorted(map(json.dumps, lines))]), DIGEST_LENGTH)

    @cached_property
    def content(self) -> tuple[str | None, ...]:
        """One key per record for the content it shows; equal keys must never be split.

        It is made of the dataset's and the reference's name; None where no reference is named.
        """
        return tuple(
            None if r.reference is None else f"{self.name}/{r.reference}" for r in self.records
        )

    @cached_property
    def mos(self) -> FloatArray:
        """(N,) MOS in the dataset's own unit, read-only."""
        mos = np.array([record.mos for record in self.records], dtype=np.float64)
        mos.flags.writeable = False
        return mos

    @property
    def method(self) -> tuple[str | None, ...]:
        """(N,) SR methods, None where none is named."""
        return tuple(record.method for record in self.records)

    @property
    def scale(self) -> tuple[float | None, ...]:
        """(N,) scale factors, None where none is named."""
        return tuple(record.scale for record in self.records)

    @property
    def reference(self) -> tuple[str | None, ...]:
        """(N,) references, None where none is named."""
        return tuple(record.reference for record in self.records)

    @cached_property
    def datasets(self) -> tuple[str | None, ...]:
        """(N,) which of the joined datasets each record is of; None where there is one dataset."""
        return (None,) * len(self)

    @property
    def unit_mos(self) -> FloatArray:
        """(N,) the records' MOS mapped to [0, 1], 1 = best."""
        # The clip moves a label by no more than RANGE_TOLERANCE.
        return self.to_unit(self.mos).clip(0.0, 1.0)

    def to_unit(self, mos: npt.ArrayLike) -> FloatArray:
        """Map MOS in the dataset's own unit to [0, 1], 1 = best, by the declared range.

        The map is linear everywhere, so that predictions beyond the range keep their order.
        """
        low, high = self.mos_range
        values = np.asarray(mos, dtype=np.float64)
        return (values - low if self.higher_is_better else high - values) / (high - low)

    def from_unit(self, unit: npt.ArrayLike) -> FloatArray:
        """Map scores in [0, 1] back to the dataset's own unit; the inverse of ``to_unit``."""
        low, high = self.mos_range
        distance = np.asarray(unit, dtype=np.float64) * (high - low)
        return low + distance if self.higher_is_better else high - distance


def _check_records(name: str, records: Sequence[Record], mos_range: tuple[float, float]) -> None:
    low, high = mos_range
    if not (np.isfinite([low, high]).all() and low < high):
        raise DataError(
            f"Dataset '{name}': the MOS range must be two finite numbers, lowest first; "
            f"found {low!r} to {high!r}."
        )
    if not records:
        raise DataError(f"Dataset '{name}' has no scored image.")
    times = Counter(r.image for r in records)
    slack = RANGE_TOLERANCE * (high - low)
    faults = {
        "named more than once": [image for image, count in times.items() if count > 1],
        "without a finite MOS": [f"{r.image} ({r.mos})" for r in records if not np.isfinite(r.mos)],
        f"with a MOS outside the declared range {low:g} to {high:g}": [
            f"{r.image} ({r.mos:g})"
            for r in records
            if np.isfinite(r.mos) and not low - slack <= r.mos <= high + slack
        ],
        "with an mos_std that is negative or not finite": [
            f"{r.image} ({r.mos_std})"
            for r in records
            if r.mos_std is not None and not (np.isfinite(r.mos_std) and r.mos_std >= 0)
        ],
    }
    found = [f"{len(items)} {what}: {listed(items)}" for what, items in faults.items() if items]
    if found:
        raise DataError(
            f"Dataset '{name}': of {len(records)} images, {'; '.join(found)}. "
            "Correct the labels, or the declared range (data.range)."
        )
