"""The tiles through which an image is looked at, a bounded group at a time."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hmtnet.data.crops import Corner, Crops, CropSettings, cut, pad_to, tile_corners
from hmtnet.data.images import Pixels
from hmtnet.perception import SaliencyOperator, saliency_of_list


@dataclass(frozen=True)
class Layout:
    """Where an image was looked at.

    Attributes:
        height: Of the image, pixels.
        width: Of the image, pixels.
        size: Side of the square tiles, pixels.
        corners: (top, left) of each tile in the image's own pixels. They are negative where an
            image smaller than a tile was mirrored outwards.
    """

    height: int
    width: int
    size: int
    corners: tuple[Corner, ...]

    @property
    def padded(self) -> bool:
        """Whether the image was smaller than a tile, and so was mirrored outwards."""
        return min(self.height, self.width) < self.size


class Tiles:
    """One image on a device, as it is looked at in validation and test.

    Attributes:
        layout: Where the tiles lie.
        device: Where the tiles are.
        saliency: (1, H, W) in [0, 1] of the whole image, padded as it is; None if not wanted.

    Args:
        image: (H, W, 3) uint8, RGB. An image smaller than a tile is padded as in training.
        crops: Size and grid of the tiles.
        operator: Which saliency the tiles must carry, or None.
        device: Where the tiles are wanted.
        group: How many tiles at most are on their way at once.
        reference: (H, W, 3) uint8, the reference image, for a network that needs it.
    """

    def __init__(
        self,
        image: Pixels,
        crops: CropSettings,
        operator: SaliencyOperator | None,
        device: torch.device,
        group: int,
        reference: Pixels | None = None,
    ) -> None:
        height, width = image.shape[:2]
        padded = pad_to(image, crops.size)
        self._corners = tile_corners(padded.shape[0], padded.shape[1], crops)
        self._group = group
        self.device = device
        self._pixels = _on(device, padded)
        self._reference = None if reference is None else _on(device, pad_to(reference, crops.size))
        self.saliency: Tensor | None = None
        if operator is not None:
            self.saliency = saliency_of_list([self._pixels], operator)[0]
        top, left = self._margin = (
            max(0, crops.size - height) // 2,
            max(0, crops.size - width) // 2,
        )
        corners = tuple((y - top, x - left) for y, x in self._corners)
        self.layout = Layout(height, width, crops.size, corners)

    def groups(self) -> Iterator[tuple[tuple[Corner, ...], Crops]]:
        """Yield group after group: the tiles' corners as in the layout, and the tiles.

        Each tile is declared an image of its own, so that a prediction of the crops has one entry a
        tile.
        """
        for start in range(0, len(self._corners), self._group):
            chosen = slice(start, start + self._group)
            yield (
                self.layout.corners[chosen],
                self._cut([[corner] for corner in self._corners[chosen]]),
            )

    def together(self) -> tuple[tuple[Corner, ...], Crops]:
        """Return all tiles at once, declared crops of one image."""
        return self.layout.corners, self._cut([self._corners])

    def own_saliency(self) -> npt.NDArray[np.float32] | None:
        """Return the saliency (H, W) of the image itself, without what was padded; None if none."""
        if self.saliency is None:
            return None
        top, left = self._margin
        inside = self.saliency[0, top:, left:][: self.layout.height, : self.layout.width]
        return inside.cpu().numpy().copy()

    def _cut(self, places: list[list[Corner]]) -> Crops:
        def each(whole: Tensor | None) -> list[Tensor] | None:
            return None if whole is None else [whole] * len(places)

        pixels, size = [self._pixels] * len(places), self.layout.size
        return cut(pixels, places, size, each(self.saliency), each(self._reference))


def _on(device: torch.device, image: Pixels) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy()).to(device)
