"""SR methods compared: paired by content, resampled by photograph."""

import math

import numpy as np
import pytest
from scipy import stats

from hmtnet.errors import DataError
from hmtnet.report.numbers.methods import compare_methods


@pytest.fixture
def scores():
    """Three methods on 24 contents of 12 photographs, which differ more than the methods do."""
    rng = np.random.default_rng(0)
    photograph = np.repeat(rng.uniform(0.2, 0.8, 12), 2)
    noise = rng.normal(0, 0.01, (3, 24))
    return dict(zip("abc", photograph + np.array([[0.03], [0.0], [-0.05]]) + noise, strict=True))


GROUPS = [f"photograph {i // 2}" for i in range(24)]


def test_photographs_of_their_own_quality_do_not_hide_what_methods_do(scores):
    found = compare_methods({name: scores[name] for name in "bca"}, GROUPS)
    assert [method.name for method in found.methods] == ["a", "b", "c"]
    assert (found.contents, found.groups) == (24, 12)
    best, last = found.methods[0], found.methods[-1]
    assert best.high > last.low  # by their means alone, nothing could be told
    for pair in ("ab", "ac", "bc"):
        first, second = pair
        one, other = found.pairs[first, second], found.pairs[second, first]
        apart = scores[first] - scores[second]
        assert one.point == pytest.approx(apart.mean()) and other.point == -one.point
        assert 0 < one.low < one.point < one.high and one.p < 0.01
        assert (one.wins, one.losses) == (other.losses, other.wins)
        assert one.wins == (apart > 0).sum()
    by_photograph = (scores["a"] - scores["b"]).reshape(12, 2).mean(1)
    known = stats.wilcoxon(by_photograph, method="exact").pvalue
    assert found.pairs["a", "b"].p >= known  # Holm's only raises it
    assert found.agreement > 0.8 and best.rank < 1.3
    assert sum(method.first for method in found.methods) == pytest.approx(1)


def test_contents_of_one_photograph_are_no_evidence_of_their_own(scores):
    few = compare_methods({k: v[:16] for k, v in scores.items()}, GROUPS[:16])
    assert few.groups == 8 and math.isnan(few.methods[0].low)
    assert math.isnan(few.pairs["a", "c"].low) and few.pairs["a", "c"].p <= 3 * 2 / 2**8
    fewer = compare_methods({k: v[:10] for k, v in scores.items()}, GROUPS[:10])
    assert math.isnan(fewer.pairs["a", "c"].p)


def test_most_disputed_contents_come_first(scores):
    scores["b"][7] = 0.0
    assert compare_methods(scores, GROUPS).disputed[0] == 7


def test_a_model_is_held_against_labels(scores):
    agreeing = compare_methods(scores, GROUPS, scores).people
    assert (agreeing.order, agreeing.within.point, agreeing.top) == (1, 1, 1)
    against = {name: [1 - one for one in values] for name, values in scores.items()}
    opposed = compare_methods(scores, GROUPS, against, pseudo=True).people
    assert (opposed.order, opposed.within.point, opposed.top) == (-1, -1, 0) and opposed.pseudo
    assert compare_methods(scores).people is None and compare_methods(scores).groups == 24


def test_one_method_or_no_content_is_told():
    with pytest.raises(DataError, match="two SR methods"):
        compare_methods({"a": [0.5]}, ["x"])
    with pytest.raises(DataError, match="0 contents"):
        compare_methods({"a": [], "b": []})
    with pytest.raises(DataError, match="scores of 1, 2 contents"):
        compare_methods({"a": [0.5], "b": [0.5, 0.6]})
