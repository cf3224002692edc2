"""How sure an SRCC is: bootstrap over references, on one split or over the folds of a division.

Each fold is predicted by a network, or by training means, of its own. Pooling raw scores would rank
images of different folds against each other by these predictors' offsets; label-only suffers from
that most, because training means fall where the held-out references are better. So over folds the
statistic is the mean of the folds' SRCC. It is computed as the PLCC of ranks that are standardised
within each fold, which is the same number, and which a resample of references can be taken of.
"""

import math
from collections.abc import Sequence

import numpy as np

from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics.checks import Floats
from hmtnet.metrics.groups import by_group
from hmtnet.metrics.resampling import Difference, Interval, bootstrap, paired_bootstrap

RESAMPLES = 2000
"""Enough for p-values below .05 after Holm's correction for the 45 pairs of 10 rows."""

SEED = 0

_FEWEST_IMAGES = 5  # of a reference whose SRCC is looked at, as within cells


def groups_of(rows: Predictions) -> list[str]:
    """Return what each image shows: its reference, or the image itself where none is named."""
    return [
        f"image {image}" if reference is None else f"reference {reference}"
        for image, reference in zip(rows.image, rows.reference, strict=True)
    ]


def interval(rows: Predictions, sizes: Sequence[int]) -> Interval:
    """Return SRCC with its 95 % interval over references.

    Args:
        rows: The test images of one split, or those of several folds below each other.
        sizes: How many images of each split.
    """
    groups = groups_of(rows)
    if len(sizes) == 1:
        return bootstrap(rows.score, rows.mos, groups, "srcc", RESAMPLES, SEED)
    score, mos = standard_ranks(rows.score, sizes), standard_ranks(rows.mos, sizes)
    if score is None or mos is None:
        nan = math.nan
        return Interval(nan, nan, nan, len(set(groups)), 0, "SRCC is undefined on a fold")
    return bootstrap(score, mos, groups, "plcc", RESAMPLES, SEED)


def difference(
    first: Floats, second: Floats, mos: Floats, groups: Sequence[str], sizes: Sequence[int]
) -> Difference:
    """Return first less second SRCC of the same images, with interval and p; see `interval`."""
    if len(sizes) == 1:
        return paired_bootstrap(first, second, mos, groups, "srcc", RESAMPLES, SEED)
    ranks = [standard_ranks(values, sizes) for values in (first, second, mos)]
    a, b, labels = ranks
    if a is None or b is None or labels is None:
        nan, reason = math.nan, "SRCC is undefined on a fold"
        return Difference(nan, nan, nan, nan, len(set(groups)), 0, reason)
    return paired_bootstrap(a, b, labels, groups, "plcc", RESAMPLES, SEED)


def standard_ranks(values: Floats, sizes: Sequence[int]) -> Floats | None:
    """Return each value's rank within its split, with mean 0 and variance 1 in each split.

    Args:
        values: (N,), split by split.
        sizes: How many of each split; they sum to N.

    Returns:
        (N,); None if the values of a split are all equal, and have no order.

    >>> standard_ranks(np.array([1.0, 5.0, 2.0, 9.0]), [2, 2])
    array([-1.,  1., -1.,  1.])
    """
    parts = []
    for part in np.split(values, np.cumsum(sizes)[:-1]):
        _, inverse, counts = np.unique(part, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            return None
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # ties share their mean rank
        parts.append((ranks - ranks.mean()) / ranks.std())
    return np.concatenate(parts)


def extent(rows: Predictions) -> tuple[float, float] | None:
    """Return the lowest and the highest SRCC within one reference; None if none has 5 images.

    It is what is shown where there are too few references for an interval.
    """
    found = by_group(rows.score, rows.mos, rows.reference).values()
    known = [one.srcc for one in found if one.n >= _FEWEST_IMAGES and not np.isnan(one.srcc)]
    return (min(known), max(known)) if known else None
