"""The demo set's scores: a full-reference pseudo-MOS, computed, not given by people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hmtnet.metrics.fidelity import gmsd, haarpsi, luma, ms_ssim

DEFINITION = """\
For a super-resolved image and its reference (luma, ITU-R BT.601), with
  a = MS-SSIM  (Wang, Simoncelli and Bovik, 2003)
  b = GMSD     (Xue et al., 2014; a distance), at full size
  c = HaarPSI  (Reisenhofer et al., 2018; grey-scale form), at full size
pseudo-MOS = (s((a - 0.95) / 0.025) + s((0.17 - b) / 0.04) + s((c - 0.73) / 0.10)) / 3,
where s(x) = 1 / (1 + exp(-x)). It lies in [0, 1], higher is better. At full size means without the
halving that the papers apply for the usual viewing distance: it would hide blocks at scale 2."""


@dataclass(frozen=True)
class Scored:
    """One image's measures and the pseudo-MOS they give.

    Attributes:
        ms_ssim: Multi-scale structural similarity, higher is better.
        gmsd: Gradient magnitude similarity deviation, lower is better.
        haarpsi: Haar perceptual similarity, higher is better.
        mos: The pseudo-MOS in [0, 1], higher is better, to six decimals.
    """

    ms_ssim: float
    gmsd: float
    haarpsi: float
    mos: float


def score(reference: NDArray[np.uint8], image: NDArray[np.uint8]) -> Scored:
    """Score a super-resolved image against its reference by `DEFINITION`.

    Ours. Three measures that disagree where each is weak; the logistic curves, centred on the
    middle of the demo set, weigh them alike and keep the score a function of the two images alone.

    Args:
        reference: RGB, shape (H, W, 3), uint8, at least 176 × 176.
        image: RGB of the same shape.

    Returns:
        The three measures and the pseudo-MOS.

    Raises:
        DataError: If an image has another type or the shapes differ or are too small.
    """
    first, second = luma(reference), luma(image)
    a = ms_ssim(first, second)
    b = gmsd(first, second, halve=False)
    c = haarpsi(first, second, halve=False)
    parts = _logistic((a - 0.95) / 0.025), _logistic((0.17 - b) / 0.04), _logistic((c - 0.73) / 0.1)
    return Scored(round(a, 6), round(b, 6), round(c, 6), round(sum(parts) / 3.0, 6))


def _logistic(x: float) -> float:
    return float(1.0 / (1.0 + np.exp(-x)))
