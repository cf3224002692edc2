import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.metrics import (
    MetricError,
    average_seeds,
    bootstrap,
    krcc,
    mapped_plcc,
    paired_bootstrap,
    plcc,
    resampling,
    rmse,
    srcc,
    within_tau,
)
from hmtnet.metrics.resampling import FEWEST_GROUPS

NAMED = {"srcc": srcc, "plcc": plcc, "krcc": krcc, "rmse": rmse}


def dataset(n=200, groups=20, noise=1.0, seed=0):
    """Groups whose images go wrong together."""
    random = np.random.default_rng(seed)
    group = np.arange(n) % groups
    mos = random.normal(size=n)
    score = mos + noise * random.normal(size=n) + random.normal(size=groups)[group]
    return score, mos, [f"img{g}" for g in group]


@pytest.mark.parametrize(("name", "function"), NAMED.items())
def test_a_name_and_its_function_give_one_interval(name, function):
    score, mos, groups = dataset(60, 12)
    named = bootstrap(score, mos, groups, name, resamples=100, seed=3)
    called = bootstrap(score, mos, groups, function, resamples=100, seed=3)
    assert (named.groups, named.resamples, named.reason) == (12, 100, "")
    assert named.point == function(score, mos)
    assert (named.low, named.high) == pytest.approx((called.low, called.high), abs=1e-12)


def test_tau_within_cells():
    score, mos, groups = dataset(60, 12)
    cells = [None if i % 4 == 0 else i % 3 for i in range(60)]
    interval = bootstrap(score, mos, groups, "within_tau", cells=cells)
    assert interval.point == within_tau(score, mos, cells)
    assert interval.low < interval.point < interval.high
    # What is said of images without a cell changes nothing.
    score[::4] = -score[::4]
    assert bootstrap(score, mos, groups, "within_tau", cells=cells) == interval


