from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hmtnet.baselines.labels import (
    label_and_reference,
    label_only,
    oracle_grade,
    pixel_free,
    scale_only,
)
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import Split


def manifest_of(labels):
    """Make a manifest of (method, scale, mos) without files."""
    records = tuple(
        Record(image=f"{i}.png", mos=mos, method=method, scale=scale)
        for i, (method, scale, mos) in enumerate(labels)
    )
    return Manifest(
        name="fake",
        root=Path("nowhere"),
        records=records,
        label_kind="human",
        mos_range=(0.0, 10.0),
        higher_is_better=True,
        licence="",
        citation="",
        digests=tuple(r.image for r in records),
        reference_digests=(None,) * len(records),
    )


def split_of(train, test):
    return Split("content", 0, tuple(train), (), tuple(test), "content-s0-x", False)


LABELS = [
    ("a", 2, 8.0),  # train
    ("a", 2, 6.0),  # train
    ("b", 2, 4.0),  # train
    ("a", 4, 2.0),  # train
    ("a", 2, 9.9),  # pair known: 7
    ("c", 2, 9.9),  # method unknown: mean of ×2 = 6
    ("b", 4, 9.9),  # pair unknown: mean of ×4 = 2
    ("a", 3, 9.9),  # scale unknown: mean of method a = 16/3
    (None, None, 9.9),  # nothing known: 5
    (None, 4, 9.9),  # method not named: 2
]
SPLIT = split_of(range(4), range(4, 10))


def test_label_only_and_its_fall_backs():
    found = label_only(manifest_of(LABELS), SPLIT.train)
    assert found.name == "label-only" and found.reason == ""
    assert found.scores.dtype == np.float64
    assert found.scores.tolist() == [7, 7, 4, 2, 7, 6, 2, 16 / 3, 5, 2]
    used = {"method and scale": 1, "scale": 3, "method": 1, "all": 1}
    assert found.used(SPLIT.test) == used
    assert found.used(SPLIT.train) == {"method and scale": 4, "scale": 0, "method": 0, "all": 0}


def test_scale_only():
    found = scale_only(manifest_of(LABELS), SPLIT.train)
    assert found.scores.tolist() == [6, 6, 6, 2, 6, 6, 2, 5, 5, 2]
    assert found.used(SPLIT.test) == {"scale": 4, "all": 2}
    assert found.fallback(SPLIT.test) == 2 / 6 and found.fallback(SPLIT.train) == 0


def test_scores_of_other_subsets_do_not_matter():
    changed = [(m, s, mos if i < 4 else 0.1) for i, (m, s, mos) in enumerate(LABELS)]
    for predict in (label_only, scale_only):
        one, other = (
            predict(manifest_of(LABELS), SPLIT.train),
            predict(manifest_of(changed), SPLIT.train),
        )
        np.testing.assert_array_equal(one.scores, other.scores)


def test_methods_without_scales():
    labels = [("a", None, 1.0), ("b", None, 3.0), ("a", None, 9.0), ("c", None, 9.0)]
    split = split_of([0, 1], [2, 3])
    found = label_only(manifest_of(labels), split.train)
    assert found.scores.tolist() == [1, 3, 1, 2]
    nothing = scale_only(manifest_of(labels), split.train)
    assert nothing.scores is None and nothing.reason == "no scale is named"


def test_a_set_without_methods_has_no_label_only():
    found = label_only(manifest_of([(None, None, 1.0), (None, None, 2.0)]), [0])
    assert found.scores is None
    assert found.reason == "no SR method is named"
    assert set(found.used([0, 1]).values()) == {0}


def test_oracle_grade_and_what_it_cannot_do_without():
    grades = np.array([0, 0, 1, 1, 0, 1, 2])
    images = SimpleNamespace(mos=np.arange(7.0), true_grade=grades)
    found = oracle_grade(images, range(4))
    assert found.scores.tolist() == [0.5, 0.5, 2.5, 2.5, 0.5, 2.5, 1.5]
    assert found.used([4, 5, 6]) == {"true grade": 2, "all": 1}
    images.true_grade = np.where(grades == 2, -1, grades)
    assert oracle_grade(images, range(4)).reason == "not every true grade is known"


def test_without_training_images_there_is_a_reason():
    for predict in (scale_only, label_only, label_and_reference):
        found = predict(manifest_of(LABELS), [])
        assert found.scores is None and "training images" in found.reason
        assert np.isnan(found.fallback([4, 5]))


def test_a_known_reference_adds_its_offset():
    cell, offset = {"a": 2.0, "b": 6.0}, {"x": 1.0, "y": -1.0, "z": 0.5}
    shown = [("a", "x"), ("b", "x"), ("a", "y"), ("b", "z")]  # train: unequal counts
    judged = [("b", "y"), ("a", "z"), ("a", "new"), ("new", "x")]
    every = [*shown, *judged]
    images = SimpleNamespace(
        mos=np.array([cell[m] + offset[r] for m, r in shown] + [99.0] * 4),
        method=[m for m, _ in every],
        scale=[2] * 8,
        reference=[r for _, r in every],
    )
    found = label_and_reference(images, range(4))
    expected = [cell[m] + offset[r] for m, r in judged[:2]]
    assert found.scores[4:6] == pytest.approx(expected, abs=0.05)
    # Least squares, to be exact: each training image is explained by method and reference.
    assert found.scores[:4] == pytest.approx(images.mos[:4], abs=0.02)
    assert found.used(range(4, 8)) == {
        "method, scale and reference": 2, "method and scale": 1, "scale": 1, "method": 0, "all": 0
    }  # fmt: skip
    assert [b.name for b in pixel_free(images, range(4), [4])][2:] == ["label+reference"]
    assert [b.name for b in pixel_free(images, range(4), [6])][2:] == []


@pytest.mark.parametrize("seed", range(3))
def test_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    labels = [
        (str(rng.integers(6)), int(rng.integers(2, 5)), float(rng.uniform(0, 10)))
        for _ in range(60)
    ]
    train = rng.permutation(60)[:20].tolist()
    found = label_only(manifest_of(labels), train)
    for (method, scale, _), score in zip(labels, found.scores, strict=True):
        pair = [labels[i][2] for i in train if labels[i][:2] == (method, scale)]
        of_scale = [labels[i][2] for i in train if labels[i][1] == scale]
        of_method = [labels[i][2] for i in train if labels[i][0] == method]
        everything = [labels[i][2] for i in train]
        assert score == pytest.approx(np.mean(pair or of_scale or of_method or everything))
