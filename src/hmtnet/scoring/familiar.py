"""Whether an image is like those that a model has learned from."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from hmtnet.artifact.calibration import learned_from
from hmtnet.artifact.description import value_at
from hmtnet.artifact.scenes import read_scenes
from hmtnet.data.images import Pixels
from hmtnet.data.sharpness import laplacian_variance
from hmtnet.data.thumbnails import SIDE

_FEWEST = 20  # pictures, before their extremes say anything
_MIDDLE = 512  # pixels a side of what sharpness is measured in: an image may have 100 megapixels

# What is said of an image below and above the range of a statistic.
_WORDS = {
    "brightness": ("darker", "brighter"),
    "contrast": ("of less contrast", "of more contrast"),
    "side": ("smaller", "larger"),
    "sharpness": ("less sharp", "sharper"),
}


class Familiar:
    """The ranges of simple statistics over the images that a model has learned from.

    Brightness and contrast, mean and deviation of 24 × 24 grey levels, are known of every model
    that has its pictures of what it has seen (``scenes.safetensors``); the shorter side and
    sharpness where ``stage.json`` tells them. A model whose tiles cover the image knows no largest
    side.

    That an image lies within all of them does not make it familiar; beyond one, it is not.

    Args:
        folder: The model's.
        meta: Its ``stage.json``.

    Attributes:
        ranges: Lowest and highest value by statistic.

    Raises:
        ArtifactError: The pictures or the description are damaged.
    """

    def __init__(self, folder: Path, meta: Mapping[str, Any]) -> None:
        self._tile = value_at(meta, "settings", "crops", "size")
        greys = [greys for greys in read_scenes(folder).values() if len(greys)]
        self.ranges: dict[str, tuple[float, float]] = {}
        if sum(map(len, greys)) >= _FEWEST:
            for name, of in (("brightness", np.mean), ("contrast", np.std)):
                values = np.concatenate([of(stack, axis=(1, 2)) for stack in greys])
                self.ranges[name] = (float(values.min()), float(values.max()))
        self.ranges |= learned_from(folder, meta)
        if "side" in self.ranges and value_at(meta, "settings", "crops", "grid") == "cover":
            # Tiles cover an image of any size, and each is as large as in training.
            self.ranges["side"] = (self.ranges["side"][0], np.inf)

    def outside(self, pixels: Pixels) -> tuple[str, ...]:
        """Say in which ways an image (H, W, 3) is beyond what was learned from; () if in none."""
        return tuple(self._told(pixels))

    def _told(self, pixels: Pixels) -> Iterator[str]:
        if isinstance(self._tile, int) and min(pixels.shape[:2]) < self._tile:
            yield f"smaller than a tile of {self._tile} pixels"
        wanted = self.ranges.keys() & _WORDS.keys()
        for name, value in statistics(pixels, "sharpness" in wanted).items():
            low, high = self.ranges.get(name, (-np.inf, np.inf))
            if not low <= value <= high:
                yield f"{_WORDS[name][value > high]} than any image it has learned from"


def statistics(pixels: Pixels, sharpness: bool = True) -> dict[str, float]:
    """Measure an image (H, W, 3) uint8 by the statistics of `Familiar`.

    Args:
        pixels: The image.
        sharpness: Whether to measure it too: the variance of the Laplacian of the middle.
    """
    height, width = pixels.shape[:2]
    step = max(1, min(height, width) // 256)  # a large image takes no memory of its size
    small = Image.fromarray(np.ascontiguousarray(pixels[::step, ::step]))
    grey = np.asarray(small.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    found = {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "side": float(min(height, width)),
    }
    if sharpness:
        top, left = (max(0, side - _MIDDLE) // 2 for side in (height, width))
        middle = pixels[top : top + _MIDDLE, left : left + _MIDDLE]
        found["sharpness"] = laplacian_variance(np.ascontiguousarray(middle))
    return found


def measured(images: Iterable[Pixels]) -> dict[str, list[float]]:
    """Return the ranges of statistics over training images, as ``stage.json`` keeps them."""
    rows = [statistics(pixels) for pixels in images]
    return {
        name: [min(row[name] for row in rows), max(row[name] for row in rows)] for name in _WORDS
    }
