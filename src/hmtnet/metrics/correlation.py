"""SRCC, PLCC, KRCC and RMSE between predicted and human scores, in float64.

A correlation of fewer than two images, or with a constant input, does not exist. It is returned as
NaN and shown as undefined; never as 0, which would claim that a predictor was tried and found
unrelated. What differs by the rounding of float32 alone is constant (:func:`is_constant`). A NaN or
infinity in the *input* is an error, ``MetricError``.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hmtnet.metrics.checks import Floats, Integers, Values, pair

UNDEFINED = math.nan
"""What a metric returns where it has no value."""

ROUNDING = 4 * float(np.finfo(np.float32).eps)
"""Range, relative to the largest magnitude, up to which values are one constant.

A network that ignores its input still gives scores that differ in the last bits of float32, by how
images were batched. They would be ranked like any others.
"""


def rounding_apart(low: Floats, high: Floats) -> NDArray[np.bool_]:
    """Return where lowest and highest value of a group differ by rounding at most."""
    with np.errstate(over="ignore"):  # what is infinitely far apart is not constant
        return np.asarray(high - low <= ROUNDING * np.maximum(np.abs(low), np.abs(high)))


def is_constant(values: Floats) -> bool:
    """Whether finite values are one constant, up to the rounding of float32; also no value at all.

    >>> is_constant(np.array([0.5 - 6e-8, 0.5 + 6e-8]))
    True
    """
    return len(values) == 0 or bool(rounding_apart(values.min(), values.max()))


def levelled(values: Floats, cell: Integers) -> Floats:
    """Make the values of each cell equal where they are one constant up to rounding.

    Args:
        values: (N,) finite.
        cell: (N,) whole numbers from 0.
    """
    cells = int(cell.max(initial=-1)) + 1
    low, high = np.full(cells, np.inf), np.full(cells, -np.inf)
    np.minimum.at(low, cell, values)
    np.maximum.at(high, cell, values)
    used = low <= high
    flat = np.zeros(cells, dtype=np.bool_)
    flat[used] = rounding_apart(low[used], high[used])
    return np.where(flat[cell], high[cell], values)


def srcc(score: Values, mos: Values) -> float:
    """Spearman's rank correlation: PLCC of the ranks, tied values sharing their mean rank.

    Args:
        score: (N,) predicted scores, any unit.
        mos: (N,) human scores, any unit.

    Returns:
        In [-1, 1]; NaN (undefined) if N < 2 or an input is constant up to rounding.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> srcc([1, 2, 3, 4], [1, 4, 9, 16])
    1.0
    >>> srcc([1, 1, 1, 1], [1, 4, 9, 16])
    nan
    """
    score, mos = pair(score, mos)
    return _correlation(score, mos, _mean_ranks)


def plcc(score: Values, mos: Values) -> float:
    """Pearson's linear correlation.

    Both inputs are centred and scaled before anything is squared, so that neither a huge outlier
    nor a huge unit overflows.

    Args:
        score: (N,) predicted scores, any unit.
        mos: (N,) human scores, any unit.

    Returns:
        In [-1, 1]; NaN (undefined) if N < 2 or an input is constant up to rounding.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> plcc([1, 2, 3], [20, 40, 60])
    1.0
    """
    return _correlation(*pair(score, mos), lambda values: values)


def krcc(score: Values, mos: Values) -> float:
    """Kendall's τ-b, exact, in O(N log N).

    τ-b = (C − D) / √((P − T_score)(P − T_mos)) with C concordant and D discordant of the P pairs,
    and T the pairs tied in one input (Kendall, 1945).

    Args:
        score: (N,) predicted scores, any unit.
        mos: (N,) human scores, any unit.

    Returns:
        In [-1, 1]; NaN (undefined) if N < 2 or an input is constant up to rounding.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> krcc([1, 2, 3], [1, 3, 2])  # two of three pairs agree
    0.3333333333333333
    """
    score, mos = pair(score, mos)
    return count_pairs(score, mos, np.zeros(len(score), dtype=np.int64)).tau_b


def rmse(score: Values, mos: Values) -> float:
    """Root mean squared error, in the unit of the inputs, which must be the same.

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.

    Returns:
        0 or above; NaN (undefined) if N = 0.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> rmse([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    score, mos = pair(score, mos)
    if len(score) == 0:
        return UNDEFINED
    difference, exponent = _scaled(score - mos)
    return math.ldexp(math.sqrt(float(np.mean(difference**2))), exponent)


class PairCounts(NamedTuple):
    """How the pairs of images compare: numbers of unordered pairs."""

    pairs: int
    """All pairs."""
    tied_score: int
    """Pairs with the same predicted score."""
    tied_mos: int
    """Pairs with the same MOS."""
    tied_both: int
    """Pairs with the same of both."""
    discordant: int
    """Pairs that score and MOS order differently."""

    @property
    def concordant(self) -> int:
        """Pairs that score and MOS order alike."""
        return self.pairs - self.tied_score - self.tied_mos + self.tied_both - self.discordant

    @property
    def tau_b(self) -> float:
        """Kendall's τ-b of these pairs; NaN if all are tied in one input."""
        untied = (self.pairs - self.tied_score) * (self.pairs - self.tied_mos)
        if untied == 0:
            return UNDEFINED
        return (self.concordant - self.discordant) / math.sqrt(untied)


def count_pairs(score: Floats, mos: Floats, cell: Integers) -> PairCounts:
    """Count concordant, discordant and tied pairs, of images in the same cell only.

    Where a cell's values are one constant up to rounding, all its pairs are tied.

    Args:
        score: (N,) finite.
        mos: (N,) finite.
        cell: (N,) whole numbers from 0; pairs across two cells are not counted.

    Returns:
        The counts, summed over cells. O(N log N) time, O(N) memory.
    """
    score_rank, mos_rank = (_dense_ranks(levelled(values, cell)) for values in (score, mos))
    # Within a cell by score and, where that is tied, by MOS: a later image with a lower MOS is then
    # a discordant pair, and pairs tied in the score are never counted as one.
    order = np.lexsort((mos_rank, score_rank, cell))
    cell, score_rank, mos_rank = cell[order], score_rank[order], mos_rank[order]
    new_cell = _changes(cell)
    new_score = new_cell | _changes(score_rank)
    by_mos = np.sort((np.cumsum(new_cell) - 1) * len(order) + mos_rank)
    return PairCounts(
        pairs=_pairs_alike(new_cell),
        tied_score=_pairs_alike(new_score),
        tied_mos=_pairs_alike(_changes(by_mos)),
        tied_both=_pairs_alike(new_score | _changes(mos_rank)),
        discordant=_inversions(np.flatnonzero(new_cell), mos_rank),
    )


def _inversions(starts: Integers, value: Integers) -> int:
    """Count the pairs i < j of one group with value[i] > value[j].

    Works through the binary digits of the values, highest first. Two values of one group that agree
    in all higher digits are an inversion exactly if the earlier has a 1 where the later has a 0.
    After a digit each group is parted in two, in order, so that the next one meets only values that
    agree.

    Args:
        starts: (G,) the first position of each group, ascending from 0.
        value: (N,) not negative.
    """
    total = 0
    sizes = np.diff(starts, append=len(value))
    start, stop = np.repeat(starts, sizes), np.repeat(starts + sizes, sizes)  # of each one's group
    position = np.arange(len(value))
    for digit in reversed(range(int(value.max(initial=0)).bit_length())):
        one = (value >> digit) & 1
        ones = np.concatenate(([0], np.cumsum(one)))
        before = ones[:-1] - ones[start]  # ones ahead in the own group
        total += int((before * (1 - one)).sum())
        middle = stop - (ones[stop] - ones[start])  # where the ones of the group will begin
        place = np.where(one, middle + before, position - before)
        order = np.empty_like(place)
        order[place] = position
        value = value[order]
        start, stop = np.where(one, middle, start)[order], np.where(one, stop, middle)[order]
    return total


def _changes(values: Integers) -> NDArray[np.bool_]:
    """Return where a value differs from the one before it; the first always does."""
    changes = np.ones(len(values), dtype=np.bool_)
    np.not_equal(values[1:], values[:-1], out=changes[1:])
    return changes


def _pairs_alike(changes: NDArray[np.bool_]) -> int:
    """Count the unordered pairs within runs, told by where each run begins."""
    counts = np.diff(np.flatnonzero(changes), append=len(changes))
    return int((counts * (counts - 1) // 2).sum())


def _dense_ranks(values: NDArray[np.float64] | Integers) -> Integers:
    """Number the distinct values from 0 in ascending order."""
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _mean_ranks(values: Floats) -> Floats:
    """Ranks from 1; tied values share the mean of the ranks they take."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def _correlation(x: Floats, y: Floats, of: Callable[[Floats], Floats]) -> float:
    """Pearson's correlation of something of finite vectors of one length."""
    # Compared before centring: a rounded mean would leave noise in the place of a constant's zeros.
    if len(x) < 2 or is_constant(x) or is_constant(y):
        return UNDEFINED
    x, y = _centred(of(x)), _centred(of(y))
    cosine = float(x @ y) / math.sqrt(float(x @ x) * float(y @ y))
    return min(1.0, max(-1.0, cosine))


def _centred(values: Floats) -> Floats:
    """Subtract the mean and scale to magnitudes of at most 1, so that no square overflows."""
    values = _scaled(values)[0]
    return _scaled(values - values.mean())[0]


def _scaled(values: Floats) -> tuple[Floats, int]:
    """Scale by a power of two, which rounds nothing, to magnitudes of at most 1.

    Returns:
        (values · 2**-exponent, exponent).
    """
    exponent = int(np.frexp(np.abs(values).max())[1])
    return np.ldexp(values, -exponent), exponent
