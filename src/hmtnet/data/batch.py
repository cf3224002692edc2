"""What travels from the loader to the device: whole images, and where to look at them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from hmtnet.data.crops import Corner


@dataclass
class Sample:
    """One image as a loader's worker prepared it.

    Attributes:
        row: The image's row in the manifest.
        pixels: (3, H, W) uint8, at least as large as the crop.
        corners: (top, left) of each crop.
        unit_mos: In [0, 1], 1 = best.
        dropout_draw: Uniform in [0, 1), a function of (seed, epoch, row): the one random number
            that a task may use for this image in this epoch.
        reference: (3, H, W) uint8 aligned with ``pixels``, or None.
    """

    row: int
    pixels: Tensor
    corners: list[Corner]
    unit_mos: float
    dropout_draw: float
    reference: Tensor | None = None


@dataclass
class Batch:
    """I whole images; never padded to a common size.

    Attributes:
        rows: (I,) rows in the manifest, int64.
        images: I uint8 tensors (3, H, W).
        corners: For each image the (top, left) of its crops.
        unit_mos: (I,) in [0, 1], 1 = best, float32.
        dropout_draw: (I,) uniform in [0, 1), float32.
        references: I uint8 tensors aligned with ``images``, or None.
    """

    rows: Tensor
    images: list[Tensor]
    corners: list[list[Corner]]
    unit_mos: Tensor
    dropout_draw: Tensor
    references: list[Tensor] | None = None

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def collate(cls, samples: Sequence[Sample]) -> Self:
        """Join samples without touching their pixels."""
        references = [sample.reference for sample in samples if sample.reference is not None]
        return cls(
            rows=torch.tensor([sample.row for sample in samples]),
            images=[sample.pixels for sample in samples],
            corners=[sample.corners for sample in samples],
            unit_mos=torch.tensor([s.unit_mos for s in samples], dtype=torch.float32),
            dropout_draw=torch.tensor([s.dropout_draw for s in samples], dtype=torch.float32),
            references=references or None,
        )

    def parts(self, most: int) -> Iterator[Self]:
        """Deal the images, in order, into parts of at most ``most`` crops, or of one image."""
        start = crops = 0
        for i, corners in enumerate(self.corners):
            if i > start and crops + len(corners) > most:
                yield self._of(slice(start, i))
                start, crops = i, 0
            crops += len(corners)
        yield self if start == 0 else self._of(slice(start, len(self)))

    def _of(self, images: slice) -> Self:
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        chosen: dict[str, Any] = {n: v if v is None else v[images] for n, v in values.items()}
        return type(self)(**chosen)

    def to(self, device: torch.device | str) -> Self:
        """Return the batch with every tensor on ``device``."""
        # A copy to the CPU is awaited: its reader would not know when it is complete.
        ahead = torch.device(device).type != "cpu"
        return self._map(lambda tensor: tensor.to(device, non_blocking=ahead))

    def pin_memory(self) -> Self:
        """Return the batch in page-locked memory, from which copies to a GPU do not block."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        def apply(value: Any) -> Any:
            if isinstance(value, Tensor):
                return function(value)
            if isinstance(value, list) and value and isinstance(value[0], Tensor):
                return [function(item) for item in value]
            return value

        return type(self)(**{f.name: apply(getattr(self, f.name)) for f in fields(self)})
