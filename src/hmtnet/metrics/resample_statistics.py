"""SRCC, PLCC, KRCC, RMSE, mean and τ within cells of many resamples, each exactly as one by one.

A resample of groups is a whole number for each group: how often it was drawn. Every image weighs as
often as its group was drawn, and so nothing has to be copied or sorted again. A resample without a
value (a constant up to rounding, no pair) is NaN, as it is in :mod:`hmtnet.metrics.correlation`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hmtnet.metrics.checks import Floats, Integers
from hmtnet.metrics.correlation import UNDEFINED, levelled, rounding_apart

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
        return _cosine(score_ranks(weights), mos_ranks(weights), weights)

    return _where_varied(_in_blocks(block, group), score, mos, group)


def many_plcc(score: Floats, mos: Floats, group: Integers) -> Many:
    """Pearson's linear correlation; see :func:`many_srcc`."""

    def block(weights: Floats) -> Floats:
        return _cosine(_centred(score, weights), _centred(mos, weights), weights)

    return _where_varied(_in_blocks(block, group), score, mos, group)


def many_rmse(score: Floats, mos: Floats, group: Integers) -> Many:
    """Root mean squared error; see :func:`many_srcc`."""
    difference = np.abs(score - mos)

    def block(weights: Floats) -> Floats:
        unit = np.where(weights > 0, difference, 0.0).max(axis=1, keepdims=True)
        share = np.where(weights > 0, difference, 0.0) / np.where(unit > 0, unit, 1.0)
        mean = (weights * share**2).sum(axis=1) / weights.sum(axis=1)
        return np.asarray(unit[:, 0] * np.sqrt(mean))

    return _in_blocks(block, group)


def many_mean(score: Floats, _: Floats, group: Integers) -> Many:
    """Mean of the scores; see :func:`many_srcc`."""

    def block(weights: Floats) -> Floats:
        return np.asarray(weights @ score / weights.sum(axis=1))

    return _in_blocks(block, group)


def many_tau(score: Floats, mos: Floats, group: Integers, cell: Integers | None = None) -> Many:
    """Kendall's τ-b over all pairs, or over those within a cell; see :func:`many_srcc`.

    How two groups compare (concordant less discordant pairs, pairs not tied) is counted once, in
    O(N²); each number of a resample then is a quadratic form of how often groups are drawn, in
    O(G²). Two copies of an image are a pair tied in both, as two equal images would be. Which cells
    are constant up to rounding is settled once, by all their images.

    Args:
        score: (N,) finite.
        mos: (N,) finite.
        group: (N,) whole numbers from 0, without a gap.
        cell: (N,) whole numbers; pairs across two cells are not counted.
    """
    cell = np.zeros_like(group) if cell is None else cell
    forms = _compared(levelled(score, cell), levelled(mos, cell), group, cell)

    def values(drawn: Integers) -> Floats:
        weights = drawn.astype(np.float64)
        # Each pair is met twice, above and below.
        balance, by_score, by_mos = (
            np.einsum("rg,rg->r", weights @ form, weights) for form in forms
        )
        return _divided(balance, np.sqrt(by_score) * np.sqrt(by_mos))

    return _where_varied(values, score, mos, group)


def many_of_rows(statistic: Callable[[Integers], float], group: Integers) -> Many:
    """Any statistic, resample by resample, of the rows drawn, each as often as it was."""
    rows = np.arange(len(group))

    def values(drawn: Integers) -> Floats:
        return np.array([statistic(np.repeat(rows, one[group])) for one in drawn])

    return values


def _where_varied(many: Many, score: Floats, mos: Floats, group: Integers) -> Many:
    """Make a correlation undefined in resamples whose scores or MOS are constant up to rounding."""

    def constant(values: Floats, drawn: Integers) -> NDArray[np.bool_]:
        low, high = np.full(drawn.shape[1], np.inf), np.full(drawn.shape[1], -np.inf)
        np.minimum.at(low, group, values)
        np.maximum.at(high, group, values)
        least = np.where(drawn > 0, low, np.inf).min(axis=1)
        return rounding_apart(least, np.where(drawn > 0, high, -np.inf).max(axis=1))

    def values(drawn: Integers) -> Floats:
        found = many(drawn)
        found[constant(score, drawn) | constant(mos, drawn)] = UNDEFINED
        return found

    return values


def _compared(score: Floats, mos: Floats, group: Integers, cell: Integers) -> list[Floats]:
    """Compare each image of one group with each of another, where they share a cell.

    Returns:
        Three (G, G): concordant less discordant pairs; pairs not tied in the score; in MOS.
    """
    order = np.argsort(group, kind="stable")
    score, mos, group, cell = score[order], mos[order], group[order], cell[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    forms = [np.zeros((len(starts), len(starts))) for _ in range(3)]
    rows = max(1, _ELEMENTS // len(group))
    for first in range(0, len(group), rows):
        part = slice(first, first + rows)
        alike = cell[part, None] == cell
        by_score, by_mos = _signs(score[part], score) * alike, _signs(mos[part], mos) * alike
        for form, signs in zip(
            forms, (by_score * by_mos, np.abs(by_score), np.abs(by_mos)), strict=True
        ):
            np.add.at(form, group[part], np.add.reduceat(signs, starts, axis=1, dtype=np.int64))
    return forms


def _signs(left: Floats, right: Floats) -> NDArray[np.int8]:
    """Return the signs of all differences; compared, not subtracted, so that none overflows."""
    column = left[:, None]
    return (column > right).astype(np.int8) - (column < right).astype(np.int8)


def _ranking(values: Floats) -> Callable[[Floats], Floats]:
    """Return a function from weights (R, N) to ranks (R, N), ties sharing their mean rank.

    The mean of all ranks, which is known, is taken off. All are whole or half numbers: exact.
    """
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
    # As in correlation: scaled before and after, so that neither unit nor outlier overflows.
    drawn = weights > 0
    exponent = np.frexp(np.where(drawn, np.abs(values), 0.0).max(axis=1, keepdims=True))[1]
    scaled = np.ldexp(np.where(drawn, values, 0.0), -exponent)
    mean = (weights * scaled).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True)
    centred = np.where(drawn, scaled - mean, 0.0)
    largest = np.abs(centred).max(axis=1, keepdims=True)
    return np.asarray(centred / np.where(largest > 0, largest, 1.0))


def _cosine(x: Floats, y: Floats, weights: Floats) -> Floats:
    """Return the weighted correlations of centred rows; NaN where a row is all zero."""
    weighted_x, weighted_y = weights * x, weights * y
    product = np.einsum("rn,rn->r", weighted_x, y)
    squares = np.einsum("rn,rn->r", weighted_x, x) * np.einsum("rn,rn->r", weighted_y, y)
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
