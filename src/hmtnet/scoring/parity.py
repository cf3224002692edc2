"""How far the scores of an exported file are from the live ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from hmtnet.data.demo.photographs import PHOTOGRAPHS, reference
from hmtnet.data.images import Pixels
from hmtnet.scoring.scorer import Scorer

Run = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float64]]
"""Images (B, 3, H, W) → unit scores (B,)."""


@dataclass(frozen=True)
class Parity:
    """How far a file's unit scores are from the live ones.

    Attributes:
        images: How many photographs were compared, each of another size.
        largest: The largest difference.
        mean: The mean difference.
        sizes: (H, W) of the smallest and of the largest of them.
    """

    images: int
    largest: float
    mean: float
    sizes: tuple[tuple[int, int], tuple[int, int]]


def compare(scorer: Scorer, run: Run, size: int, images: int) -> Parity:
    """Compare what a file says with the live scores.

    Args:
        scorer: The live stage.
        run: Asks the file.
        size: Side of the tiles, pixels.
        images: How many photographs, one of each size.
    """
    shapes = list(_shapes(size, images))
    differences = []
    for number, (height, width) in enumerate(shapes):
        image = _photograph(number, height, width)
        batch = [image, image[:, ::-1]] if number % 10 == 0 else [image]
        found = run(np.stack([np.moveaxis(pixels, 2, 0) for pixels in batch]))
        live = [scorer(pixels, maps=False).unit_score for pixels in batch]
        differences += list(np.abs(found - live))
    area = sorted(shapes, key=lambda shape: shape[0] * shape[1])
    largest = float(np.max(differences))
    return Parity(images, largest, float(np.mean(differences)), (area[0], area[-1]))


def _shapes(size: int, count: int) -> Iterator[tuple[int, int]]:
    """Yield so many different (H, W): those where something changes, others of 1 to 9 tiles."""
    edges = [
        *((size, size), (size + 1, size), (2 * size, 2 * size), (size // 2, size + 3)),
        *((5, 7), (size, 9 * max(size, 64)), (2 * size + 1, 3 * size)),
    ]
    rng = np.random.default_rng(0)
    shapes = dict.fromkeys(edges)
    while len(shapes) < count:
        height, width = rng.integers(size, 5 * size // 2, 2).tolist()
        shapes[height, width] = None
    yield from list(shapes)[:count]


def _photograph(number: int, height: int, width: int) -> Pixels:
    pixels = reference(PHOTOGRAPHS[number % len(PHOTOGRAPHS)])
    resized = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)
