import math
import time

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.metrics import (
    bootstrap,
    krcc,
    mapped_plcc,
    plcc,
    rmse,
    srcc,
    within_srcc,
    within_tau,
)
from hmtnet.metrics.correlation import count_pairs

AGAINST_SCIPY = [
    (srcc, scipy.stats.spearmanr),
    (plcc, scipy.stats.pearsonr),
    (krcc, scipy.stats.kendalltau),
]


def columns(n: int, levels: int | None, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Correlated columns; `levels` rounds them, so that there are ties in one and in both."""
    random = np.random.default_rng(seed)
    mos = random.normal(size=n)
    score = 0.6 * mos + random.normal(size=n)
    return (score, mos) if levels is None else (np.round(score * levels), np.round(mos * levels))


@pytest.mark.parametrize(("ours", "theirs"), AGAINST_SCIPY)
@pytest.mark.parametrize("n", [2, 3, 5, 20, 257, 1000])
@pytest.mark.parametrize("levels", [None, 1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_equals_scipy(ours, theirs, n, levels, seed):
    score, mos = columns(n, levels, seed)
    if np.ptp(score) == 0 or np.ptp(mos) == 0:
        assert math.isnan(ours(score, mos))
    else:
        assert ours(score, mos) == pytest.approx(theirs(score, mos).statistic, abs=1e-12)


def test_known_values():
    # By hand: 5 of 6 pairs agree; d² of the ranks sums to 2.
    score, mos = [1.0, 3.0, 2.0, 4.0], [1.0, 2.0, 3.0, 4.0]
    assert krcc(score, mos) == pytest.approx((5 - 1) / 6, abs=1e-15)
    assert srcc(score, mos) == pytest.approx(1 - 6 * 2 / (4 * 15), abs=1e-15)
    assert plcc(score, mos) == pytest.approx(0.8, abs=1e-15)
    assert rmse(score, mos) == pytest.approx(math.sqrt(0.5), abs=1e-15)


def test_known_values_with_ties():
    # By hand: 2 concordant pairs of 3, one tied in the score: 2 / √((3 − 1) · 3).
    assert krcc([1, 1, 2], [1, 2, 3]) == pytest.approx(2 / math.sqrt(6), abs=1e-15)
    # Ranks 1.5, 1.5, 3 against 1, 2, 3.
    assert srcc([1, 1, 2], [1, 2, 3]) == pytest.approx(math.sqrt(3) / 2, abs=1e-15)


@pytest.mark.parametrize("metric", [srcc, plcc, krcc])
def test_two_images_agree_or_do_not(metric):
    assert metric([0.2, 0.3], [10, 11]) == 1
    assert metric([0.3, 0.2], [10, 11]) == -1


@pytest.mark.parametrize("metric", [srcc, plcc, krcc])
@pytest.mark.parametrize(
    ("score", "mos"),
    [
        ([0.1] * 10, list(range(10))),
        (list(range(10)), [0.1] * 10),
        ([0.1] * 10, [0.1] * 10),
        ([1.0], [2.0]),
        ([], []),
    ],
)
def test_without_variation_a_correlation_is_undefined_and_not_zero(metric, score, mos):
    # The mean of ten .1 is not .1: centring first would leave noise and a correlation of it.
    assert math.isnan(metric(score, mos))


def rounded_constant(n: int = 200) -> np.ndarray:
    """What a network that ignores its input gives: .5 and the last bits of float32."""
    return 0.5 + 6e-8 * np.random.default_rng(0).uniform(-1, 1, n)


@pytest.mark.parametrize("metric", [srcc, plcc, krcc])
@pytest.mark.parametrize("unit", [1.0, -100.0, 1e-30, 1e30])
def test_a_constant_up_to_float32_rounding_is_undefined(metric, unit):
    score, mos = unit * rounded_constant(), np.arange(200.0)
    assert math.isnan(metric(score, mos)) and math.isnan(metric(mos, score))
    score[0] = unit * 0.5001  # one image that differs by more is a prediction
    assert not math.isnan(metric(score, mos))


def test_everything_made_of_correlations_follows_the_same_rule():
    score, mos = rounded_constant(), np.arange(200.0)
    cells = [i % 4 for i in range(200)]
    assert math.isnan(within_tau(score, mos, cells))
    # Within cells too: a table of means, rounded, orders nothing there.
    assert math.isnan(within_tau(score + np.array(cells), mos, cells))
    assert math.isnan(within_srcc(score + np.array(cells), mos, cells))
    assert math.isnan(mapped_plcc(score, mos).value)
    for statistic in ("srcc", "plcc", "krcc"):
        found = bootstrap(score, mos, [i % 20 for i in range(200)], statistic)
        assert math.isnan(found.point) and found.reason
    within = bootstrap(score + cells, mos, [i // 4 for i in range(200)], "within_tau", cells=cells)
    assert math.isnan(within.point)


def test_rmse_needs_one_image_and_no_variation():
    assert math.isnan(rmse([], []))
    assert rmse([1.0], [4.0]) == 3
    assert rmse([2.0, 2.0], [2.0, 2.0]) == 0


@pytest.mark.parametrize("outlier", [1e8, 1e20, 1e200, -1e300])
def test_plcc_survives_a_far_outlier_among_many_images(outlier):
    # torchmetrics' Pearson is NaN in float32 on such data from about 3,000 images on.
    score, mos = columns(4000, None, seed=0)
    score[17] = outlier
    # Beside the outlier the others are all alike: the correlation is its own with an indicator.
    indicator = np.arange(4000) == 17
    assert plcc(score, mos) == pytest.approx(
        math.copysign(1, outlier) * plcc(indicator, mos), abs=1e-6
    )
    assert srcc(score, mos) == pytest.approx(scipy.stats.spearmanr(score, mos).statistic, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e-12, 1e12, 1e200, 1e300])
def test_units_of_any_size(unit):
    score, mos = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.0, 2.0, 3.0, 4.0])
    assert plcc(score * unit, mos) == pytest.approx(0.8, abs=1e-9)
    assert rmse(score * unit, mos * unit) / unit == pytest.approx(math.sqrt(0.5), rel=1e-9)


def test_plcc_with_a_large_offset_equals_scipy():
    score, mos = columns(500, None, seed=1)
    assert plcc(score + 1e6, mos) == pytest.approx(plcc(score, mos), abs=1e-9)


def test_pairs_are_counted_by_kind_and_cell():
    # Cell 0: (1,1) (1,2) (2,2) (3,0); cell 1: (5,5) (5,5). Pairs by hand.
    score = np.array([1.0, 5, 1, 2, 3, 5])
    mos = np.array([1.0, 5, 2, 2, 0, 5])
    counts = count_pairs(score, mos, np.array([0, 1, 0, 0, 0, 1]))
    assert counts == (7, 2, 2, 1, 3)
    assert counts.concordant == 1


def test_kendall_of_ten_thousand_images_is_fast_and_exact():
    score, mos = columns(10_000, 50, seed=2)
    krcc(score[:10], mos[:10])
    start = time.perf_counter()
    value = krcc(score, mos)
    # O(n²) takes above 500 ms.
    assert time.perf_counter() - start < 0.25
    assert value == pytest.approx(scipy.stats.kendalltau(score, mos).statistic, abs=1e-12)


whole_columns = st.lists(
    st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=0, max_size=40
)


def same(left: float, right: float, tolerance: float = 0.0) -> bool:
    return (math.isnan(left) and math.isnan(right)) or abs(left - right) <= tolerance


@settings(deadline=None)
@given(whole_columns)
def test_ranks_alone_matter_to_srcc_and_krcc(rows):
    score, mos = [row[0] for row in rows], [row[1] for row in rows]
    # A strictly increasing map that stays exact in float64, so that it cannot collapse two values.
    mapped = [value**3 + 7 * value for value in score]
    assert same(srcc(mapped, mos), srcc(score, mos))
    assert same(krcc(mapped, mos), krcc(score, mos))
    assert same(krcc([-value for value in score], mos), -krcc(score, mos))


@settings(deadline=None)
@given(whole_columns, st.integers(1, 100), st.integers(-1000, 1000))
def test_plcc_ignores_unit_and_origin(rows, factor, offset):
    score, mos = [row[0] for row in rows], [row[1] for row in rows]
    assert same(plcc([factor * s + offset for s in score], mos), plcc(score, mos), 1e-12)


@settings(deadline=None)
@given(whole_columns, st.randoms(use_true_random=False))
def test_order_and_roles_do_not_matter(rows, random):
    score, mos = [row[0] for row in rows], [row[1] for row in rows]
    shuffled = random.sample(rows, len(rows))
    for metric in (srcc, plcc, krcc, rmse):
        value = metric(score, mos)
        assert same(metric([r[0] for r in shuffled], [r[1] for r in shuffled]), value, 1e-12)
        assert same(metric(mos, score), value, 1e-15)


@settings(deadline=None)
@given(whole_columns)
def test_pair_counts_equal_brute_force(rows):
    score, mos = (np.array([row[i] for row in rows], dtype=float) for i in (0, 1))
    cell = np.array([abs(row[0] + row[1]) % 3 for row in rows], dtype=np.int64)
    upper = np.triu(np.ones((len(rows), len(rows)), dtype=bool), 1)
    upper &= cell[:, None] == cell
    by_score = np.sign(score[:, None] - score)
    by_mos = np.sign(mos[:, None] - mos)
    expected = (
        upper.sum(),
        (upper & (by_score == 0)).sum(),
        (upper & (by_mos == 0)).sum(),
        (upper & (by_score == 0) & (by_mos == 0)).sum(),
        (upper & (by_score * by_mos < 0)).sum(),
    )
    assert count_pairs(score, mos, cell) == expected
