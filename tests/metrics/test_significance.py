import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.metrics import (
    MetricError,
    compare_systems,
    corrected_t_test,
    holm,
    rank_stability,
    wilcoxon,
)


def test_corrected_t_by_hand():
    # mean 2, variance 1 (n − 1), factor 1/3 + 20/60 = 2/3: t = 2 / √(2/3) = √6.
    result = corrected_t_test([1.0, 2.0, 3.0], train=60, test=20)
    assert (result.mean, result.splits) == (2, 3)
    assert result.t == pytest.approx(math.sqrt(6), abs=1e-12)
    # Student's t with 2 degrees of freedom: p = 1 − t / √(2 + t²).
    assert result.p == pytest.approx(1 - math.sqrt(6) / math.sqrt(8), abs=1e-9)


@pytest.mark.parametrize("k", [2, 5, 20, 100])
def test_without_the_correction_it_is_scipys(k):
    differences = np.random.default_rng(k).normal(0.3, size=k)
    # So many training images that the second summand vanishes.
    result = corrected_t_test(differences, train=10**15, test=1)
    expected = scipy.stats.ttest_1samp(differences, 0)
    assert (result.t, result.p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)
    corrected = corrected_t_test(differences, train=60, test=20)
    factor = math.sqrt((1 / k) / (1 / k + 1 / 3))
    assert corrected.t == pytest.approx(expected.statistic * factor, abs=1e-9)
    assert corrected.p == pytest.approx(2 * scipy.stats.t.sf(abs(corrected.t), k - 1), abs=1e-9)
    assert corrected.p > expected.pvalue


def test_differences_that_are_all_one():
    same = corrected_t_test([0.0] * 5, 60, 20)
    assert (same.t, same.p) == (0, 1)
    # The mean of ten .1 is not .1: what is left would be a variance of 1e-34.
    always = corrected_t_test([-0.1] * 10, 60, 20)
    assert (always.t, always.p) == (-math.inf, 0)


def test_t_test_refuses():
    with pytest.raises(MetricError, match="at least 2 splits, found 1"):
        corrected_t_test([0.1], 60, 20)
    with pytest.raises(MetricError, match="above 0, found 60 and 0"):
        corrected_t_test([0.1, 0.2], 60, 0)
    with pytest.raises(MetricError, match="differences: expected finite"):
        corrected_t_test([0.1, math.nan], 60, 20)


def test_holm_by_hand():
    assert holm([0.01, 0.02, 0.03, 0.5]) == pytest.approx([0.04, 0.06, 0.06, 0.5], abs=1e-15)
    assert holm([0.5, 0.4]) == pytest.approx([0.8, 0.8], abs=1e-15)
    assert holm([0.9, 0.8]).tolist() == [1, 1]
    assert holm([]).tolist() == []
    with pytest.raises(MetricError, match=r"p-values: expected numbers in \[0, 1\], found 1\.5"):
        holm([0.5, 1.5])


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(deadline=None)
@given(probabilities, st.randoms(use_true_random=False))
def test_holm_is_monotone_and_never_below_the_raw_nor_above_bonferroni(p, random):
    corrected = holm(p)
    assert (corrected >= np.array(p)).all()
    assert (corrected <= np.minimum(1, len(p) * np.array(p)) + 1e-15).all()
    assert (np.diff(corrected[np.argsort(p, kind="stable")]) >= 0).all()
    order = list(range(len(p)))
    random.shuffle(order)
    assert holm([p[i] for i in order]).tolist() == corrected[order].tolist()


def test_holm_rejects_what_its_steps_reject():
    # Step down: reject while p_(i) ≤ α / (m − i), and then stop.
    for seed in range(50):
        p = np.random.default_rng(seed).uniform(0, 0.08, size=5)
        rejected = set()
        for i, row in enumerate(np.argsort(p)):
            if p[row] > 0.05 / (5 - i):
                break
            rejected.add(int(row))
        assert set(np.flatnonzero(holm(p) <= 0.05).tolist()) == rejected


def test_systems_are_compared_as_one_family():
    random = np.random.default_rng(0)
    results = {
        name: random.normal(mean, 0.1, size=10)
        for name, mean in zip("abc", (0, 0.1, 1), strict=True)
    }
    found = compare_systems(results, 60, 20)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    for (first, second), comparison in found.items():
        assert comparison.test == corrected_t_test(results[first] - results[second], 60, 20)
    raw = [comparison.test.p for comparison in found.values()]
    assert [comparison.p_holm for comparison in found.values()] == holm(raw).tolist()
    assert compare_systems({"alone": [1, 2]}, 60, 20) == {}
    with pytest.raises(MetricError, match="results of b: expected 2, one for each of the splits"):
        compare_systems({"a": [1, 2], "b": [1]}, 60, 20)


def folds(count):
    return [[f"img{i}", f"img{i + 100}"] for i in range(count)]


