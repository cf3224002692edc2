import time
from itertools import product

import numpy as np
import pytest

from hmtnet.data import correlation
from hmtnet.data.correlation import REACH, any_correlated, correlated
from hmtnet.data.thumbnails import SIDE, local_contrast, without_stripes


def measured(stack):
    """Return the correlations of all pairs as they are defined, each at the best shift."""
    best = np.zeros((len(stack), len(stack)))
    for shift in product(range(-REACH, REACH + 1), repeat=2):
        ones, others = (
            without_stripes(stack[:, *(slice(max(s, 0), SIDE + min(s, 0)) for s in towards)])
            for towards in (shift, [-s for s in shift])
        )
        lengths = [np.linalg.norm(windows, axis=(1, 2)) for windows in (ones, others)]
        products = np.einsum("iyx,jyx->ij", ones, others, dtype=np.float64)
        best = np.maximum(best, products / np.outer(*lengths))
    return best


def scenes(count, seed=0):
    """Make thumbnails that look like those of photographs: shifted, more and less alike pairs."""
    rng = np.random.default_rng(seed)
    wide = rng.standard_normal((count, SIDE + 2 * REACH, SIDE + 2 * REACH)).cumsum(1).cumsum(2)
    for i in range(0, count - 1, 2):
        noise = wide[i + 1] * rng.uniform(0, 2)
        wide[i + 1] = np.roll(wide[i], rng.integers(-REACH, REACH + 1, 2), (0, 1)) + noise
    grey = wide[:, REACH:-REACH, REACH:-REACH]
    grey -= grey.min(axis=(1, 2), keepdims=True)
    return local_contrast((255 * grey / grey.max(axis=(1, 2), keepdims=True)).astype(np.float32))


@pytest.mark.parametrize("least", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("dense", [0.0, 1.0])
def test_what_is_found_is_what_the_measure_says_and_nothing_is_missed(least, dense, monkeypatch):
    monkeypatch.setattr(correlation, "_DENSE", dense)
    monkeypatch.setattr(correlation, "_ROWS", 17)
    monkeypatch.setattr(correlation, "_COLUMNS", 7)
    stack = scenes(60)
    values = np.triu(measured(stack), 1)
    expected = np.argwhere(values >= least)
    found = correlated(stack, least)
    assert [pair[:2] for pair in found] == [(i, j) for i, j in expected] and len(expected) > 5
    np.testing.assert_allclose([value for *_, value in found], values[*expected.T], atol=1e-4)


def test_most_pairs_are_ruled_out_by_the_lowest_frequencies(monkeypatch):
    finished = []

    def counted(rows, columns, bounds, least):
        finished.append(np.mean(bounds >= least))
        return plain(rows, columns, bounds, least)

    plain = correlation._finished
    monkeypatch.setattr(correlation, "_finished", counted)
    correlated(scenes(200), 0.5)
    assert 0 < np.mean(finished) < 0.05


@pytest.mark.parametrize(("down", "right"), [(0, 0), (3, -2), (-3, 3), (1, 0)])
def test_a_shifted_thumbnail_is_found_up_to_the_reach(down, right):
    wide = np.random.default_rng(1).standard_normal((SIDE + 10, SIDE + 10)).astype(np.float32)
    one = wide[5 : 5 + SIDE, 5 : 5 + SIDE]
    other = wide[5 + down : 5 + down + SIDE, 5 + right : 5 + right + SIDE]
    assert correlated(np.stack([one, other]), 0.5) == [(0, 1, 1.0)]
    assert max(abs(down), abs(right)) <= REACH


def test_a_thumbnail_shifted_further_is_another():
    wide = np.random.default_rng(1).standard_normal((SIDE + 10, SIDE)).astype(np.float32)
    assert correlated(np.stack([wide[:SIDE], wide[REACH + 1 : REACH + 1 + SIDE]]), 0.5) == []


def test_flat_thumbnails_and_none_correlate_with_nothing():
    stack = np.zeros((3, SIDE, SIDE), dtype=np.float32)
    assert correlated(stack, 0.5) == correlated(stack[:0], 0.5) == []
    assert any_correlated(stack, stack, 0.5) == any_correlated(stack, stack[:0], 0.5) == []


def test_three_thousand_thumbnails_are_paired_in_seconds():
    stack = scenes(3000)
    begin = time.process_time()
    correlated(stack, 0.5)
    assert time.process_time() - begin < 10  # 2 s of one core