def test_many_groups_are_counted_one_by_one_and_give_the_same(monkeypatch):
    score, mos, groups = dataset(60, 12)
    expected = bootstrap(score, mos, groups, "krcc", resamples=50)
    monkeypatch.setattr(resampling, "_LARGEST_FORM", 5)
    found = bootstrap(score, mos, groups, "krcc", resamples=50)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_groups_are_drawn_whole_and_their_errors_widen_the_interval():
    # Twenty images of a group are copies of one: two hundred images know no more than ten.
    random = np.random.default_rng(0)
    few = random.normal(size=(2, 10))
    score, mos = few[0].repeat(20), few[1].repeat(20)
    by_group = bootstrap(score, mos, (np.arange(200) // 20).tolist(), "plcc")
    of_few = bootstrap(few[0], few[1], list(range(10)), "plcc")
    by_image = bootstrap(score, mos, list(range(200)), "plcc")
    assert (by_group.low, by_group.high) == pytest.approx((of_few.low, of_few.high), abs=1e-12)
    assert by_group.high - by_group.low > 2 * (by_image.high - by_image.low)


def test_the_mean_error_has_the_width_that_theory_gives():
    # MSE of equal groups is a mean over groups: its standard error is known.
    score, mos, _ = dataset(4000, 400)
    errors = (score - mos) ** 2
    interval = bootstrap(
        score, mos, list(range(4000)), lambda s, m: float(((s - m) ** 2).mean()), level=0.9
    )
    expected = 2 * 1.6449 * errors.std() / math.sqrt(4000)
    assert interval.high - interval.low == pytest.approx(expected, rel=0.08)
    wider = bootstrap(score, mos, list(range(4000)), "rmse", level=0.99)
    assert wider.low**2 < interval.low < interval.high < wider.high**2


def test_it_covers_the_truth_about_as_often_as_it_says():
    inside = 0
    for seed in range(100):
        score, mos, groups = dataset(120, 40, seed=seed)
        interval = bootstrap(score, mos, groups, "plcc", resamples=300)
        inside += interval.low <= 1 / math.sqrt(3) <= interval.high
    assert 85 <= inside <= 99


def test_equal_groups_leave_no_doubt():
    score, mos = np.tile([1.0, 2.0, 4.0, 3.0], 12), np.tile([1.0, 2.0, 3.0, 4.0], 12)
    groups = np.repeat(np.arange(12), 4).tolist()
    for name, function in NAMED.items():
        interval = bootstrap(score, mos, groups, name)
        point = function(score, mos)
        assert (interval.low, interval.high) == pytest.approx((point, point), abs=1e-12)


def test_below_ten_groups_there_is_no_interval():
    assert FEWEST_GROUPS == 10
    score, mos, groups = dataset(90, 9)
    interval = bootstrap(score, mos, groups, "srcc")
    assert interval.point == srcc(score, mos)
    assert math.isnan(interval.low) and math.isnan(interval.high)
    assert interval.resamples == 0
    assert interval.reason == "9 groups: an interval needs at least 10; show the range"
    difference = paired_bootstrap(score, -score, mos, groups, "srcc")
    assert difference.point == pytest.approx(2 * interval.point)
    assert math.isnan(difference.low) and math.isnan(difference.p)
    assert difference.reason == interval.reason


def test_what_is_undefined_stays_so():
    _, mos, groups = dataset(60, 12)
    interval = bootstrap(np.ones(60), mos, groups, "srcc")
    assert math.isnan(interval.point) and math.isnan(interval.low)
    assert interval.reason == "undefined for the images themselves"
    assert bootstrap([], [], [], "srcc").reason.startswith("0 groups")
    # Only one group differs: a third of the resamples do not draw it, the others would be select.
    score = np.where(np.arange(60) % 12 == 0, 1.0, 0.0)
    interval = bootstrap(score, mos, groups, "srcc")
    assert math.isnan(interval.low)
    assert interval.reason == f"undefined for {2000 - interval.resamples} of 2000 resamples"
    assert 500 < 2000 - interval.resamples < 900


def test_the_seed_alone_decides():
    score, mos, groups = dataset(60, 12)
    first = bootstrap(score, mos, groups, "srcc", seed=1)
    assert bootstrap(score, mos, groups, "srcc", seed=1) == first
    assert bootstrap(score, mos, groups, "srcc", seed=2) != first
    # The groups' names do not.
    assert bootstrap(score, mos, [int(g[3:]) for g in groups], "srcc", seed=1) == first


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from(list(NAMED)), st.floats(0.5, 0.99))
def test_ends_are_in_order_and_in_range(seed, name, level):
    score, mos, groups = dataset(50, 10, seed=seed)
    interval = bootstrap(score, mos, groups, name, resamples=200, seed=seed, level=level)
    assert interval.low <= interval.high
    if name != "rmse":
        assert interval.low >= -1 and interval.high <= 1
    wide = bootstrap(score, mos, groups, name, resamples=200, seed=seed, level=0.995)
    assert wide.low <= interval.low and interval.high <= wide.high


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_ranks_alone_matter_to_the_interval_of_srcc(seed):
    score, mos, groups = dataset(50, 10, seed=seed)
    expected = bootstrap(score, mos, groups, "srcc", resamples=100)
    found = bootstrap(np.exp(score), mos**3, groups, "srcc", resamples=100)
    assert (found.low, found.high, found.point) == (expected.low, expected.high, expected.point)


def test_two_systems_on_the_same_resamples():
    good, mos, groups = dataset(noise=0.2)
    bad, *_ = dataset(noise=3.0)
    for name, function in NAMED.items():
        difference = paired_bootstrap(good, bad, mos, groups, name)
        assert difference.point == pytest.approx(function(good, mos) - function(bad, mos))
        assert difference.low <= difference.point <= difference.high
        assert difference.p == pytest.approx(2 / 2001)  # no resample contradicts
        mirrored = paired_bootstrap(bad, good, mos, groups, name)
        assert (mirrored.low, mirrored.high) == pytest.approx((-difference.high, -difference.low))
        assert mirrored.p == difference.p


def test_a_pair_is_sharper_than_two_intervals():
    score, mos, groups = dataset()
    other = score + 0.3 * np.random.default_rng(5).normal(size=200)
    difference = paired_bootstrap(score, other, mos, groups, "srcc")
    single = bootstrap(score, mos, groups, "srcc")
    assert difference.high - difference.low < (single.high - single.low) / 2


def test_a_system_does_not_differ_from_itself():
    score, mos, groups = dataset()
    difference = paired_bootstrap(score, score, mos, groups, "srcc")
    assert (difference.low, difference.point, difference.high, difference.p) == (0, 0, 0, 1)


def test_p_is_rarely_small_without_a_difference():
    small = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        mos = random.normal(size=80)
        a, b = mos + random.normal(size=80), mos + random.normal(size=80)
        groups = (np.arange(80) // 2).tolist()
        small += paired_bootstrap(a, b, mos, groups, "plcc", resamples=400).p < 0.05
    assert small <= 8


def test_any_function():
    score, mos, groups = dataset(60, 12)
    interval = bootstrap(
        score, mos, groups, lambda s, m: mapped_plcc(s, m).value, resamples=5, level=0.5
    )
    assert interval.point == mapped_plcc(score, mos).value
    assert 0 <= interval.low <= interval.high <= 1


def test_seeds_are_averaged():
    assert average_seeds([[1, 2, 3], [3, 2, 4]]).tolist() == [2, 2, 3.5]
    with pytest.raises(MetricError, match="score of run 1: expected 2, one for each of the images"):
        average_seeds([[1, 2], [1]])
    with pytest.raises(MetricError, match="score of run 0: expected finite"):
        average_seeds([[1, math.nan]])
    with pytest.raises(MetricError, match="one seed at least, found none"):
        average_seeds([])


def test_bad_input():
    score, mos, groups = dataset(60, 12)
    with pytest.raises(MetricError, match="groups: expected 60, one for each of the scores"):
        bootstrap(score, mos, groups[:5], "srcc")
    with pytest.raises(MetricError, match=r"content group for each image, found 2 of 60 without"):
        bootstrap(score, mos, [None, None, *groups[2:]], "srcc")
    named = "one of srcc, plcc, rmse, mean, krcc, within_tau, found 'scc'"
    with pytest.raises(MetricError, match=named):
        bootstrap(score, mos, groups, "scc")
    with pytest.raises(MetricError, match="cells: expected with the statistic 'within_tau'"):
        bootstrap(score, mos, groups, "within_tau")
    with pytest.raises(MetricError, match=r"cells: expected .* found some with 'srcc'"):
        bootstrap(score, mos, groups, "srcc", cells=groups)
    with pytest.raises(MetricError, match="at least 1 resample and a level between 0 and 1"):
        bootstrap(score, mos, groups, "srcc", resamples=0)
    with pytest.raises(MetricError, match="found 2000 and 95"):
        bootstrap(score, mos, groups, "srcc", level=95)
    score[0] = math.nan
    with pytest.raises(MetricError, match="score: expected finite"):
        paired_bootstrap(mos, score, mos, groups, "srcc")


@pytest.mark.parametrize("name", [*NAMED, "within_tau"])
def test_two_thousand_resamples_of_a_thousand_images_take_seconds_at_most(name):
    score, mos, groups = dataset(1000, 40)
    cells = list(np.arange(1000) % 30) if name == "within_tau" else None
    start = time.perf_counter()
    bootstrap(score, mos, groups, name, cells=cells)
    assert time.perf_counter() - start < 3
