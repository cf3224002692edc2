import math

import numpy as np
import pytest
from scipy import ndimage

from hmtnet.data.demo.photographs import PHOTOGRAPHS, reference
from hmtnet.data.demo.pseudo_mos import DEFINITION, score


@pytest.fixture(scope="module")
def cat():
    return reference(PHOTOGRAPHS[1])


def test_identical_images_score_best(cat):
    perfect = score(cat, cat)
    assert (perfect.ms_ssim, perfect.gmsd, perfect.haarpsi) == (1.0, 0.0, 1.0)
    assert 0.9 < perfect.mos <= 1.0


def test_the_score_falls_with_blur_and_stays_in_range(cat):
    blurred = [ndimage.gaussian_filter(cat, (s, s, 0)) for s in (0.5, 1.0, 2.0, 4.0, 8.0)]
    scores = [score(cat, image).mos for image in (cat, *blurred)]
    assert scores == sorted(scores, reverse=True)
    assert 0.0 <= scores[-1] < 0.1


def test_the_documented_formula_gives_the_score(cat):
    noise = np.random.default_rng(0).integers(-12, 13, cat.shape)
    scored = score(cat, np.clip(cat + noise, 0, 255).astype(np.uint8))
    formula = DEFINITION.split("pseudo-MOS = ")[1].split(",\n")[0]
    names = {"a": scored.ms_ssim, "b": scored.gmsd, "c": scored.haarpsi}
    expected = eval(formula, {"s": lambda x: 1 / (1 + math.exp(-x)), **names})
    assert scored.mos == pytest.approx(expected, abs=1e-4)
