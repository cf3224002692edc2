"""The demo set's scores: a full-reference pseudo-MOS, computed, not given by people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hmtnet.data.demo.pixels import resize, to_bytes, to_unit
from hmtnet.metrics.fidelity import gmsd, haarpsi, luma, ms_ssim

DEFINITION = """\
For a super-resolved image and its reference (luma, ITU-R BT.601), with the measures
  MS-SSIM   (Wang, Simoncelli and Bovik, 2003)
  1 - GMSD  (Xue et al., 2014), at full size
  HaarPSI   (Reisenhofer et al., 2018; grey-scale form), at full size
each measure q is put on the yardstick of its content: r = (q - q4) / (q2 - q4), where q2 and q4 are
what plain cubic enlargement of the same reference, reduced without blur, attains at scale 2 and 4.
pseudo-MOS = the mean over the measures of 1 / (1 + exp(-(r - 0.25) / 0.45)).
It lies in [0, 1], higher is better. The yardstick is there because such measures punish busy
content more than people do. At full size means without the halving that the papers apply for the
usual viewing distance: it would hide blocks at scale 2."""

MIDDLE, SPREAD = 0.25, 0.45


@dataclass(frozen=True)
class Measures:
    """How faithful an image is, by three measures that disagree where each is weak.

    Attributes:
        ms_ssim: Multi-scale structural similarity, higher is better.
        gmsd: Gradient magnitude similarity deviation, lower is better.
        haarpsi: Haar perceptual similarity, higher is better.
    """

    ms_ssim: float
    gmsd: float
    haarpsi: float


@dataclass(frozen=True)
class Yardstick:
    """What plain cubic enlargement attains on one reference.

    Attributes:
        at_2: At scale 2.
        at_4: At scale 4.
    """

    at_2: Measures
    at_4: Measures


def measure(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> Measures:
    """Measure how faithful an image is to its reference, to six decimals.

    Args:
        reference: RGB, shape (H, W, 3), uint8, at least 176 × 176.
        image: RGB of the same shape.

    Raises:
        DataError: If an image has another type or the shapes differ or are too small.
    """
    first, second = luma(reference), luma(image)
    return Measures(
        round(ms_ssim(first, second), 6),
        round(gmsd(first, second, halve=False), 6),
        round(haarpsi(first, second, halve=False), 6),
    )


def yardstick(reference: NDArray[np.uint8]) -> Yardstick:
    """Measure what plain cubic enlargement attains on a reference.

    Args:
        reference: RGB, shape (H, W, 3), uint8, at least 176 × 176.
    """
    image = to_unit(reference)
    height, width = image.shape[:2]

    def at(scale: int) -> Measures:
        low = to_unit(to_bytes(resize(image, height // scale, width // scale)))
        return measure(reference, to_bytes(resize(low, height, width)))

    return Yardstick(at(2), at(4))


def pseudo_mos(measures: Measures, yardstick: Yardstick) -> float:
    """Return the pseudo-MOS in [0, 1] by `DEFINITION`, to six decimals. Ours."""
    parts = []
    for name in ("ms_ssim", "gmsd", "haarpsi"):
        best, least = getattr(yardstick.at_2, name), getattr(yardstick.at_4, name)
        relative = (getattr(measures, name) - least) / (best - least)
        parts.append(_logistic((relative - MIDDLE) / SPREAD))
    return round(sum(parts) / len(parts), 6)


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))
