import math

import numpy as np
import pytest
from scipy import ndimage

from hmtnet.data.demo.photographs import PHOTOGRAPHS, reference
from hmtnet.data.demo.pixels import enlarge, reduce, to_bytes, to_unit
from hmtnet.data.demo.pseudo_mos import DEFINITION, Measures, Yardstick, measure, pseudo_mos


@pytest.fixture(scope="module")
def cat():
    return reference(PHOTOGRAPHS[1])


def enlarged(image, scale):
    return to_bytes(enlarge(to_unit(to_bytes(reduce(to_unit(image), scale))), scale))


@pytest.fixture(scope="module")
def yardstick(cat):
    return Yardstick(measure(cat, enlarged(cat, 2)), measure(cat, enlarged(cat, 4)))


def test_identical_images_score_best(cat, yardstick):
    perfect = measure(cat, cat)
    assert perfect == Measures(1.0, 0.0, 1.0)
    assert pseudo_mos(yardstick.at_2, yardstick) < pseudo_mos(perfect, yardstick) <= 1.0


def test_the_score_falls_with_blur_and_stays_in_range(cat, yardstick):
    blurred = [ndimage.gaussian_filter(cat, (s, s, 0)) for s in (0.5, 1.0, 2.0, 4.0, 8.0)]
    scores = [pseudo_mos(measure(cat, image), yardstick) for image in (cat, *blurred)]
    assert scores == sorted(scores, reverse=True)
    assert 0.0 <= scores[-1] < 0.1


def test_the_yardstick_itself_scores_alike_on_every_content(yardstick):
    other = reference(PHOTOGRAPHS[10])
    own = Yardstick(measure(other, enlarged(other, 2)), measure(other, enlarged(other, 4)))
    assert pseudo_mos(own.at_2, own) == pytest.approx(pseudo_mos(yardstick.at_2, yardstick))
    assert pseudo_mos(own.at_4, own) == pytest.approx(pseudo_mos(yardstick.at_4, yardstick))


def test_the_documented_formula_gives_the_score(cat, yardstick):
    noise = np.random.default_rng(0).integers(-12, 13, cat.shape)
    found = measure(cat, np.clip(cat + noise, 0, 255).astype(np.uint8))
    relative_formula = DEFINITION.split("r = ")[1].split(", where")[0]
    part_formula = DEFINITION.split("measures of ")[1].splitlines()[0].rstrip(".")
    parts = []
    for name in ("ms_ssim", "gmsd", "haarpsi"):
        sign, offset = (-1, 1) if name == "gmsd" else (1, 0)
        q, q2, q4 = (
            offset + sign * getattr(m, name) for m in (found, yardstick.at_2, yardstick.at_4)
        )
        r = eval(relative_formula, {"q": q, "q2": q2, "q4": q4})
        parts.append(eval(part_formula, {"exp": math.exp, "r": r}))
    assert pseudo_mos(found, yardstick) == pytest.approx(sum(parts) / 3, abs=1e-6)
