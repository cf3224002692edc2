"""Is one system better than another over splits, or did the splits fall so?

Splits drawn from one dataset share images, in training and often in test: their results are not
independent, and a plain t-test finds differences everywhere. Over overlapping splits use
:func:`compare_systems`; :func:`wilcoxon` takes disjoint folds only; :func:`rank_stability` says how
much the order of systems depends on the split.
"""

import itertools
import math
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hmtnet.errors import listed
from hmtnet.metrics.checks import (
    Floats,
    MetricError,
    Values,
    numbers,
    require_finite,
    require_length,
    vector,
)
from hmtnet.metrics.correlation import UNDEFINED

FEWEST_FOLDS = 6
"""With 5 folds the signed-rank test's least two-sided p is 2/2⁵ = .0625: it can find nothing."""


@dataclass(frozen=True)
class TTest:
    """A corrected resampled t-test.

    Attributes:
        mean: Mean difference over splits.
        t: The statistic; infinite if all differences are one and the same, not 0.
        p: Two-sided p-value of no difference, not corrected for other tests.
        splits: Number of splits; the t distribution has one degree of freedom less.
    """

    mean: float
    t: float
    p: float
    splits: int


@dataclass(frozen=True)
class Comparison:
    """Two systems compared, as one of a family of pairs.

    Attributes:
        test: Of the first system's results less the second's.
        p_holm: The p-value, corrected by Holm for all pairs of the family.
    """

    test: TTest
    p_holm: float


@dataclass(frozen=True)
class Wilcoxon:
    """A Wilcoxon signed-rank test.

    Attributes:
        statistic: The lesser of the rank sums of positive and of negative differences.
        p: Two-sided p-value of no difference, exact also with ties.
        folds: Number of folds.
        zeros: Folds without a difference, which the test leaves out.
    """

    statistic: float
    p: float
    folds: int
    zeros: int


@dataclass(frozen=True)
class RankStability:
    """How much the order of systems depends on the split. Rank 1 is the best.

    Attributes:
        mean_rank: (S,) mean rank of each system; systems that tie share the mean of their ranks.
        sd_rank: (S,) standard deviation (n − 1) of its rank over splits; NaN with one split.
        best: (S,) share of splits in which it is best; m systems that tie there count 1/m each.
        concordance: Kendall's W with correction for ties, 0 = any order, 1 = always the same; NaN
            (undefined) with fewer than two splits or systems, or if all tie in every split.
    """

    mean_rank: Floats
    sd_rank: Floats
    best: Floats
    concordance: float


def corrected_t_test(differences: Values, train: int, test: int) -> TTest:
    """Test the mean difference of two systems over splits that overlap.

    Nadeau and Bengio, "Inference for the generalization error", Machine Learning 2003:
    t = mean / √((1/k + n_test / n_train) · variance), with k − 1 degrees of freedom. The second
    summand stands for the dependence of splits that share their training images.

    Args:
        differences: (k,) first system's result less the second's, split by split.
        train: Number of training images of a split, or of training references.
        test: Number of test images, or of test references.

    Raises:
        MetricError: If a difference is not finite, there are fewer than two, or a number of images
            is not above 0.
    """
    values = vector(differences, "differences")
    if len(values) < 2:
        raise MetricError(
            f"differences: expected those of at least 2 splits, found {len(values)}. One split has "
            "no spread: use a paired bootstrap over its groups."
        )
    if train <= 0 or test <= 0:
        raise MetricError(
            f"corrected t-test: expected numbers of images above 0, found {train} and {test}."
        )
    mean, k = float(values.mean()), len(values)
    if values.min() == values.max():  # compared, for a rounded mean would leave a tiny variance
        t = math.copysign(math.inf, mean) if values[0] != 0 else 0.0
    else:
        t = mean / math.sqrt((1 / k + test / train) * float(values.var(ddof=1)))
    return TTest(mean, t, _two_sided(t, k - 1), k)


