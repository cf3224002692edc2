"""SRCC, PLCC, KRCC, τ within cells and RMSE of many resamples at once, each exactly as one by one.

A resample of groups is a whole number for each group: how often it was drawn. Every image weighs as
often as its group was drawn, and so nothing has to be copied or sorted again. A resample without a
value (a constant, no pair) is NaN, as it is in :mod:`hmtnet.metrics.correlation`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hmtnet.metrics.checks import Floats, Integers
from hmtnet.metrics.correlation import UNDEFINED

Many = Callable[[Integers], Floats]
"""From (R, G), how often each resample draws each group, to (R,), the statistic of each."""

_ELEMENTS = 2**21  # of a matrix of resamples × images: 16 MiB


def many_srcc(score: Floats, mos: Floats, group: Integers) -> Many:
    """Spearman's rank correlation; see :data:`Many`.

    Args:
        score: (N,) finite.
        mos: (N,) finite.
        group: (N,) whole numbers from 0.
    """
    score_ranks, mos_ranks = _ranking(score), _ranking(mos)

    def block(weights: Floats) -> Floats:
        # The mean rank of all is known, so ranks come centred, and exact: they are halves.
        x, y = score_ranks(weights), mos_ranks(weights)
        return _cosine(x, y, weights)

    return _in_blocks(block, group)


def many_plcc(score: Floats, mos: Floats, group: Integers) -> Many:
    """Pearson's linear correlation; see :func:`many_srcc`."""

    def block(weights: Floats) -> Floats:
        return _cosine(_centred(score, weights), _centred(mos, weights), weights)

    return _in_blocks(block, group)


def many_rmse(score: Floats, mos: Floats, group: Integers) -> Many:
    """Root mean squared error; see :func:`many_srcc`."""
    difference = score - mos
    unit = np.abs(difference).max(initial=0) or 1.0
    squares = np.bincount(group, (difference / unit) ** 2)
    sizes = np.bincount(group)

    def values(drawn: Integers) -> Floats:
        return np.asarray(unit * np.sqrt(drawn @ squares / (drawn @ sizes)))

    return values


def many_tau(score: Floats, mos: Floats, group: Integers, cell: Integers | None = None) -> Many:
    """Kendall's τ-b over all pairs, or over those within a cell; see :func:`many_srcc`.

    Two copies of one image are a pair tied in both, as if they were two images. How groups compare,
    concordant less discordant pairs, is counted once, in O(N²); a resample then is a quadratic form
    of the numbers drawn, in O(G²).

    Args:
        score: (N,) finite.
        mos: (N,) finite.
        group: (N,) whole numbers from 0.
        cell: (N,) whole numbers from 0; pairs across two cells are not counted.
    """
    cell = np.zeros_like(group) if cell is None else cell
    agreement = _agreement(score, mos, group, cell)
    differ_in_score = _differing(score, group, cell)
    differ_in_mos = _differing(mos, group, cell)

    def values(drawn: Integers) -> Floats:
        weights = drawn.astype(np.float64)
        # Each pair is met twice, in the numerator and under the root.
        balance = np.einsum("rg,rg->r", weights @ agreement, weights)
        under = differ_in_score(drawn) * differ_in_mos(drawn)
        return _divided(balance, np.sqrt(under))

    return values


