"""Many resamples at once give what each gives alone, as the metrics themselves count it."""

import math

import numpy as np
import pytest
import scipy.stats

from hmtnet.metrics import krcc, plcc, resample_statistics, rmse, srcc, within_tau

STATISTICS = [
    (resample_statistics.many_srcc, srcc),
    (resample_statistics.many_plcc, plcc),
    (resample_statistics.many_tau, krcc),
    (resample_statistics.many_rmse, rmse),
    (resample_statistics.many_mean, lambda score, _: float(np.mean(score))),
]
each = pytest.mark.parametrize(("many", "one"), STATISTICS)


def images(n=60, groups=12, levels=None, seed=0):
    random = np.random.default_rng(seed)
    mos = random.normal(size=n)
    score = mos + random.normal(size=n)
    if levels is not None:
        score, mos = np.round(score * levels), np.round(mos * levels)
    group = np.concatenate([np.arange(groups), random.integers(groups, size=n - groups)])
    drawn = random.multinomial(groups, np.full(groups, 1 / groups), size=50)
    return score, mos, group, drawn


def one_by_one(one, score, mos, group, drawn):
    rows = [np.repeat(np.arange(len(group)), times[group]) for times in drawn]
    return [one(score[r], mos[r]) for r in rows]


@each
@pytest.mark.parametrize("levels", [None, 1, 3])
def test_equal_to_one_by_one(many, one, levels):
    score, mos, group, drawn = images(levels=levels)
    expected = one_by_one(one, score, mos, group, drawn)
    assert many(score, mos, group)(drawn) == pytest.approx(expected, abs=1e-12)


@each
def test_equal_to_one_by_one_with_unequal_groups_in_blocks(many, one, monkeypatch):
    monkeypatch.setattr(resample_statistics, "_ELEMENTS", 300)  # several blocks of five resamples
    score, mos, group, drawn = images(groups=5, levels=2)
    expected = one_by_one(one, score, mos, group, drawn)
    assert many(score, mos, group)(drawn) == pytest.approx(expected, abs=1e-12)


@each
def test_each_group_once_is_the_statistic_itself(many, one):
    score, mos, group, _ = images(levels=2)
    drawn = np.ones((1, 12), dtype=np.int64)
    assert many(score, mos, group)(drawn)[0] == pytest.approx(one(score, mos), abs=1e-12)


def test_against_scipy_with_copies():
    score, mos, group, drawn = images(levels=2)
    r = np.repeat(np.arange(60), drawn[0][group])
    values = [m(score, mos, group)(drawn[:1])[0] for m, _ in STATISTICS[:3]]
    functions = (scipy.stats.spearmanr, scipy.stats.pearsonr, scipy.stats.kendalltau)
    assert values == pytest.approx([f(score[r], mos[r]).statistic for f in functions], abs=1e-9)


@pytest.mark.parametrize("levels", [None, 1])
def test_tau_within_cells(levels):
    score, mos, group, drawn = images(levels=levels)
    cell = np.arange(60) % 4
    rows = [np.repeat(np.arange(60), times[group]) for times in drawn]
    expected = [within_tau(score[r], mos[r], cell[r].tolist()) for r in rows]
    values = resample_statistics.many_tau(score, mos, group, cell)(drawn)
    assert values == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("many", [m for m, _ in STATISTICS[:3]])
@pytest.mark.parametrize("noise", [0.0, 1e-8])
def test_a_resample_without_variation_is_undefined(many, noise):
    # The second resample has group 0 only, where scores are all .1, whose mean is not .1.
    score, mos = np.array([0.1] * 10 + [1.0, 2.0]), np.arange(12.0)
    score[::2] += noise
    group = np.array([0] * 10 + [1, 1])
    values = many(score, mos, group)(np.array([[1, 1], [2, 0]]))
    assert not math.isnan(values[0])
    assert math.isnan(values[1])


@each
def test_an_outlier_disturbs_only_the_resamples_that_draw_it(many, one):
    score, mos, group, drawn = images()
    score[0] = 1e200  # of group 0
    expected = one_by_one(one, score, mos, group, drawn)
    assert (drawn[:, 0] == 0).any() and (drawn[:, 0] > 0).any()
    assert many(score, mos, group)(drawn) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e200])
def test_units_of_any_size(unit):
    score, mos, group, drawn = images()
    expected = resample_statistics.many_plcc(score, mos, group)(drawn)
    assert resample_statistics.many_plcc(score * unit, mos, group)(drawn) == pytest.approx(
        expected, abs=1e-9
    )


def test_any_function_of_the_rows():
    score, _, group, drawn = images()
    values = resample_statistics.many_of_rows(lambda rows: float(score[rows].sum()), group)(drawn)
    sums = np.bincount(group, score)
    assert values == pytest.approx(drawn @ sums, abs=1e-9)
