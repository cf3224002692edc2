"""Where crops lie in an image, and cutting them on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Corner = tuple[int, int]

_LARGEST = 4096  # a smaller image is mirrored outwards to it, whatever memory that takes


@dataclass(frozen=True, kw_only=True)
class CropSettings:
    """How an image is looked at.

    Attributes:
        size: Side of the square crops, pixels.
        count: Random crops per image and epoch in training.
        grid: Fixed tiles in validation, test and scoring: ``"cover"`` takes as many as cover the
            image, a number at most that many per side, evenly spread.
    """

    size: int = 96
    count: int = 2
    grid: int | Literal["cover"] = "cover"

    def __post_init__(self) -> None:
        if self.size < 16:
            raise ValueError(f"size: expected at least 16 pixels, found {self.size}")
        if self.size > _LARGEST:
            raise ValueError(f"size: expected at most {_LARGEST} pixels, found {self.size}")
        if self.count < 1:
            raise ValueError(f"count: expected at least 1 crop per image, found {self.count}")
        if self.grid != "cover" and self.grid < 1:
            raise ValueError(f"grid: expected 'cover' or at least 1, found {self.grid}")


@dataclass
class Crops:
    """Crops of a batch of images, on the device.

    Attributes:
        pixels: (N, 3, P, P) RGB in [0, 1].
        image: (N,) position of each crop's image in the batch, ascending, 0 to I - 1.
        images: I, the number of images.
        saliency: (N, 1, P, P) in [0, 1], cut from the map of the whole image, or None.
        reference: (N, 3, P, P), the same crops of the reference images, or None.
        prior: (I, K) grade log-probabilities, worst grade first, that stand in for what a grading
            network would say of the images, or None.
    """

    pixels: Tensor
    image: Tensor
    images: int
    saliency: Tensor | None = None
    reference: Tensor | None = None
    prior: Tensor | None = None

    def mean_by_image(self, values: Tensor) -> Tensor:
        """Reduce (N, ...) values of crops to (I, ...) values of images by the mean."""
        total = values.new_zeros((self.images, *values.shape[1:]))
        total = total.index_add(0, self.image, values)
        # Not torch.bincount, for which a GPU would have to be waited for.
        ones = values.new_ones(len(values))
        counts = ones.new_zeros(self.images).index_add(0, self.image, ones)
        return total / counts.view(-1, *[1] * (values.ndim - 1))


def random_corners(
    height: int, width: int, settings: CropSettings, rng: np.random.Generator
) -> list[Corner]:
    """Draw ``settings.count`` (top, left) corners, uniform over all positions that fit."""
    tops = rng.integers(0, height - settings.size + 1, settings.count)
    lefts = rng.integers(0, width - settings.size + 1, settings.count)
    return list(zip(tops.tolist(), lefts.tolist(), strict=True))


def tile_corners(height: int, width: int, settings: CropSettings) -> list[Corner]:
    """Return the fixed (top, left) corners of an evenly spaced grid of tiles.

    >>> tile_corners(96, 200, CropSettings(size=96))
    [(0, 0), (0, 52), (0, 104)]
    >>> tile_corners(96, 200, CropSettings(size=96, grid=1))
    [(0, 52)]
    """

    def along(length: int) -> list[int]:
        needed = -(-length // settings.size)
        tiles = needed if settings.grid == "cover" else min(needed, settings.grid)
        free = length - settings.size
        if tiles == 1:
            return [free // 2]
        return [round(i * free / (tiles - 1)) for i in range(tiles)]

    return [(top, left) for top in along(height) for left in along(width)]


def pad_to(image: Tensor, size: int) -> Tensor:
    """Reflect an image (C, H, W) outwards until both sides measure at least ``size`` pixels.

    Only images smaller than the crop are touched; the added pixels are mirrored content, split
    evenly over both sides.
    """
    for axis in (1, 2):
        length = image.shape[axis]
        missing = max(0, size - length)
        if missing:
            margins = (missing // 2, missing - missing // 2)
            # "symmetric" also works where the margin exceeds the image; it repeats the mirror.
            places = torch.from_numpy(np.pad(np.arange(length), margins, mode="symmetric"))
            image = image.index_select(axis, places.to(image.device))
    return image


def cut(
    images: Sequence[Tensor],
    corners: Sequence[Sequence[Corner]],
    size: int,
    saliency: Sequence[Tensor] | None = None,
    reference: Sequence[Tensor] | None = None,
) -> Crops:
    """Cut crops out of whole images on the device where the images are.

    Args:
        images: I uint8 tensors (3, H, W), sizes may differ.
        corners: For each image its (top, left) corners.
        size: P, the side of the crops.
        saliency: I float maps (1, H, W) in [0, 1], or None.
        reference: I uint8 tensors aligned with ``images``, or None.
    """

    def stack(sources: Sequence[Tensor]) -> Tensor:
        return torch.stack(
            [
                source[:, top : top + size, left : left + size]
                for source, places in zip(sources, corners, strict=True)
                for top, left in places
            ]
        )

    image = torch.tensor([i for i, places in enumerate(corners) for _ in places])
    return Crops(
        pixels=to_unit(stack(images)),
        image=image.to(images[0].device, non_blocking=True),
        images=len(images),
        saliency=None if saliency is None else stack(saliency),
        reference=None if reference is None else to_unit(stack(reference)),
    )


def to_unit(pixels: Tensor) -> Tensor:
    """Convert uint8 pixels to float in [0, 1]; floats pass through."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
