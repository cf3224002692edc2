"""How well grades are predicted: accuracy, ±1 accuracy, quadratic kappa, confusion, calibration.

Grades are whole numbers 0..K-1, 0 = worst. Without any image a metric is undefined: NaN.
"""

import numpy as np

from hmtnet.metrics.checks import (
    Integers,
    MetricError,
    Values,
    grades,
    probability_rows,
    require_length,
)
from hmtnet.metrics.correlation import UNDEFINED


def median_grade(probabilities: Values) -> Integers:
    """Decide for a grade: the median of each distribution.

    Grades are ordered, and the median is what errs by the fewest grades on average; the most
    probable grade is exact more often, and when it errs, errs by more. Of the two grades that a
    distribution in two equal halves lies between, the lower one.

    Args:
        probabilities: (N, K), rows sum to 1.

    Returns:
        (N,) grades in 0..K-1.

    Raises:
        MetricError: If a row is not a distribution.

    >>> median_grade([[0.4, 0.25, 0.35], [0.5, 0.0, 0.5]]).tolist()
    [1, 0]
    """
    rows = probability_rows(probabilities)
    # Half of what a row really sums to, and a little less: a sum is true up to rounding only.
    half = rows.sum(axis=1, keepdims=True) / 2 - 1e-9
    return np.asarray((rows.cumsum(axis=1) < half).sum(axis=1), dtype=np.int64)


def accuracy(true: Values, predicted: Values) -> float:
    """Return the share of images whose grade is predicted exactly.

    Args:
        true: (N,) true grades.
        predicted: (N,) predicted grades.

    Returns:
        In [0, 1]; NaN (undefined) if N = 0.

    Raises:
        MetricError: If a grade is not a whole number from 0, or the lengths differ.
    """
    return _share_within(0, true, predicted)


def adjacent_accuracy(true: Values, predicted: Values) -> float:
    """Return the share of images whose predicted grade is at most one off (±1 accuracy).

    Args, returns and raises as :func:`accuracy`.
    """
    return _share_within(1, true, predicted)


def quadratic_kappa(true: Values, predicted: Values) -> float:
    """Cohen's kappa with quadratic weights (Cohen, 1968).

    κ = 1 − Σ O_ij (i − j)² / Σ E_ij (i − j)², O the confusion matrix and E the one that the
    marginals alone would give. The number of grades cancels out and is not needed.

    Args:
        true: (N,) true grades.
        predicted: (N,) predicted grades.

    Returns:
        In [-1, 1], 0 = chance; NaN (undefined) if N = 0, or if all true and predicted grades are
        one and the same, where chance already agrees fully.

    Raises:
        MetricError: If a grade is not a whole number from 0, or the lengths differ.

    >>> quadratic_kappa([0, 1, 2, 3], [0, 1, 2, 2])
    0.875
    """
    left, right = _both(true, predicted)
    n = len(left)
    # In whole numbers, so that agreement by chance is exactly 0 and full agreement exactly 1.
    observed = n * int(((left - right) ** 2).sum())
    squares = int((left**2).sum()) + int((right**2).sum())
    expected = n * squares - 2 * int(left.sum()) * int(right.sum())
    return 1 - observed / expected if expected else UNDEFINED


def confusion(true: Values, predicted: Values, count: int) -> Integers:
    """Count images by true and predicted grade.

    Args:
        true: (N,) true grades.
        predicted: (N,) predicted grades.
        count: K, the number of grades.

    Returns:
        (K, K) counts; row = true grade, column = predicted grade.

    Raises:
        MetricError: If a grade is not in 0..K-1, or the lengths differ.

    >>> confusion([0, 0, 1], [0, 1, 1], 2).tolist()
    [[1, 1], [0, 1]]
    """
    left, right = _both(true, predicted, count)
    return np.bincount(left * count + right, minlength=count * count).reshape(count, count)


def expected_calibration_error(probabilities: Values, true: Values, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy (Guo et al., ICML 2017, Eq. 3).

    Images are binned by confidence, the highest of its grades' probabilities, into equal bins
    ((i−1)/bins, i/bins]; the gaps |accuracy − mean confidence| are averaged with the bins' counts
    as weights. What is judged is the most probable grade, the lower of two that are equal: its
    probability is the confidence.

    Args:
        probabilities: (N, K), rows sum to 1.
        true: (N,) true grades in 0..K-1.
        bins: Number of bins, at least 1.

    Returns:
        In [0, 1], 0 = calibrated; NaN (undefined) if N = 0.

    Raises:
        MetricError: If a row is not a distribution, a grade is not in 0..K-1 or the lengths differ.

    >>> expected_calibration_error([[0.75, 0.25], [0.25, 0.75]], [0, 0], bins=1)
    0.25
    """
    if bins < 1:
        raise MetricError(f"bins: expected at least 1, found {bins}.")
    rows = probability_rows(probabilities)
    labels = grades(true, "true grade", rows.shape[1])
    require_length(labels, "true grade", len(rows), "rows of probabilities")
    if len(rows) == 0:
        return UNDEFINED
    confidence = rows.max(axis=1)
    surplus = (rows.argmax(axis=1) == labels) - confidence
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    # |Σ (correct − confidence)| over a bin is the bin's count times its gap.
    return float(np.abs(np.bincount(index, weights=surplus, minlength=bins)).sum() / len(rows))


def _share_within(distance: int, true: Values, predicted: Values) -> float:
    left, right = _both(true, predicted)
    return float(np.mean(np.abs(left - right) <= distance)) if len(left) else UNDEFINED


def _both(true: Values, predicted: Values, count: int | None = None) -> tuple[Integers, Integers]:
    left = grades(true, "true grade", count)
    right = grades(predicted, "predicted grade", count)
    require_length(right, "predicted grade", len(left), "true grades")
    return left, right
