"""A dataset, read and checked: its records, what their scores mean, and its identity."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from hmtnet.data.digests import DIGEST_LENGTH, digest_images
from hmtnet.data.record import Record
from hmtnet.data.settings import LabelKind
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_text

FloatArray = npt.NDArray[np.float64]

# How far a label may lie outside the declared range, as a part of the range's width: scores that
# were rescaled in single precision are not refused for their last digit.
RANGE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Manifest:
    """A dataset as the rest of the package sees it. Make one with ``Manifest.create``.

    Attributes:
        name: The dataset's name.
        root: Its folder.
        records: One record an image; a *row* is a position in this tuple.
        label_kind: Whether people gave the scores (``human``) or a formula did (``pseudo``).
        mos_range: Lowest and highest possible MOS.
        higher_is_better: Direction of the MOS.
        licence: Licence of the dataset, as its authors state it.
        citation: Publication to cite.
        digests: One digest of the image file's bytes a record.
        reference_digests: The same of the reference image, None where there is none.

    Raises:
        DataError: No record, a repeated image, a MOS that is not finite or lies outside the range,
            a negative standard deviation, or a range that is empty.
    """

    name: str
    root: Path
    records: tuple[Record, ...]
    label_kind: LabelKind
    mos_range: tuple[float, float]
    higher_is_better: bool
    licence: str
    citation: str
    digests: tuple[str, ...]
    reference_digests: tuple[str | None, ...]

    def __post_init__(self) -> None:
        _check_records(self.name, self.records, self.mos_range)
        for what in ("digests", "reference_digests"):
            found = len(getattr(self, what))
            if found != len(self.records):
                raise DataError(
                    f"Dataset '{self.name}': {len(self.records)} records but {found} {what}."
                )

    @classmethod
    def create(
        cls,
        name: str,
        root: Path,
        records: Iterable[Record],
        *,
        label_kind: LabelKind,
        mos_range: tuple[float, float],
        higher_is_better: bool,
        licence: str = "",
        citation: str = "",
    ) -> Self:
        """Check the records, digest every image they name, and join both to a manifest.

        Raises:
            DataError: As the class, or an image is missing, unreadable or outside the root.
        """
        records = tuple(records)
        # Labels first: they are checked in a moment, digesting a large set takes minutes.
        _check_records(name, records, mos_range)
        references = {r.reference_image for r in records if r.reference_image is not None}
        digests = digest_images(root, [*(r.image for r in records), *references])
        return cls(
            name=name,
            root=root,
            records=records,
            label_kind=label_kind,
            mos_range=mos_range,
            higher_is_better=higher_is_better,
            licence=licence,
            citation=citation,
            digests=tuple(digests[r.image] for r in records),
            reference_digests=tuple(
                None if r.reference_image is None else digests[r.reference_image] for r in records
            ),
        )

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def fingerprint(self) -> str:
        """Identity of the data, 16 hexadecimal digits.

        It covers image names, labels to the last bit, references, methods, scales, range,
        direction, label kind and image bytes; not the root, the dataset's name or the order.
        """
        lines = sorted(
            json.dumps(
                [r.image, float(r.mos), r.mos_std, r.reference, r.method, r.scale, digest, pristine]
            )
            for r, digest, pristine in zip(
                self.records, self.digests, self.reference_digests, strict=True
            )
        )
        low, high = self.mos_range
        head = json.dumps([float(low), float(high), self.higher_is_better, self.label_kind])
        return digest_text("\n".join([head, *lines]), DIGEST_LENGTH)

    @cached_property
    def content(self) -> tuple[str | None, ...]:
        """One key a record for the content it shows; equal keys must never be split.

        Where there is a reference image, the key is its digest, so that one reference is
        recognised under two names and in two datasets; else it is made of the dataset's and the
        reference's name. None where the dataset names no reference.
        """
        digest_of: dict[str, str] = {}
        for record, digest in zip(self.records, self.reference_digests, strict=True):
            if record.reference is not None and digest is not None:
                # Several crops of one reference are one content: the smallest digest stands for it.
                known = digest_of.get(record.reference, digest)
                digest_of[record.reference] = min(known, digest)
        return tuple(
            digest
            if record.reference is None
            else digest_of.get(record.reference, f"{self.name}/{record.reference}")
            for record, digest in zip(self.records, self.reference_digests, strict=True)
        )

    @property
    def mos(self) -> FloatArray:
        """(N,) MOS in the dataset's own unit."""
        return np.array([record.mos for record in self.records], dtype=np.float64)

    @property
    def unit_scores(self) -> FloatArray:
        """(N,) the records' MOS as unit scores, in [0, 1], 1 = best."""
        # The clip moves a label by no more than RANGE_TOLERANCE.
        return self.to_unit(self.mos).clip(0.0, 1.0)

    def to_unit(self, mos: npt.ArrayLike) -> FloatArray:
        """Map MOS in the dataset's own unit to unit scores: the declared range to [0, 1], 1 = best.

        The map is linear everywhere, so that predictions beyond the range keep their order.
        """
        low, high = self.mos_range
        values = np.asarray(mos, dtype=np.float64)
        return (values - low if self.higher_is_better else high - values) / (high - low)

    def from_unit(self, unit: npt.ArrayLike) -> FloatArray:
        """Map unit scores back to the dataset's own unit; the inverse of ``to_unit``."""
        low, high = self.mos_range
        distance = np.asarray(unit, dtype=np.float64) * (high - low)
        return low + distance if self.higher_is_better else high - distance


def _check_records(name: str, records: tuple[Record, ...], mos_range: tuple[float, float]) -> None:
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
