import math

import numpy as np
import pytest
import torch

from hmtnet.errors import HmtnetError
from hmtnet.metrics import (
    MetricError,
    accuracy,
    average_seeds,
    bootstrap,
    by_group,
    holm,
    krcc,
    mapped_plcc,
    median_grade,
    outlier_ratio,
    plcc,
    rank_stability,
    rmse,
    srcc,
    within_tau,
)
from hmtnet.metrics.checks import grades, pair, probability_rows, vector
from hmtnet.metrics.fidelity import luma, ssim

CORRELATIONS = [srcc, plcc, krcc, rmse]


@pytest.mark.parametrize("metric", CORRELATIONS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_an_error_that_says_where(metric, bad):
    # torchmetrics' Spearman returns a plausible .61 here.
    score = [0.1, 0.2, bad, 0.4, bad]
    with pytest.raises(MetricError, match=r"score: .* found 2 of 5 .* at position 2"):
        metric(score, [1, 2, 3, 4, 5])
    with pytest.raises(MetricError, match=r"MOS: .* found 2 of 5"):
        metric([1, 2, 3, 4, 5], score)


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_a_column_is_refused_with_its_shape(metric):
    # torchmetrics' Kendall breaks on (N, 1) with an index error, or takes it for N outputs.
    with pytest.raises(MetricError, match=r"score: .* found shape \(3, 1\)\. Flatten it"):
        metric(np.zeros((3, 1)), [1, 2, 3])
    with pytest.raises(MetricError, match=r"found shape \(\)"):
        metric(0.5, [1, 2, 3])


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_lengths_must_agree(metric):
    with pytest.raises(MetricError, match="MOS: expected 3, one for each of the scores, found 2"):
        metric([1, 2, 3], [1, 2])


def test_metric_errors_are_both_ours_and_value_errors():
    assert issubclass(MetricError, HmtnetError)
    assert issubclass(MetricError, ValueError)


MASKED = np.ma.masked_array([1.0, 2.0, 99.0, 3.0], mask=[0, 0, 1, 0])


@pytest.mark.parametrize(
    "metric",
    [
        *(lambda m, f=f: f(m, [1, 2, 3, 4]) for f in (*CORRELATIONS, accuracy, mapped_plcc)),
        *(lambda m, f=f: f([1, 2, 3, 4], m) for f in (*CORRELATIONS, accuracy, mapped_plcc)),
        lambda m: outlier_ratio([1, 2, 3, 4], [1, 2, 3, 4], m),
        lambda m: within_tau([1, 2, 3, 4], [1, 2, 3, 4], m),
        lambda m: by_group([1, 2, 3, 4], [1, 2, 3, 4], m),
        lambda m: bootstrap([1, 2, 3, 4], [1, 2, 3, 4], m, "srcc"),
        lambda m: average_seeds([m, m]),
        lambda m: rank_stability(np.ma.stack([m, m])),
        lambda m: median_grade(np.ma.stack([m, m])),
        lambda m: holm(m / 100),
        lambda m: ssim(np.ma.ones((16, 16)), np.ones((16, 16))),
        lambda m: luma(np.ma.ones((16, 16, 3), dtype=np.uint8)),
    ],
)
def test_masked_arrays_are_refused(metric):
    # NumPy would quietly take the hidden 99 for a score.
    with pytest.raises(MetricError, match="expected plain values, found a masked array"):
        metric(MASKED)


def test_text_is_refused():
    with pytest.raises(MetricError, match="score: expected numbers"):
        vector(["good", "bad"], "score")


def test_images_at_fault_are_named():
    with pytest.raises(MetricError, match=r"Images: b\.png, c\.png\."):
        vector([1.0, math.nan, math.inf], "score", images=["a.png", "b.png", "c.png"])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.int32])
def test_tensors_are_widened_exactly(dtype):
    values = torch.tensor([1, 2, 3, 5], dtype=dtype)
    if dtype.is_floating_point:
        values.requires_grad_()
    left, right = pair(values, (1.0, 2.0, 3.0, 5.0))
    assert left.dtype == np.float64
    np.testing.assert_array_equal(left, right)


def test_inputs_are_left_alone():
    score, mos = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0])
    for metric in CORRELATIONS:
        metric(score, mos)
    assert score.tolist() == [3, 1, 2]
    assert mos.tolist() == [1, 2, 3]


@pytest.mark.parametrize("bad", [[-1, 0], [0, 0.5], [0, 5]])
def test_grades_are_whole_numbers_below_count(bad):
    with pytest.raises(MetricError, match=r"true grade: .* in 0\.\.4, found 1 of 2"):
        grades(bad, "true grade", 5)


@pytest.mark.parametrize("rows", [[[0.5, 0.6]], [[1.5, -0.5]], [[2.0, 3.0]]])
def test_probabilities_are_distributions(rows):
    with pytest.raises(MetricError, match="sum to 1, found 1 of 1"):
        probability_rows(rows)


def test_probabilities_have_two_axes():
    with pytest.raises(MetricError, match=r"expected shape \(N, K\), found \(2,\)"):
        probability_rows([0.5, 0.5])


def test_probabilities_that_are_not_finite_are_named_by_row_and_grade():
    with pytest.raises(MetricError, match=r"nan at position \(1, 0\)"):
        probability_rows([[0.5, 0.5], [math.nan, 1.0]])
