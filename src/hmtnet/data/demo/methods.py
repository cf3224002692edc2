"""The twelve super-resolution methods of the demo set, and how strongly each acts."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hmtnet.data.demo.artefacts import gridded, hallucinated, over_sharpened, over_smoothed
from hmtnet.data.demo.learned import filtered
from hmtnet.data.demo.pixels import (
    Image,
    Kernel,
    box,
    cubic,
    enlarge,
    lanczos,
    split_luma,
    to_bytes,
    to_unit,
    triangle,
)
from hmtnet.data.demo.reconstruction import back_projection, edge_directed, self_similar


@dataclass(frozen=True)
class Method:
    """One super-resolution method.

    Attributes:
        number: The method's number, MM in ``imgRR_S_MM``.
        name: What people call it.
        kind: The family it belongs to.
        strengths: Between which limits its strength is drawn, once per reference and scale;
            ``None`` for a method without one. The draw gives images of one method and scale
            qualities that only their pixels tell.
    """

    number: int
    name: str
    kind: str
    strengths: tuple[float, float] | None = None


@dataclass(frozen=True)
class Knowledge:
    """What a method may know beyond the low-resolution image.

    Attributes:
        filters: Learned from other references, shape (buckets, taps).
        texture: Luma of a photograph that is no reference.
    """

    filters: NDArray[np.float64]
    texture: Image


METHODS = (
    Method(1, "nearest", "interpolation"),
    Method(2, "bilinear", "interpolation"),
    Method(3, "bicubic", "interpolation"),
    Method(4, "lanczos", "interpolation"),
    Method(5, "back-projection", "reconstruction", (2, 30)),
    Method(6, "edge-directed", "reconstruction", (0.0, 0.15)),
    Method(7, "self-similar", "example-based", (0.5, 1.5)),
    Method(8, "learned-filters", "learned"),
    Method(9, "over-sharpened", "artefact", (1.5, 6.0)),
    Method(10, "over-smoothed", "artefact", (0.05, 0.25)),
    Method(11, "hallucinated", "artefact", (0.2, 0.9)),
    Method(12, "gridded", "artefact", (0.1, 1.0)),
)

INTERPOLATION: dict[str, Kernel] = {
    "nearest": box,
    "bilinear": triangle,
    "bicubic": cubic,
    "lanczos": lanczos,
}
_ON_LUMA: dict[str, Callable[[Image, int, float], Image]] = {
    "back-projection": back_projection,
    "edge-directed": edge_directed,
    "self-similar": self_similar,
    "over-sharpened": over_sharpened,
    "over-smoothed": over_smoothed,
    "gridded": gridded,
}


def uniform_draw(*names: object) -> float:
    """Return a number in [0, 1) that is a function of some names alone, on every machine."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def strength(method: Method, reference: str, scale: int) -> float | None:
    """Draw a method's strength for one reference and scale.

    The draw is a function of the three names alone, the same on every machine.

    Returns:
        A number between the method's limits, or ``None`` if it has none.
    """
    if method.strengths is None:
        return None
    low, high = method.strengths
    return low + (high - low) * uniform_draw(reference, scale, method.name)


def super_resolve(
    method: Method, low: NDArray[np.uint8], scale: int, amount: float | None, knowledge: Knowledge
) -> NDArray[np.uint8]:
    """Super-resolve an image.

    Interpolation treats the three channels alike. All other methods, as is usual, work on luma and
    leave the colour differences to cubic interpolation.

    Args:
        method: One of `METHODS`.
        low: The low-resolution image, RGB, shape (h, w, 3), uint8.
        scale: The scale factor.
        amount: The method's strength; ``None`` for a method without one.
        knowledge: What learned and hallucinating methods know.

    Returns:
        RGB, shape (h·scale, w·scale, 3), uint8.
    """
    image = to_unit(low)
    if method.name in INTERPOLATION:
        return to_bytes(enlarge(image, scale, INTERPOLATION[method.name]))
    luma, difference = split_luma(image)
    if method.name == "learned-filters":
        high = filtered(luma, scale, knowledge.filters)
    elif method.name == "hallucinated":
        high = hallucinated(luma, scale, amount or 0.0, knowledge.texture)
    else:
        high = _ON_LUMA[method.name](luma, scale, amount or 0.0)
    return to_bytes(high[..., None] + enlarge(difference, scale))
