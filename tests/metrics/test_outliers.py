import math

import pytest

from hmtnet.metrics import MetricError, outlier_ratio


def test_by_hand():
    # Off by 0, 1, 1.5, 3 of two standard deviations of .5: the last two, and only they.
    assert outlier_ratio([3, 4, 4.5, 6], [3, 3, 3, 3], [0.5] * 4) == 0.5
    assert outlier_ratio([3, 4, 4.5, 6], [3, 3, 3, 3], [0.5] * 4, threshold=1.96) == 0.75


def test_the_border_is_inside():
    assert outlier_ratio([4.0], [3.0], [0.5]) == 0
    assert outlier_ratio([math.nextafter(4.0, 5)], [3.0], [0.5]) == 1


def test_images_that_all_people_agree_on():
    assert outlier_ratio([3, 3.001], [3, 3], [0, 0]) == 0.5


def test_images_without_a_standard_deviation_are_left_out():
    assert outlier_ratio([9, 3, 9], [3, 3, 3], [math.nan, 1, 1]) == 0.5
    assert math.isnan(outlier_ratio([9, 3], [3, 3], [math.nan] * 2))
    assert math.isnan(outlier_ratio([9, 3], [3, 3], None))
    assert math.isnan(outlier_ratio([], [], []))


def test_a_huge_prediction_is_one_outlier():
    assert outlier_ratio([1e308, 3], [-1e308, 3], [1e300, 1]) == 0.5


@pytest.mark.parametrize("bad", [-0.1, math.inf])
def test_impossible_standard_deviations(bad):
    with pytest.raises(MetricError, match=r"standard deviation: .* found 1 .* at position 1"):
        outlier_ratio([1, 2], [1, 2], [0.5, bad])


def test_bad_input():
    with pytest.raises(MetricError, match="standard deviation: expected 2"):
        outlier_ratio([1, 2], [1, 2], [0.5])
    with pytest.raises(MetricError, match="score: expected finite"):
        outlier_ratio([1, math.nan], [1, 2], None)
    with pytest.raises(MetricError, match="threshold: expected a number above 0, found 0"):
        outlier_ratio([1, 2], [1, 2], None, threshold=0)
