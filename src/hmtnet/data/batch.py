"""What travels from the loader to the device: whole images, and where to look at them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from hmtnet.data.crops import Corner, CropSettings, pad_to, random_corners, tile_corners


@dataclass(kw_only=True)
class Sample:
    """One image with the places of its crops; see ``place_crops``.

    Attributes:
        row: The image's row in the manifest.
        pixels: (3, H, W) uint8, at least as large as the crop.
        corners: (top, left) of each crop.
        unit_mos: In [0, 1], 1 = best; NaN where nobody has judged it.
        grade: Of the MOS, 0 = worst; -1 where nobody has judged it.
        dropout_draw: Uniform in [0, 1), a function of (seed, epoch, row): the one random number
            that a task may use for this image in this epoch.
        reference: (3, H, W) uint8 aligned with ``pixels``, or None.
        repeated: Whether this visit only makes processes equally long; see ``EpochSampler``.
        dataset: Number of the image's dataset where several are trained on, else None.
    """

    row: int = 0
    pixels: Tensor
    corners: list[Corner]
    unit_mos: float = math.nan
    grade: int = -1
    dropout_draw: float = 0.0
    reference: Tensor | None = None
    repeated: bool = False
    dataset: int | None = None


def place_crops(
    pixels: Tensor,
    crops: CropSettings,
    reference: Tensor | None = None,
    rng: np.random.Generator | None = None,
) -> Sample:
    """Pad an image that is smaller than a crop, and place its crops.

    Args:
        pixels: (3, H, W).
        crops: How it is looked at.
        reference: (3, H, W) aligned with ``pixels``, or None.
        rng: Draws ``crops.count`` random places; None places the fixed tiles of ``crops.grid``.
    """
    pixels = pad_to(pixels, crops.size)
    height, width = pixels.shape[1:]
    if rng is None:
        corners = tile_corners(height, width, crops)
    else:
        corners = random_corners(height, width, crops, rng)
    beside = None if reference is None else pad_to(reference, crops.size)
    return Sample(pixels=pixels, corners=corners, reference=beside)


@dataclass
class Batch:
    """I whole images; never padded to a common size.

    Attributes:
        rows: (I,) rows in the manifest, int64.
        images: I uint8 tensors (3, H, W).
        corners: For each image the (top, left) of its crops.
        unit_mos: (I,) in [0, 1], 1 = best, float32.
        grades: (I,) grades of the MOS, 0 = worst, int64. Assigned once, in float64: an edge that a
            MOS lies on is another number in float32.
        dropout_draw: (I,) uniform in [0, 1), float32.
        repeated: (I,) bool, which of them only make processes equally long. A loss that compares
            the images of all processes leaves them out.
        references: I uint8 tensors aligned with ``images``, or None.
        saliency: I maps (1, H, W) in [0, 1] of the images, or None while they are not known.
        datasets: (I,) number of each image's dataset, int64; None where there is one dataset. A
            loss that compares images compares those of one dataset.
    """

    rows: Tensor
    images: list[Tensor]
    corners: list[list[Corner]]
    unit_mos: Tensor
    grades: Tensor
    dropout_draw: Tensor
    repeated: Tensor
    references: list[Tensor] | None = None
    saliency: list[Tensor] | None = None
    datasets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def collate(cls, samples: Sequence[Sample]) -> Self:
        """Join samples without touching their pixels."""
        references = [sample.reference for sample in samples if sample.reference is not None]
        datasets = [sample.dataset for sample in samples if sample.dataset is not None]
        return cls(
            rows=torch.tensor([sample.row for sample in samples]),
            images=[sample.pixels for sample in samples],
            corners=[sample.corners for sample in samples],
            unit_mos=torch.tensor([s.unit_mos for s in samples], dtype=torch.float32),
            grades=torch.tensor([sample.grade for sample in samples]),
            dropout_draw=torch.tensor([s.dropout_draw for s in samples], dtype=torch.float32),
            repeated=torch.tensor([sample.repeated for sample in samples]),
            references=references or None,
            datasets=torch.tensor(datasets) if datasets else None,
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

    def apart(self, most: int) -> Iterator[Self]:
        """Deal the crops of a batch of one image, in order, into groups of at most ``most``.

        Each crop is declared an image of its own, so that a prediction has one entry per crop.
        """
        for start in range(0, len(self.corners[0]), most):
            places = self.corners[0][start : start + most]
            yield replace(self._of([0] * len(places)), corners=[[place] for place in places])

    def _of(self, images: slice | list[int]) -> Self:
        def chosen(values: Any) -> Any:
            if isinstance(values, list) and isinstance(images, list):
                return [values[i] for i in images]
            return values if values is None else values[images]

        return type(self)(**{f.name: chosen(getattr(self, f.name)) for f in fields(self)})

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
