"""What a stage may learn from beside images and scores: the labels of its training images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.errors import SettingsError, nearest

KNOWN = tuple(field.name for field in fields(Record))


@dataclass(frozen=True)
class TrainingLabels:
    """The labels of the training images, and of no others.

    Validation and test images are left out when this is made, so nothing can be learned from their
    labels by mistake. Every tensor has one row per record of the dataset, so that ``Batch.rows``
    selects from it; rows that are not of a training image hold what stands for "unknown".

    Attributes:
        count: Number of records of the dataset, N.
        records: The training images' records by row, ascending.
        unit_mos: (N,) float64, in [0, 1], 1 = best; NaN where not a training image.
        mos_width: Width of the dataset's MOS range: what a deviation in its unit is divided by.
    """

    count: int
    records: Mapping[int, Record]
    unit_mos: Tensor
    mos_width: float

    @classmethod
    def of(cls, labels: Labels, rows: Sequence[int]) -> Self:
        """Keep the labels of the training images, which ``rows`` are."""
        low, high = labels.mos_range
        kept = sorted(rows)
        unit_mos = torch.full((len(labels),), torch.nan, dtype=torch.float64)
        unit_mos[kept] = torch.from_numpy(labels.unit_mos[kept])
        return cls(len(labels), {row: labels.records[row] for row in kept}, unit_mos, high - low)

    @cached_property
    def rows(self) -> Tensor:
        """(n,) rows of the training images, ascending."""
        return torch.tensor(list(self.records), dtype=torch.long)

    def column(self, field: str) -> Tensor:
        """Return a field of numbers, such as ``scale`` or ``mos_std``.

        Args:
            field: Of ``Record``. ``mos`` and ``mos_std`` come on the scale of unit scores.

        Returns:
            (N,) float32, NaN where unknown or not a training image.

        Raises:
            SettingsError: There is no such field, or it holds text.
        """
        if field == "mos":
            return self.unit_mos.float()
        column = torch.full((self.count,), torch.nan)
        for row, value in self._values(field).items():
            if isinstance(value, str):
                raise SettingsError(
                    f"The field '{field}' holds text, '{value}' for one, and no numbers. Number "
                    f"its values by keys('{field}')."
                )
            if value is not None:
                column[row] = value
        return column / self.mos_width if field == "mos_std" else column

    def keys(self, *kind: str) -> Tensor:
        """Number the combinations of values of some fields, such as SR method and scale.

        Args:
            kind: Fields of ``Record``.

        Returns:
            (N,) int64, counted from 0 in the order of the values; -1 where none of the fields is
            known or it is not a training image.

        Raises:
            SettingsError: There is no such field.
        """
        columns = [self._values(field) for field in kind]
        kinds = {row: tuple(column[row] for column in columns) for row in self.records}
        known = {row: found for row, found in kinds.items() if any(v is not None for v in found)}
        number = {found: key for key, found in enumerate(sorted(set(known.values()), key=str))}
        keys = torch.full((self.count,), -1)
        for row, found in known.items():
            keys[row] = number[found]
        return keys

    def mean_unit_mos(self, keys: Tensor) -> Tensor:
        """Average the training images' unit MOS by key.

        Args:
            keys: (N,) as ``keys`` numbers them: K of them, and -1.

        Returns:
            (K,) float32.
        """
        rows = self.rows[keys[self.rows] >= 0]
        total = torch.zeros(int(keys.max()) + 1, dtype=torch.float64)
        total.index_add_(0, keys[rows], self.unit_mos[rows])
        return (total / torch.bincount(keys[rows])).float()

    def _values(self, field: str) -> dict[int, str | float | None]:
        if field not in KNOWN:
            raise SettingsError(f"A record has no field '{field}'.{nearest(field, KNOWN)}")
        return {row: getattr(record, field) for row, record in self.records.items()}
