"""Where torchmetrics gives a plausible but wrong number or breaks, ours gives the right one."""

import math
import time

import numpy as np
import pytest
import scipy.stats
import torch

from hmtnet.metrics import MetricError, bootstrap, krcc, plcc, srcc
from hmtnet.metrics.quality import QualityMetrics


def columns(n, seed=0):
    random = np.random.default_rng(seed)
    mos = random.normal(size=n)
    return mos + random.normal(size=n), mos


def gathered(score, mos):
    """Update in float32 and by batches, as a training loop does."""
    metric = QualityMetrics()
    for rows in torch.arange(len(score)).split(64):
        metric.update(score[rows], mos[rows], rows)
    return metric.compute()


@pytest.mark.parametrize("metric", [srcc, krcc])
def test_nan_is_an_error_and_not_a_correlation(metric):
    # SpearmanCorrCoef returns .61, KendallRankCorrCoef a number too.
    score, mos = columns(20)
    score[3] = math.nan
    with pytest.raises(MetricError, match="at position 3"):
        metric(score, mos)
    with pytest.raises(MetricError, match=r"Images: 3\."):
        gathered(torch.from_numpy(score), torch.from_numpy(mos))


def test_a_constant_is_undefined_and_not_zero():
    # SpearmanCorrCoef returns 0.0.
    _, mos = columns(20)
    assert math.isnan(srcc(np.full(20, 0.3), mos))
    values = gathered(torch.full((20,), 0.3), torch.from_numpy(mos))
    assert all(values[name].isnan() for name in ("srcc", "plcc", "krcc"))


def test_a_far_outlier_in_float32_has_a_correlation():
    # PearsonCorrCoef is NaN from about 3,000 images on.
    score, mos = columns(4000)
    score[7] = 1e12
    value = gathered(torch.from_numpy(score).float(), torch.from_numpy(mos).float())["plcc"]
    expected = scipy.stats.pearsonr(score.astype(np.float32).astype(np.float64), mos).statistic
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert plcc(score, mos) == pytest.approx(scipy.stats.pearsonr(score, mos).statistic, abs=1e-9)


def test_a_column_of_one_output_is_refused_by_name():
    # kendall_rank_corrcoef breaks on (N, 1) inside.
    score, mos = columns(20)
    with pytest.raises(MetricError, match=r"score: .* shape \(20, 1\)\. Flatten it"):
        krcc(score[:, None], mos)
    with pytest.raises(MetricError, match=r"score: expected shape \(20,\)"):
        QualityMetrics().update(torch.zeros(20, 1), torch.zeros(20), torch.arange(20))


def test_kendall_is_not_quadratic():
    # kendall_rank_corrcoef takes half a second at 10,000, and a hundred times that at 100,000.
    score, mos = columns(100_000)
    start = time.perf_counter()
    value = krcc(score, mos)
    assert time.perf_counter() - start < 3
    assert value == pytest.approx(scipy.stats.kendalltau(score, mos).statistic, abs=1e-9)


def test_half_precision_makes_ties_but_no_further_rounding():
    # Computed in bfloat16, means and sums would be rounded to three digits too.
    score, mos = columns(300)
    half = torch.from_numpy(score).bfloat16()
    assert len(half.unique()) < 300
    rounded = half.double().numpy()
    values = gathered(half, torch.from_numpy(mos))
    assert values["srcc"].item() == pytest.approx(
        scipy.stats.spearmanr(rounded, mos).statistic, abs=1e-9
    )
    assert values["krcc"].item() == pytest.approx(
        scipy.stats.kendalltau(rounded, mos).statistic, abs=1e-9
    )


def test_resamples_are_drawn_from_all_groups_and_not_within_batches():
    # BootStrapper resamples inside each update: with one image a batch its spread is zero.
    score, mos = columns(200)
    groups = list(range(200))
    interval = bootstrap(score, mos, groups, "plcc")
    value = plcc(score, mos)
    expected = 1.96 * (1 - value**2) / math.sqrt(200)  # of a bivariate normal distribution
    assert (interval.high - interval.low) / 2 == pytest.approx(expected, rel=0.25)
