from pathlib import Path

import numpy as np
import pytest

from hmtnet.baselines.labels import label_only, scale_only
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
    found = label_only(manifest_of(LABELS), SPLIT)
    assert found.name == "label-only" and found.reason == ""
    assert found.scores.dtype == np.float64
    assert found.scores.tolist() == [7, 7, 4, 2, 7, 6, 2, 16 / 3, 5, 2]
    used = {"method and scale": 1, "scale": 3, "method": 1, "all": 1}
    assert found.used(SPLIT.test) == used
    assert found.used(SPLIT.train) == {"method and scale": 4, "scale": 0, "method": 0, "all": 0}


def test_scale_only():
    found = scale_only(manifest_of(LABELS), SPLIT)
    assert found.scores.tolist() == [6, 6, 6, 2, 6, 6, 2, 5, 5, 2]
    assert found.used(SPLIT.test) == {"method and scale": 0, "scale": 4, "method": 0, "all": 2}


def test_scores_of_other_subsets_do_not_matter():
    changed = [(m, s, mos if i < 4 else 0.1) for i, (m, s, mos) in enumerate(LABELS)]
    for predict in (label_only, scale_only):
        one, other = predict(manifest_of(LABELS), SPLIT), predict(manifest_of(changed), SPLIT)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_methods_without_scales():
    labels = [("a", None, 1.0), ("b", None, 3.0), ("a", None, 9.0), ("c", None, 9.0)]
    split = split_of([0, 1], [2, 3])
    found = label_only(manifest_of(labels), split)
    assert found.scores.tolist() == [1, 3, 1, 2]
    nothing = scale_only(manifest_of(labels), split)
    assert nothing.scores is None and nothing.reason == "dataset 'fake' names no scales"


def test_a_set_without_methods_has_no_label_only():
    found = label_only(manifest_of([(None, None, 1.0), (None, None, 2.0)]), split_of([0], [1]))
    assert found.scores is None
    assert found.reason == "dataset 'fake' names no SR methods"
    assert set(found.used([0, 1]).values()) == {0}


@pytest.mark.parametrize("seed", range(3))
def test_against_plain_loops(seed):
    rng = np.random.default_rng(seed)
    labels = [
        (str(rng.integers(6)), int(rng.integers(2, 5)), float(rng.uniform(0, 10)))
        for _ in range(60)
    ]
    train = rng.permutation(60)[:20].tolist()
    found = label_only(manifest_of(labels), split_of(train, []))
    for (method, scale, _), score in zip(labels, found.scores, strict=True):
        pair = [labels[i][2] for i in train if labels[i][:2] == (method, scale)]
        of_scale = [labels[i][2] for i in train if labels[i][1] == scale]
        of_method = [labels[i][2] for i in train if labels[i][0] == method]
        everything = [labels[i][2] for i in train]
        assert score == pytest.approx(np.mean(pair or of_scale or of_method or everything))
