"""What a map of an image looks like: its colours, and the scale by which they are read.

Everything that shows a map takes it from here: pictures in files, pages and loggers. Import this
module only where a picture is wanted: matplotlib takes a second to import.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from scipy.ndimage import gaussian_filter

from hmtnet.data.images import Pixels
from hmtnet.models.maps import MapStyle
from hmtnet.scoring.verdict import Verdict

GRADES = "cividis"
"""Matplotlib's colours of grades, worst to best: dark blue to yellow, made for colour-blind eyes,
and ordered in a black and white print too."""

# Stripes where no tile has looked: no map has such a pattern of its own.
_STRIPES = (np.array([255, 255, 255], np.uint8), np.array([196, 196, 196], np.uint8))
_STRIPE = 4  # pixels
_EDGES = 0.5  # how strongly the image shows through: places are found, colours stay readable
_COARSE = 40  # what is wider than this part of the image is no edge


@dataclass(frozen=True)
class Scale:
    """The legend of a map.

    Attributes:
        colours: From the lowest value to the highest, as ``#rrggbb``.
        labels: One per colour where these are steps, else those of both ends.
        steps: Whether each colour stands for one value; else colours pass into each other.
    """

    colours: tuple[str, ...]
    labels: tuple[str, ...]
    steps: bool = False


@dataclass(frozen=True, eq=False)
class Shaded:
    """A map as it is shown.

    Attributes:
        pixels: (h, w, 3) uint8, RGB; striped where no tile has looked.
        title: Its name.
        hint: How to read it.
        scale: Which colour is which value.
    """

    pixels: Pixels
    title: str
    hint: str
    scale: Scale


def grade_scale(grades: int) -> Scale:
    """Return the colours of K grades, worst first."""
    labels = [str(grade) for grade in range(1, grades + 1)]
    labels[0], labels[-1] = f"{labels[0]} worst", f"{labels[-1]} best"
    found = colormaps[GRADES](np.linspace(0, 1, grades))
    return Scale(tuple(map(_hexadecimal, found)), tuple(labels), steps=True)


def shaded_maps(pixels: Pixels, verdict: Verdict, side: int) -> Mapping[str, Shaded]:
    """Colour the maps of a verdict that a person is shown, those by level aside.

    Args:
        pixels: (H, W, 3) uint8, the judged image.
        verdict: What the scorer said of it.
        side: Pixels that are shown of the longer side, about: blocks of pixels are averaged.

    Returns:
        By name, in the network's order.
    """
    step = step_of(pixels, side)
    grey = reduced(pixels, step).mean(axis=2) / 255
    return {
        name: shade(verdict.styles[name], reduced(values, step), verdict.grades, grey)
        for name, values in verdict.maps.items()
        if verdict.styles[name].title and verdict.styles[name].kind != "levels"
    }


def shade(
    style: MapStyle,
    values: npt.NDArray[np.float32],
    grades: int = 0,
    grey: npt.NDArray[np.float32] | None = None,
) -> Shaded:
    """Colour a map.

    Grade evidence lies over the image: its edges show, so that places are found, while over any
    larger part the colour is that of the scale.

    Args:
        style: What the map holds.
        values: (h, w), NaN where no tile has looked.
        grades: K, of evidence.
        grey: (h, w) the image in [0, 1], to lie below evidence.
    """
    if style.kind == "evidence":
        low, high, scale = 1.0, float(grades), grade_scale(grades)
    else:
        low, high = _ends(style, values)
        scale = Scale(("#000000", "#ffffff"), (f"{low:.2g}", f"{high:.2g}"))
    unseen = ~np.isfinite(values)
    share = np.clip((np.where(unseen, low, values) - low) / (high - low), 0, 1)
    if style.kind == "evidence":
        colours = colormaps[GRADES](share)[..., :3]
        if grey is not None:
            edges = grey - gaussian_filter(grey, max(grey.shape) / _COARSE)
            colours = np.clip(colours + _EDGES * edges[..., None], 0, 1)
    else:
        colours = np.repeat(share[..., None], 3, axis=2)
    drawn = np.asarray((255 * colours).round(), dtype=np.uint8)
    rows, columns = unseen.shape
    diagonal = np.arange(rows)[:, None] + np.arange(columns)
    striped = diagonal // _STRIPE % 2 == 1
    for stripe, here in zip(_STRIPES, (unseen & ~striped, unseen & striped), strict=True):
        drawn[here] = stripe
    return Shaded(drawn, style.title, style.hint, scale)


def step_of(values: npt.NDArray[Any], side: int) -> int:
    """Return the side of the blocks by which `reduced` leaves about ``side`` pixels."""
    longer: int = max(values.shape[:2])
    return math.ceil(longer / side)


def reduced(values: npt.NDArray[Any], step: int) -> npt.NDArray[np.float32]:
    """Average blocks of ``step`` × ``step`` places: a picture shows no more of a large image."""
    rows, columns = (max(1, side // step) for side in values.shape[:2])
    if step == 1 or min(values.shape[:2]) < step:
        return values[::step, ::step].astype(np.float32)
    total = np.zeros((rows, columns, *values.shape[2:]), dtype=np.float32)
    for down in range(step):
        for across in range(step):
            total += values[down : rows * step : step, across : columns * step : step]
    total /= step**2
    return total


def _ends(style: MapStyle, values: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Return the values that are black and white."""
    seen = values[np.isfinite(values)]
    if style.shades == "unit" or not seen.size:
        return 0.0, 1.0
    if style.shades == "from_zero":
        return 0.0, max(float(np.quantile(seen, 0.99)), 1 / 255)
    if style.shades == "around_zero":
        most = max(float(np.quantile(abs(seen), 0.99)), 1 / 255)
        return -most, most
    low, high = (float(np.quantile(seen, share)) for share in (0.01, 0.99))
    return low, max(high, low + 1e-6)


def _hexadecimal(colour: npt.NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])
