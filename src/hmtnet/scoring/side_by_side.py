"""The part of an image in which results of several SR methods differ most, from each of them."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from hmtnet.data.images import Pixels

SIDE = 192
"""Pixels, shown one to one: enlarged or reduced, what differs would be hidden."""


def where_they_differ(images: Sequence[Pixels], side: int = SIDE) -> list[Pixels]:
    """Cut the same square out of each image, where they differ most from each other.

    Args:
        images: (H, W, 3) uint8, of one content. Where sizes differ, as between scale factors, the
            squares' middles lie at the same share of each height and width.
        side: Of the square, pixels; what is smaller is taken whole.

    Returns:
        One (h, w, 3) uint8 per image, h and w at most ``side``.
    """
    height, width = (min(image.shape[axis] for image in images) for axis in (0, 1))
    reduced = [_grey(image, (width, height)) for image in images]
    spread = np.var(np.stack(reduced), axis=0)
    middle = _middle(spread, min(side, height), min(side, width))
    return [_cut(image, middle, side) for image in images]


def as_webp(pixels: Pixels) -> bytes:
    """Return pixels as a lossless WebP file: a lossy one would add faults of its own."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="WEBP", lossless=True)
    return stream.getvalue()


def _grey(image: Pixels, size: tuple[int, int]) -> np.ndarray:
    grey = Image.fromarray(np.ascontiguousarray(image)).convert("L")
    return np.asarray(grey if grey.size == size else grey.resize(size), dtype=np.float64)


def _middle(spread: np.ndarray, height: int, width: int) -> tuple[float, float]:
    """Return where what differs lies, as shares of height and width.

    It is the centre of mass of the window with the largest sum, found by a table of sums.
    """
    sums = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    windows = (sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]) + sums[
        :-height, :-width
    ]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    part = spread[top : top + height, left : left + width] + 1e-9  # equal images differ nowhere
    down, across = (
        np.average(np.arange(n), weights=part.sum(1 - i)) for i, n in enumerate(part.shape)
    )
    return float(top + down + 0.5) / spread.shape[0], float(left + across + 0.5) / spread.shape[1]


def _cut(image: Pixels, middle: tuple[float, float], side: int) -> Pixels:
    """Cut a square whose middle lies at a share of height and width, inside the image."""
    top, left = (
        max(0, min(round(share * length - side / 2), length - side))
        for share, length in zip(middle, image.shape, strict=False)
    )
    return image[top : top + side, left : left + side]
