import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hmtnet.data.grades import Grades, GradesSettings, edges
from hmtnet.data.record import Record
from hmtnet.errors import DataError, SettingsError
from hmtnet.settings import build


def squared_distance(scores, grade):
    return sum(
        ((scores[grade == g] - scores[grade == g].mean()) ** 2).sum() for g in np.unique(grade)
    )


def least_squared_distance(scores, count):
    """Try every way to cut the sorted scores in runs."""
    values = np.sort(scores)
    best = np.inf
    for cuts in itertools.combinations(range(1, len(values)), count - 1):
        runs = np.split(values, cuts)
        best = min(best, sum(((run - run.mean()) ** 2).sum() for run in runs))
    return best


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=6, max_size=11).filter(lambda s: len(set(s)) >= 5),
    st.integers(2, 5),
)
def test_kmeans_is_optimal_over_all_partitions(values, count):
    scores = np.array(values) / 40
    grade = Grades(edges(scores, count, "kmeans")).assign(scores)
    assert len(np.unique(grade)) == count
    found, least = squared_distance(scores, grade), least_squared_distance(scores, count)
    np.testing.assert_allclose(found, least, atol=1e-12)


def test_kmeans_edges_lie_midway_between_the_means():
    scores = [0.0, 0.1, 0.1, 0.5, 0.6, 1.0]
    low, high = edges(scores, 3, "kmeans")
    assert low == pytest.approx((0.2 / 3 + 0.55) / 2)
    assert high == pytest.approx((0.55 + 1.0) / 2)


def test_kmeans_weighs_repeated_scores():
    # Ten zeros hold their cluster together; without weights the cut would lie elsewhere.
    scores = [0.0] * 10 + [0.3] + [0.55, 0.6]
    assert Grades(edges(scores, 2, "kmeans")).assign([0.0, 0.3, 0.55]).tolist() == [0, 1, 1]


def test_kmeans_finds_what_iteration_from_one_start_misses():
    scores = np.array([0.1, 0.3, 0.3, 0.4, 0.6, 0.6, 0.6, 0.8])
    # Lloyd's iteration from equal widths stops here, at a squared distance of .057 …
    stuck = np.searchsorted([0.3917, 0.675], scores, side="right")
    assert squared_distance(scores, stuck) == pytest.approx(0.0567, abs=1e-4)
    # … where .037 is possible.
    found = edges(scores, 3, "kmeans")
    assert squared_distance(scores, Grades(found).assign(scores)) == pytest.approx(0.0367, abs=1e-4)
    assert found == pytest.approx(((0.1 + 1 / 3) / 2, (1 / 3 + 0.65) / 2))


def test_kmeans_of_ten_thousand_scores_takes_under_two_seconds():
    scores = np.random.default_rng(0).random(10_000)
    start = time.perf_counter()
    found = edges(scores, 5, "kmeans")
    assert time.perf_counter() - start < 2
    np.testing.assert_allclose(found, [0.2, 0.4, 0.6, 0.8], atol=0.02)  # uniform scores


def test_quantile_gives_equally_many_images():
    scores = np.random.default_rng(1).beta(2, 5, 1000)
    grade = Grades(edges(scores, 5, "quantile")).assign(scores)
    assert np.bincount(grade).tolist() == [200] * 5


def test_quantile_keeps_many_best_scores_in_the_best_grade():
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0, 1.0, 1.0, 1.0]
    found = edges(scores, 2, "quantile")
    assert found == pytest.approx((0.55,))
    assert edges([0.2, 0.4, 0.6, 1.0, 1.0, 1.0], 2, "quantile") == pytest.approx((0.8,))


def test_width_cuts_the_declared_range():
    assert edges([0.05, 0.3, 0.5, 0.7, 0.9], 5, "width") == pytest.approx((0.2, 0.4, 0.6, 0.8))


def test_a_grade_without_image_is_named():
    with pytest.raises(DataError, match=r"grade 2, 3 of 5 .*1, 0, 0, 1, 4.*rule=quantile"):
        edges([0.1, 0.7, 0.9, 0.92, 0.95, 1.0], 5, "width")
    with pytest.raises(DataError, match=r"leaves grade 1 of 2 .*rule=kmeans"):
        edges([0.5, 0.5, 0.5, 0.9], 2, "quantile")


@pytest.mark.parametrize("rule", ["kmeans", "quantile", "width"])
def test_fewer_scores_than_grades(rule):
    with pytest.raises(DataError, match=r"5 different training scores, found 2 in 3 images.* 2 or"):
        edges([0.1, 0.1, 0.9], 5, rule)


def test_a_score_on_an_edge_belongs_to_the_better_grade():
    grades = Grades((0.25, 0.5))
    assert grades.assign([0.0, 0.24, 0.25, 0.5, 1.0]).tolist() == [0, 0, 1, 2, 2]
    assert grades.assign([-0.1, 1.1]).tolist() == [0, 2]


def test_intervals_adjoin_and_reach_both_ends():
    grades = Grades((0.2, 0.5, 0.9))
    assert grades.count == 4
    np.testing.assert_allclose(grades.midpoints, [0.1, 0.35, 0.7, 0.95])
    np.testing.assert_allclose(grades.midpoints - grades.halfwidths, [0, 0.2, 0.5, 0.9])
    np.testing.assert_allclose(grades.midpoints + grades.halfwidths, [0.2, 0.5, 0.9, 1])


@pytest.mark.parametrize("wrong", [(0.5, 0.2), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (float("nan"),)])
def test_edges_must_ascend_inside_the_range(wrong):
    with pytest.raises(SettingsError, match="must ascend strictly"):
        Grades(wrong)


def test_edges_in_the_datasets_unit_run_from_worst_to_best(manifest_of):
    records = [Record(image="a", mos=1.0)]
    up = manifest_of(records, mos_range=(0.0, 10.0))
    down = manifest_of(records, mos_range=(0.0, 10.0), higher=False)
    grades = Grades((0.25, 0.5))
    assert grades.in_unit_of(up) == (2.5, 5.0)
    assert grades.in_unit_of(down) == (7.5, 5.0)


def test_fit_and_settings():
    grades = Grades.fit([0.1, 0.2, 0.8, 0.9], GradesSettings(count=2))
    assert grades.edges == pytest.approx((0.5,))
    with pytest.raises(SettingsError, match="at least 2 grades"):
        build(GradesSettings, {"count": 1})
