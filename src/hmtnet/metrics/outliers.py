"""The outlier ratio: how often a prediction misses what people say by more than they differ."""

import numpy as np

from hmtnet.metrics.checks import MetricError, Values, numbers, pair, require_length
from hmtnet.metrics.correlation import UNDEFINED


def outlier_ratio(
    mapped: Values, mos: Values, mos_std: "Values | None", threshold: float = 2.0
) -> float:
    """Return the share of images with ``|mapped − MOS| > threshold · mos_std``.

    The field means several things by it, and says too seldom which. Twice the standard deviation
    of an image's opinions, the default here, is that of Wang, Lu and Bovik, "Video quality
    assessment based on structural distortion measurement", 2004. VQEG (full-reference television,
    2000 and 2003) takes twice the standard *error*, and ITU-T P.1401 (clause 7.5.2.2) the 95 %
    confidence interval of MOS: for these, pass the standard deviation divided by the square root
    of the number of opinions (with ``threshold=1.96`` for the latter, where opinions are many). An
    image counts as an outlier far more often so.

    Args:
        mapped: (N,) predicted scores in the unit of MOS, after :func:`~hmtnet.metrics.fit_mapping`
            unless the system predicts MOS itself.
        mos: (N,) human scores.
        mos_std: (N,) standard deviation of the opinions on each image, in the unit of MOS, 0 or
            above; NaN where an image has none: it is left out. None where no image has one.
        threshold: How many standard deviations are too far, above 0.

    Returns:
        In [0, 1]; NaN (undefined) if no image has a standard deviation.

    Raises:
        MetricError: If a score is not finite, a standard deviation is negative or infinite, the
            lengths differ, or the threshold is not above 0.

    >>> outlier_ratio([1.0, 2.0, 3.5, 4.0], [1.0, 2.5, 3.0, 2.0], [0.5, 0.2, 0.5, float("nan")])
    0.3333333333333333
    """
    mapped, mos = pair(mapped, mos)
    if not threshold > 0:
        raise MetricError(f"threshold: expected a number above 0, found {threshold}.")
    if mos_std is None:
        return UNDEFINED
    spread = numbers(mos_std, "MOS standard deviation").reshape(-1)
    require_length(spread, "MOS standard deviation", len(mos), "scores")
    known = ~np.isnan(spread)
    wrong = known & ((spread < 0) | np.isinf(spread))
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise MetricError(
            "MOS standard deviation: expected 0 or above, or NaN where there is none, found "
            f"{int(wrong.sum())} that are not; the first is {spread[first]:g} at position {first}."
        )
    if not known.any():
        return UNDEFINED
    with np.errstate(over="ignore"):  # what is infinitely far off is an outlier
        far = np.abs(mapped - mos)[known] > threshold * spread[known]
    return float(far.mean())