@pytest.mark.parametrize("n", [6, 7, 10, 25])
def test_wilcoxon_equals_scipy_without_ties(n):
    differences = np.random.default_rng(n).normal(0.5, size=n)
    expected = scipy.stats.wilcoxon(differences, method="exact")
    found = wilcoxon(differences, folds(n))
    assert (found.statistic, found.p) == pytest.approx(
        (expected.statistic, expected.pvalue), abs=1e-9
    )
    assert (found.folds, found.zeros) == (n, 0)


def test_wilcoxon_by_hand():
    # All of one sign: 2 of 2⁶ signings are as extreme.
    assert wilcoxon([1, 2, 3, 4, 5, 6], folds(6)).p == 2 / 64
    assert wilcoxon([0] * 6, folds(6)).p == 1
    assert wilcoxon([0] * 6, folds(6)).zeros == 6


@pytest.mark.parametrize("seed", range(5))
def test_wilcoxon_is_exact_with_ties(seed):
    differences = np.random.default_rng(seed).integers(-3, 5, size=8)
    found = wilcoxon(differences, folds(8))
    kept = differences[differences != 0]
    ranks = scipy.stats.rankdata(np.abs(kept))
    observed = ranks[kept > 0].sum()
    centre = ranks.sum() / 2
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s)
        for signs in itertools.product([0, 1], repeat=len(kept))
    ]
    extreme = np.mean([abs(s - centre) >= abs(observed - centre) - 1e-9 for s in sums])
    assert found.p == pytest.approx(extreme, abs=1e-12)
    assert found.zeros == 8 - len(kept)


def test_wilcoxon_refuses_few_folds_and_overlapping_ones():
    with pytest.raises(
        MetricError, match=r"at least 6 folds, found 5\. With fewer, .*compare_systems"
    ):
        wilcoxon([1, 2, 3, 4, 5], folds(5))
    overlapping = [*folds(5), ["img99", "img2"]]
    with pytest.raises(MetricError, match=r"shared ones in folds 2 and 5\. .* independent"):
        wilcoxon([1, 2, 3, 4, 5, 6], overlapping)
    with pytest.raises(MetricError, match="folds: expected 6, one for each of the differences"):
        wilcoxon([1, 2, 3, 4, 5, 6], folds(7))


def test_rank_stability_by_hand():
    found = rank_stability([[0.9, 0.8, 0.9], [0.8, 0.9, 0.9], [0.1, 0.2, 0.3]])
    assert found.mean_rank.tolist() == [1.5, 1.5, 3]
    assert found.sd_rank == pytest.approx([0.5, 0.5, 0])
    assert found.best == pytest.approx([0.5, 0.5, 0])
    # Rank sums 4.5, 4.5, 9 about 6: 13.5; one split has a tie of two: 12·13.5 / (3·(3·24 − 6)).
    assert found.concordance == pytest.approx(12 * 13.5 / (3 * (3 * 24 - 6)), abs=1e-12)


def test_errors_rank_the_other_way():
    results = [[0.1, 0.2], [0.3, 0.4]]
    assert rank_stability(results, higher_is_better=False).mean_rank.tolist() == [1, 2]
    assert rank_stability(results).mean_rank.tolist() == [2, 1]


@pytest.mark.parametrize("levels", [None, 2])
@pytest.mark.parametrize("seed", range(5))
def test_concordance_equals_friedmans_statistic(levels, seed):
    results = np.random.default_rng(seed).normal(size=(4, 12)) + np.arange(4)[:, None] / 3
    results = results if levels is None else np.round(results * levels)
    expected = scipy.stats.friedmanchisquare(*results).statistic / (12 * 3)
    found = rank_stability(results)
    assert found.concordance == pytest.approx(expected, abs=1e-9)
    ranks = scipy.stats.rankdata(-results, axis=0)
    assert found.mean_rank == pytest.approx(ranks.mean(axis=1), abs=1e-12)
    assert found.sd_rank == pytest.approx(ranks.std(axis=1, ddof=1), abs=1e-12)
    assert found.best.sum() == pytest.approx(1)


def test_always_the_same_order_and_no_order_at_all():
    assert rank_stability(np.arange(5)[:, None] + np.zeros((1, 7))).concordance == 1
    assert math.isnan(rank_stability(np.ones((3, 4))).concordance)
    one = rank_stability([[1], [2]])
    assert math.isnan(one.concordance) and np.isnan(one.sd_rank).all()
    assert math.isnan(rank_stability([[1, 2, 3]]).concordance)
    cycle = rank_stability([[1, 2, 3], [2, 3, 1], [3, 1, 2]])
    assert cycle.concordance == 0
    assert cycle.best == pytest.approx([1 / 3] * 3)


def test_rank_stability_refuses():
    with pytest.raises(MetricError, match=r"shape \(systems, splits\), found \(3,\)"):
        rank_stability([1, 2, 3])
    with pytest.raises(MetricError, match="results: expected finite"):
        rank_stability([[1, math.nan], [1, 2]])