def holm(p_values: Values) -> Floats:
    """Correct p-values for being several (Holm, 1979): no assumption on how tests depend.

    The i-th smallest of m, from 0, is multiplied by m − i; none falls below a smaller one's.

    Args:
        p_values: (M,) in [0, 1].

    Returns:
        (M,) in the order given, in [0, 1].

    Raises:
        MetricError: If a p-value is not in [0, 1].

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = vector(p_values, "p-values")
    wrong = values[(values < 0) | (values > 1)]
    if len(wrong):
        raise MetricError(f"p-values: expected numbers in [0, 1], found {listed(wrong)}.")
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * values[order]))
    return corrected


def compare_systems(
    results: Mapping[str, Values], train: int, test: int
) -> dict[tuple[str, str], Comparison]:
    """Compare all pairs of systems over splits: corrected t-tests, with Holm over the family.

    Args:
        results: Name of each system to its (k,) results, of the same splits in the same order.
        train: Number of training images of a split, or of training references.
        test: Number of test images, or of test references.

    Returns:
        (first, second), in the order given, to their comparison.

    Raises:
        MetricError: As :func:`corrected_t_test`, or if systems differ in their number of splits.
    """
    columns = {name: vector(values, f"results of {name}") for name, values in results.items()}
    for name, values in columns.items():
        first, expected = next(iter(columns.items()))
        require_length(values, f"results of {name}", len(expected), f"splits of {first}")
    tests = {
        (a, b): corrected_t_test(columns[a] - columns[b], train, test)
        for a, b in itertools.combinations(columns, 2)
    }
    corrected = holm([result.p for result in tests.values()])
    return {
        names: Comparison(result, float(p))
        for (names, result), p in zip(tests.items(), corrected, strict=True)
    }


def wilcoxon(differences: Values, folds: Sequence[Collection[Hashable]]) -> Wilcoxon:
    """Test the differences of two systems over disjoint folds (Wilcoxon, 1945).

    Args:
        differences: (k,) first system's result less the second's, fold by fold.
        folds: (k,) each fold's test images, or their references.

    Raises:
        MetricError: If a difference is not finite, there are fewer than 6 folds, or two folds share
            an image: the test takes them to be independent.
    """
    values = vector(differences, "differences")
    require_length(folds, "folds", len(values), "differences")
    if len(values) < FEWEST_FOLDS:
        raise MetricError(
            f"Wilcoxon: expected at least {FEWEST_FOLDS} folds, found {len(values)}. With fewer, "
            "even differences of one sign are not significant at .05. Take more folds, or a "
            "corrected t-test (compare_systems)."
        )
    members = [set(fold) for fold in folds]
    overlapping = [
        f"{a} and {b}"
        for a, b in itertools.combinations(range(len(members)), 2)
        if not members[a].isdisjoint(members[b])
    ]
    if overlapping:
        raise MetricError(
            "Wilcoxon: expected folds that share no test image, found shared ones in folds "
            f"{listed(overlapping)}. The test takes folds to be independent: use the corrected "
            "t-test (compare_systems) for splits that overlap."
        )
    kept = values[values != 0]
    ranks = _ranks(np.abs(kept)[None])[0]
    positive = float(ranks[kept > 0].sum())
    statistic = min(positive, float(ranks.sum()) - positive)
    return Wilcoxon(
        statistic, _signed_rank_p(ranks, statistic), len(values), len(values) - len(kept)
    )


def rank_stability(
    results: "Values | Sequence[Values]", higher_is_better: bool = True
) -> RankStability:
    """Rank systems in each split, and tell how stable the ranks are.

    Args:
        results: (S, K) result of each of S systems in each of K splits.
        higher_is_better: False for errors.

    Raises:
        MetricError: If it is not such a matrix, or a result is not finite.
    """
    matrix = numbers(results, "results")
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise MetricError(f"results: expected shape (systems, splits), found {matrix.shape}.")
    require_finite(matrix, "results")
    systems, splits = matrix.shape
    ranks = _ranks((-matrix if higher_is_better else matrix).T)
    first = ranks == ranks.min(axis=1, keepdims=True)
    # W = Σ (rank sum − mean)² over what it is if all splits agree; Kendall and Smith, 1939.
    sums = ranks.sum(axis=0)
    spread = float(((sums - sums.mean()) ** 2).sum())
    ties = float(sum((np.unique(row, return_counts=True)[1] ** 3).sum() - systems for row in ranks))
    most = splits * (splits * (systems**3 - systems) - ties)
    return RankStability(
        mean_rank=ranks.mean(axis=0),
        sd_rank=ranks.std(axis=0, ddof=1) if splits > 1 else np.full(systems, UNDEFINED),
        best=(first / first.sum(axis=1, keepdims=True)).mean(axis=0),
        concordance=12 * spread / most if splits > 1 and most > 0 else UNDEFINED,
    )


def _two_sided(t: float, freedom: int) -> float:
    """Return the probability that Student's t is at least as far from 0."""
    from scipy import special

    return float(min(1.0, 2 * special.stdtr(freedom, -abs(t))))


def _signed_rank_p(ranks: Floats, statistic: float) -> float:
    """Return the exact two-sided p-value: every sign of every rank is as likely.

    Ranks are halves of whole numbers, so that sums can be counted one rank after another.
    """
    doubled = np.rint(2 * ranks).astype(np.int64)
    ways = np.zeros(int(doubled.sum()) + 1)
    ways[0] = 1.0
    for rank in doubled.tolist():
        ways[rank:] = (ways[rank:] + ways[: len(ways) - rank]) / 2
        ways[:rank] /= 2
    return min(1.0, 2 * float(ways[: round(2 * statistic) + 1].sum()))


def _ranks(rows: Floats) -> Floats:
    """Return ranks from 1 along each row; tied values share their mean rank."""
    below = (rows[:, :, None] > rows[:, None, :]).sum(axis=2)
    alike = (rows[:, :, None] == rows[:, None, :]).sum(axis=2)
    return np.asarray(below + (alike + 1) / 2)
