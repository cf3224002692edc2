from types import SimpleNamespace

import numpy as np
import pytest

from hmtnet.baselines.sharpness import sharpness
from hmtnet.metrics import srcc

VARIANCE = np.expm1(np.array([1.0, 2.0, 3.0, 4.0, 1.5, 2.5]))  # the first four train


@pytest.mark.parametrize("sign", [1, -1])
def test_training_images_give_line_and_direction(sign):
    images = SimpleNamespace(mos=np.array([0.1, 0.2, 0.3, 0.4, 99.0, -99.0]) * sign)
    found = sharpness(images, range(4), VARIANCE)
    assert found.scores == pytest.approx(sign * 0.1 * np.log1p(VARIANCE))
    assert srcc(found.scores, VARIANCE) == sign
    assert found.used([4, 5]) == {} and np.isnan(found.fallback([4, 5]))


def test_where_there_is_no_direction_it_says_why():
    images = SimpleNamespace(mos=np.arange(6.0))
    assert "training images" in sharpness(images, [], VARIANCE).reason
    flat = sharpness(images, range(4), np.full(6, 7.0))
    assert flat.scores is None and "equally sharp" in flat.reason
