"""The tiles through which an image is looked at, a bounded group at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hmtnet.data.batch import Batch, place_crops
from hmtnet.data.crops import Corner, Crops, CropSettings
from hmtnet.data.images import Pixels, to_tensor
from hmtnet.models.quality import make_crops
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

    @property
    def seen(self) -> float:
        """Share of the image's pixels that lie in a tile, in (0, 1]; tiles lie on a grid."""
        rows, columns = zip(*self.corners, strict=True)
        return self._share(rows, self.height) * self._share(columns, self.width)

    def _share(self, starts: Iterable[int], side: int) -> float:
        """Return which share of a side the tiles cover that start there."""
        covered = np.zeros(side, dtype=bool)
        for start in starts:
            covered[max(0, start) : start + self.size] = True
        return float(covered.mean())


class Tiles:
    """One image on a device, as it is looked at in validation and test.

    Attributes:
        layout: Where the tiles lie.

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
        pristine = None if reference is None else to_tensor(reference)
        batch = Batch.collate([place_crops(to_tensor(image), crops, pristine)]).to(device)
        if operator is not None:
            batch.saliency = saliency_of_list(batch.images, operator)
        self._batch = batch
        self._group = group
        top, left = self._margin = (
            max(0, crops.size - height) // 2,
            max(0, crops.size - width) // 2,
        )
        corners = tuple((y - top, x - left) for y, x in batch.corners[0])
        self.layout = Layout(height, width, crops.size, corners)

    def groups(self) -> Iterator[tuple[tuple[Corner, ...], Crops]]:
        """Yield group after group: the tiles' corners as in the layout, and the tiles.

        Each tile is declared an image of its own, so that a prediction has one entry per tile.
        """
        start = 0
        for part in self._batch.apart(self._group):
            corners = self.layout.corners[start : start + len(part)]
            yield corners, make_crops(part, self.layout.size, None)
            start += len(part)

    def together(self) -> Iterator[tuple[tuple[Corner, ...], Crops]]:
        """Yield one group of all tiles, declared crops of one image."""
        yield self.layout.corners, make_crops(self._batch, self.layout.size, None)

    def own_saliency(self) -> npt.NDArray[np.float32] | None:
        """Return the saliency (H, W) of the image itself, without what was padded; None if none."""
        if self._batch.saliency is None:
            return None
        top, left = self._margin
        inside = self._batch.saliency[0][0, top:, left:]
        return inside[: self.layout.height, : self.layout.width].cpu().numpy().copy()
