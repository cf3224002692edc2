"""A finished stage as one module from whole images to scores, for files that other programs run."""

from typing import Any

import torch
from torch import Tensor, nn

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.perception.framed import framed_saliency


class _Means(Crops):
    """Crops whose means are a product with a matrix: a format may not know sums into places."""

    def mean_by_image(self, values: Tensor) -> Tensor:
        """Reduce (N, ...) values of crops to (I, ...) values of images by the mean."""
        member = (torch.arange(self.images)[:, None] == self.image).to(values.dtype)
        flat = values[:, None] if values.ndim == 1 else values.flatten(1)
        means = (member / member.sum(1, keepdim=True)) @ flat
        return means.reshape(self.images, *values.shape[1:])


class Portable(nn.Module):
    """Whole images in, what scoring says of them out: padding, saliency, tiles and means included.

    Only sizes are computed with, never the values of pixels, so that one graph holds for all sizes.
    All tiles of all images are looked at together: memory grows with them.

    Args:
        network: In evaluation mode, on the CPU.
        crops: Its tiles.
        mos_range: Lowest and highest score of the dataset.
        higher_is_better: Whether a higher score means better quality.

    Attributes:
        outputs: The names of what `forward` returns.
    """

    def __init__(
        self,
        network: QualityNetwork,
        crops: CropSettings,
        mos_range: tuple[float, float],
        higher_is_better: bool,
    ) -> None:
        super().__init__()
        self.network = network
        self.crops = crops
        low, high = mos_range
        self._worst, self._best = (low, high) if higher_is_better else (high, low)
        self.outputs = (
            "score",
            "unit_score",
            *(("grade", "probabilities") if network.graded else ()),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Judge images.

        Args:
            images: (B, 3, H, W) uint8, RGB.

        Returns:
            ``score`` (B,) in the unit of the dataset, ``unit_score`` (B,) in [0, 1], 1 = best; of a
            network with grades also ``grade`` (B,), 1 = worst, and ``probabilities`` (B, K), worst
            grade first.
        """
        pixels = images.float() / 255
        for axis in (2, 3):
            pixels = pixels.index_select(axis, mirrored(pixels.shape[axis], self.crops.size))
        image, top, left = tile_corners(pixels, self.crops)
        operator = self.network.saliency_operator
        saliency = None if operator is None else framed_saliency(pixels, operator)
        size = torch.arange(self.crops.size)
        rows, columns = top[:, None] + size, left[:, None] + size
        places = (image[:, None, None], rows[:, :, None], columns[:, None])

        def cut(maps: Tensor) -> Tensor:
            """(B, C, H, W) → (N, C, P, P)."""
            return maps.permute(0, 2, 3, 1)[places].permute(0, 3, 1, 2)

        crops = _Means(
            pixels=cut(pixels),
            image=image,
            images=images.shape[0],
            saliency=None if saliency is None else cut(saliency),
        )
        said = self.network(crops)
        unit: Tensor = said.unit_score
        score = self._worst + unit * (self._best - self._worst)
        if not self.network.graded:
            return score, unit
        probabilities = said.log_grades.exp()
        # As `hmtnet.metrics.median_grade`, in float32.
        half = probabilities.sum(1, keepdim=True) / 2 - 1e-6
        grade = (probabilities.cumsum(1) < half).sum(1) + 1
        return score, unit, grade, probabilities


def mirrored(length: int, least: int) -> Tensor:
    """Return which places of a side make it at least so long; see `hmtnet.data.crops.pad_to`."""
    have = torch.full((), length, dtype=torch.int64)
    missing = (least - have).clamp_min(0)
    place = (_counted(have + missing) - missing // 2).remainder(2 * have)
    return torch.where(place < have, place, 2 * have - 1 - place)


def tile_corners(images: Tensor, crops: CropSettings) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, top and left (N,) of the tiles of images (B, C, H, W), image by image.

    Those of `hmtnet.data.crops.tile_corners`: in float64, quotients are rounded as Python's.
    """
    number, _, height, width = images.shape
    free, tiles = [], []
    for length in (height, width):
        side = torch.full((), length, dtype=torch.int64)
        needed = (side + crops.size - 1) // crops.size
        free.append(side - crops.size)
        tiles.append(needed if crops.grid == "cover" else needed.clamp_max(crops.grid))
    down, across = tiles
    place = _counted(down * across * number)
    starts = []
    numbers = (place // across % down, place % across)
    for here, count, room in zip(numbers, tiles, free, strict=True):
        even = (here * room).double() / (count - 1).clamp_min(1)
        starts.append(torch.where(count == 1, room // 2, even.round().long()))
    return place // (down * across), starts[0], starts[1]


def _counted(number: Tensor) -> Tensor:
    """Return 0, 1, … below a number () that is at least 1."""
    count: Any = number.item()  # not int(count): what is exported does not know it yet
    torch._check(count >= 1)
    return torch.arange(count)
