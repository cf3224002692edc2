"""Degradations: drawn by name alone, mild ones often, and each step does what it is called."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hmtnet.data.demo.pixels import reduce, to_bytes, to_unit
from hmtnet.synthesis.degradation import Degradation, degrade, draw
from hmtnet.synthesis.draws import Draws

IMAGE = np.random.default_rng(0).integers(0, 256, (48, 60, 3), dtype=np.uint8)
DRAWS = Draws(0, "image")


def degraded(scale=2.0, **fields):
    return degrade(IMAGE, scale, Degradation(**fields), DRAWS)


def test_draws_are_functions_of_their_names():
    first, second = Draws(1, "a"), Draws(1, "a")
    second.unit("something else")
    assert first.unit("x") == second.unit("x") != Draws(1, "b").unit("x")
    assert sorted(first.shuffled("order", "abcdef")) == list("abcdef")
    values = [Draws(i).geometric("x", 0.5, 2.0) for i in range(400)]
    assert 0.5 <= min(values) < 0.52 and 1.95 < max(values) < 2.0
    assert 0.4 < np.mean(np.array(values) < 1.0) < 0.6  # halving is as likely as doubling


def test_clean_is_the_demos_reduction_and_as_frequent_as_asked():
    assert (degraded() == to_bytes(reduce(to_unit(IMAGE), 2))).all()
    found = [draw(Draws(i), 0.35) for i in range(400)]
    assert 0.3 < np.mean([each == Degradation() for each in found]) < 0.4
    assert {step for each in found for step in each.order} == {"resample", "blur", "noise", "jpeg"}
    assert len({each.order for each in found}) > 12 and len({each.kernel for each in found}) == 4
    assert all(draw(Draws(i), 1.0) == Degradation() for i in range(20))


@pytest.mark.parametrize("scale, size", [(1.5, (32, 40)), (2.5, (19, 24)), (8.0, (6, 8))])
def test_any_scale(scale, size):
    assert degraded(scale).shape == (*size, 3)


def test_a_blur_is_gaussian_in_low_resolution_pixels_whatever_the_order():
    flat = np.full((64, 64, 3), 40, dtype=np.uint8)
    flat[32, 32] = 240
    for order, sigma in ((("blur", "resample"), 3.0), (("resample", "blur"), 1.5)):
        made = degrade(
            flat, 1.0 if sigma == 1.5 else 2.0, Degradation(order, "bicubic", (1.5, 1.5)), DRAWS
        )
        assert made[..., 0].max() < 240
    made = degrade(flat, 1.0, Degradation(("blur", "resample"), "bicubic", (1.5, 1.5)), DRAWS)
    expected = gaussian_filter(flat[..., 0].astype(float), 1.5, truncate=4)
    assert np.abs(made[..., 0] - expected).max() <= 1.0
    oblong = degrade(
        flat, 1.0, Degradation(("blur", "resample"), "bicubic", (2.0, 0.7), 90.0), DRAWS
    )
    assert oblong[28, 32, 0] > oblong[32, 28, 0]  # its first axis points down


def test_noise_and_jpeg_come_from_the_draws_alone():
    noise = {"order": ("resample", "noise"), "gaussian": 9.0}
    assert (degraded(**noise) == degraded(**noise)).all()
    spread = np.std(degraded(**noise).astype(float) - degraded())
    assert 7.0 < spread < 10.0
    other = degrade(IMAGE, 2.0, Degradation(**noise), Draws(1, "image"))
    assert (other != degraded(**noise)).any()
    photons = {"order": ("resample", "noise"), "photons": 100.0}
    bright, dark = (
        degrade(np.full_like(IMAGE, grey), 2.0, Degradation(**photons), DRAWS).std()
        for grey in (128, 8)
    )
    assert bright > 2 * dark  # Poisson
    rough, fine = (degraded(order=("resample", "jpeg"), jpeg=quality) for quality in (35, 95))
    error = [np.abs(each.astype(float) - degraded()).mean() for each in (rough, fine)]
    assert error[0] > error[1] > 0


def test_every_field_that_is_drawn_has_an_effect():
    for index in range(60):
        found = draw(Draws(index), 0.0)
        for step in ("blur", "noise", "jpeg"):
            less = dataclasses.replace(found, order=tuple(s for s in found.order if s != step))
            same = (degrade(IMAGE, 2.0, found, DRAWS) == degrade(IMAGE, 2.0, less, DRAWS)).all()
            assert same == (step not in found.order) or (step == "blur" and found.sigmas[0] < 0.4)