def _agreement(score: Floats, mos: Floats, group: Integers, cell: Integers) -> Floats:
    """Return (G, G): concordant less discordant pairs of an image of one and one of the other."""
    order = np.argsort(group, kind="stable")
    score, mos, group, cell = score[order], mos[order], group[order], cell[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    result = np.zeros((len(starts), len(starts)))
    rows = max(1, _ELEMENTS // len(group))
    for first in range(0, len(group), rows):
        part = slice(first, first + rows)
        signs = _signs(score[part], score) * _signs(mos[part], mos)
        signs[cell[part, None] != cell] = 0
        sums = np.add.reduceat(signs, starts, axis=1, dtype=np.int64)
        np.add.at(result, group[part], sums)
    return result


def _signs(left: Floats, right: Floats) -> NDArray[np.int8]:
    """Return the signs of all differences, compared and not subtracted: nothing overflows."""
    column = left[:, None]
    return (column > right).astype(np.int8) - (column < right).astype(np.int8)


def _differing(values: Floats, group: Integers, cell: Integers) -> Many:
    """Count the ordered pairs of one cell that differ in value: W² of cells less that of ties."""
    level = np.unique(values, return_inverse=True)[1]
    tied = np.unique(cell * (level.max(initial=0) + 1) + level, return_inverse=True)[1]
    cells, ties = _membership(cell, group), _membership(tied, group)

    def counts(drawn: Integers) -> Floats:
        parts = max(1, _ELEMENTS // ties.shape[1])
        result = [
            ((part @ cells) ** 2).sum(axis=1) - ((part @ ties) ** 2).sum(axis=1)
            for part in np.split(drawn.astype(np.float64), range(parts, len(drawn), parts))
        ]
        return np.concatenate(result)

    return counts


def _membership(label: Integers, group: Integers) -> Floats:
    """Return (G, L): how many images of a group have a label."""
    counts = np.zeros((int(group.max(initial=-1)) + 1, int(label.max(initial=-1)) + 1))
    np.add.at(counts, (group, label), 1.0)
    return counts


def _ranking(values: Floats) -> Callable[[Floats], Floats]:
    """Return a function from weights (R, N) to the mean ranks (R, N), less their mean."""
    order = np.argsort(values, kind="stable")
    level = np.unique(values, return_inverse=True)[1]
    starts = np.flatnonzero(np.diff(level[order], prepend=-1))

    def ranks(weights: Floats) -> Floats:
        tied = np.add.reduceat(weights[:, order], starts, axis=1)
        up_to = np.cumsum(tied, axis=1)
        middle = up_to - (tied + up_to[:, -1:]) / 2
        return np.asarray(middle[:, level])

    return ranks


def _centred(values: Floats, weights: Floats) -> Floats:
    """Return (R, N) values less the mean of each resample, of magnitude at most 1 in each."""
    # As in correlation: scaled before and after, so that neither unit nor outlier overflows; and
    # what is constant in a resample is found before a rounded mean can hide it.
    drawn = weights > 0
    top = np.where(drawn, values, -np.inf).max(axis=1, keepdims=True)
    bottom = np.where(drawn, values, np.inf).min(axis=1, keepdims=True)
    unit = np.exp2(-np.frexp(np.maximum(np.abs(top), np.abs(bottom)))[1].astype(np.float64))
    scaled = np.where(drawn, values, 0.0) * unit
    mean = (weights * scaled).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    centred = np.where(drawn, scaled - mean, 0.0)
    largest = np.abs(centred).max(axis=1, keepdims=True)
    return np.where(top > bottom, centred / np.where(largest > 0, largest, 1.0), 0.0)


def _cosine(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the weighted correlations of centred rows; NaN where a row is all zero."""
    weighted = weights * x
    product = np.einsum("rn,rn->r", weighted, y)
    squares = np.einsum("rn,rn->r", weighted, x) * np.einsum("rn,rn,rn->r", weights, y, y)
    return np.clip(_divided(product, np.sqrt(squares)), -1.0, 1.0)


def _divided(above: Floats, below: Floats) -> Floats:
    """Divide; where there is nothing to divide by, the value is undefined."""
    return np.divide(above, below, out=np.full_like(above, UNDEFINED), where=below > 0)


def _in_blocks(block: Callable[[Floats], Floats], group: Integers) -> Many:
    """Apply a function of image weights to so many resamples at a time that memory is no matter."""
    size = max(1, _ELEMENTS // max(1, len(group)))

    def values(drawn: Integers) -> Floats:
        parts = np.split(drawn, range(size, len(drawn), size))
        return np.concatenate([block(part[:, group].astype(np.float64)) for part in parts])

    return values
