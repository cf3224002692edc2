"""Intervals by split conformal prediction."""

import numpy as np
import pytest

from hmtnet.artifact import predictions
from hmtnet.artifact.calibration import Calibration, calibrate, learned_from
from hmtnet.errors import ArtifactError

META = {"dataset": {"mos_range": [1.0, 5.0]}}


def leave(folder, residuals, subset="val"):
    count = len(residuals)
    mos = np.full(count, 3.0)
    nothing = (None,) * count
    predictions.write(
        folder / "predictions.csv",
        predictions.Predictions(
            image=tuple(f"{i}.png" for i in range(count)),
            subset=(subset,) * count,
            mos=mos,
            mos_std=np.full(count, np.nan),
            score=mos + np.array(residuals),
            grade=np.full(count, -1),
            true_grade=np.full(count, -1),
            probabilities=np.zeros((count, 0)),
            reference=nothing,
            method=nothing,
            scale=nothing,
        ),
    )


def test_the_rank_is_that_of_one_image_more(tmp_path):
    # 19 residuals: the ⌈20 · 0.9⌉ = 18th smallest, in a range of 4.
    leave(tmp_path, [0.04 * i * (-1) ** i for i in range(1, 20)])
    assert calibrate(tmp_path, META) == Calibration(0.9, pytest.approx(0.18), 19)


@pytest.mark.parametrize(("count", "subset"), [(8, "val"), (30, "test")])
def test_too_few_validation_images_give_none(tmp_path, count, subset):
    leave(tmp_path, np.linspace(0, 1, count), subset)
    assert calibrate(tmp_path, META) is None


def test_nine_in_ten_new_images_are_held(tmp_path):
    rng = np.random.default_rng(0)
    held = []
    for _ in range(40):
        leave(tmp_path, 0.3 * rng.standard_t(4, 60))
        width = 4 * calibrate(tmp_path, META).half_width
        held.append(np.mean(np.abs(0.3 * rng.standard_t(4, 2000)) <= width))
    assert np.mean(held) == pytest.approx(0.9, abs=0.02)


def test_a_model_without_predictions_says_it_or_nothing(tmp_path):
    assert calibrate(tmp_path, META) is None
    told = {"coverage": 0.9, "half_width": 0.2, "images": 192}
    assert calibrate(tmp_path, {**META, "calibration": told}) == Calibration(**told)
    with pytest.raises(ArtifactError, match=r"no usable 'calibration\.half_width'"):
        calibrate(tmp_path, {**META, "calibration": {"coverage": 0.9, "half_width": "wide"}})


def test_what_it_learned_from_is_ranges_or_nothing(tmp_path):
    assert learned_from(tmp_path, META) == {}
    assert learned_from(tmp_path, {"learned_from": {"side": [64, 512]}}) == {"side": (64.0, 512.0)}
    for wrong in ([1], ["much", 2], [2, 1], [float("nan"), 1], "1, 2", [[1], 2]):
        with pytest.raises(ArtifactError, match=r"learned_from\.side"):
            learned_from(tmp_path, {"learned_from": {"side": wrong}})
