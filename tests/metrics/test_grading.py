import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.metrics import (
    MetricError,
    accuracy,
    adjacent_accuracy,
    confusion,
    expected_calibration_error,
    median_grade,
    quadratic_kappa,
)

TRUE = [0, 0, 1, 2, 3, 4]
PREDICTED = [0, 2, 1, 1, 3, 0]


def test_known_shares():
    assert accuracy(TRUE, PREDICTED) == 3 / 6
    assert adjacent_accuracy(TRUE, PREDICTED) == 4 / 6


def test_the_median_errs_by_fewer_grades_than_any_other_decision():
    rng = np.random.default_rng(0)
    rows = rng.dirichlet([0.5] * 5, 200)
    # What a decision is expected to err by, for every grade that it could be.
    distance = np.abs(np.subtract.outer(np.arange(5), np.arange(5)))
    expected = rows @ distance
    chosen = expected[np.arange(200), median_grade(rows)]
    np.testing.assert_allclose(chosen, expected.min(axis=1), atol=1e-9)
    assert (median_grade(rows) != rows.argmax(axis=1)).any()


def test_a_median_between_two_grades_is_the_lower_and_survives_rounding():
    assert median_grade([[0.5, 0.5], [0.49, 0.51]]).tolist() == [0, 1]
    thirds = np.float32([[1 / 6, 1 / 3, 1 / 6, 1 / 3], [0.1, 0.2, 0.2, 0.5]])
    assert median_grade(thirds).tolist() == [1, 2]
    assert median_grade(np.eye(4)).tolist() == [0, 1, 2, 3]
    assert median_grade(np.zeros((0, 5))).shape == (0,)
    with pytest.raises(MetricError):
        median_grade([[0.5, 0.6]])


def test_confusion_rows_are_true_grades():
    matrix = confusion(TRUE, PREDICTED, 5)
    assert matrix.shape == (5, 5)
    assert matrix[0].tolist() == [1, 0, 1, 0, 0]
    assert matrix[4].tolist() == [1, 0, 0, 0, 0]
    assert matrix.sum() == 6


def kappa_by_definition(true, predicted, count):
    observed = confusion(true, predicted, count) / len(true)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    weights = np.subtract.outer(np.arange(count), np.arange(count)) ** 2
    return 1 - (weights * observed).sum() / (weights * expected).sum()


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_kappa_equals_its_definition(rows):
    true, predicted = [row[0] for row in rows], [row[1] for row in rows]
    if len({*true, *predicted}) == 1:
        assert math.isnan(quadratic_kappa(true, predicted))
    else:
        expected = kappa_by_definition(true, predicted, 5)
        assert quadratic_kappa(true, predicted) == pytest.approx(expected, abs=1e-12)


def test_kappa_at_its_landmarks():
    assert quadratic_kappa([0, 1, 2], [0, 1, 2]) == 1
    assert quadratic_kappa([0, 2], [2, 0]) == -1
    assert quadratic_kappa([0, 0, 1, 1], [0, 1, 0, 1]) == 0
    # One grade for everything is agreement by chance: defined, and 0.
    assert quadratic_kappa([0, 1, 2], [1, 1, 1]) == 0
    # By hand: n Σd² = 6 · (4 + 1 + 16), n Σ(t² + p²) − 2 Σt Σp = 6 · (30 + 15) − 2 · 10 · 7.
    assert quadratic_kappa(TRUE, PREDICTED) == pytest.approx(1 - 126 / 130, abs=1e-15)


def test_calibration_error_by_hand():
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.45, 0.55]]
    true = [0, 1, 1, 1]
    # Two bins: (0, .5] is empty; (.5, 1] has confidence .7125 and accuracy .75.
    assert expected_calibration_error(probabilities, true, bins=2) == pytest.approx(0.0375)
    # Ten bins: (.8, .9] (.7, .8] (.5, .6] with gaps .1, .8, and two right at mean .575.
    value = expected_calibration_error(probabilities, true, bins=10)
    assert value == pytest.approx((0.1 + 0.8 + 2 * 0.425) / 4, abs=1e-9)


def test_calibration_error_at_its_ends():
    certain = np.eye(3)
    assert expected_calibration_error(certain, [0, 1, 2]) == 0
    assert expected_calibration_error(certain, [1, 2, 0]) == 1


def test_bins_are_closed_above():
    # Confidence .5 belongs to (0, .5] and .75 to (.5, 1]: apart, their gaps do not cancel.
    probabilities = [[0.5, 0.5], [0.75, 0.25]]
    assert expected_calibration_error(probabilities, [0, 1], bins=2) == (0.5 + 0.75) / 2


def test_without_images_nothing_is_defined():
    for metric in (accuracy, adjacent_accuracy, quadratic_kappa):
        assert math.isnan(metric([], []))
    assert math.isnan(expected_calibration_error(np.zeros((0, 5)), []))
    assert confusion([], [], 5).sum() == 0


def test_bad_input():
    with pytest.raises(MetricError, match="predicted grade: expected 2, one for each of the true"):
        accuracy([0, 1], [0])
    with pytest.raises(MetricError, match=r"in 0\.\.4"):
        confusion([5], [0], 5)
    with pytest.raises(MetricError, match="true grade: expected 1, one for each of the rows"):
        expected_calibration_error([[1.0, 0.0]], [0, 1])
    with pytest.raises(MetricError, match="bins: expected at least 1"):
        expected_calibration_error([[1.0, 0.0]], [0], bins=0)
