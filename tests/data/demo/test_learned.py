import numpy as np
import pytest

from hmtnet.data.demo.learned import Evidence, filtered, gather, learn
from hmtnet.data.demo.photographs import PHOTOGRAPHS, reference
from hmtnet.data.demo.pixels import enlarge, reduce, split_luma, to_unit


@pytest.fixture(scope="module")
def cup():
    return split_luma(to_unit(reference(PHOTOGRAPHS[2])))[0]


def test_the_filters_solve_ridge_regression():
    draw = np.random.default_rng(0)
    features, targets = draw.normal(size=(200, 25)), draw.normal(size=200)
    evidence = Evidence((features.T @ features)[None], (features.T @ targets)[None])
    augmented = np.vstack([features, np.sqrt(0.2) * np.eye(25)])
    expected = np.linalg.lstsq(augmented, np.append(targets, np.zeros(25)), rcond=None)[0]
    np.testing.assert_allclose(learn(evidence)[0], expected, atol=1e-6)


def test_evidence_adds_up(cup):
    low = reduce(cup, 2)
    once = gather(cup, low, 2)
    twice = once + once
    np.testing.assert_array_equal(twice.inner, 2 * once.inner)
    np.testing.assert_array_equal(twice.outer, 2 * once.outer)


def test_every_pixel_is_counted_once(cup):
    low = reduce(cup, 3)
    high = enlarge(low, 3)
    padded = np.pad(high, 2, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)) - high[..., None, None]
    missing = cup - high
    evidence = gather(cup, low, 3)
    np.testing.assert_allclose(
        evidence.outer.sum(axis=0), np.einsum("hwij,hw->ij", windows, missing).ravel(), atol=1e-9
    )


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_learning_helps_what_it_was_taught(cup, scale):
    low = reduce(cup, scale)
    taught = filtered(low, scale, learn(gather(cup, low, scale)))
    before = np.mean((enlarge(low, scale) - cup) ** 2)
    assert np.mean((taught - cup) ** 2) < 0.9 * before
