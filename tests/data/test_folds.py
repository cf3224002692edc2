"""Folds: every training image is judged once, by who has not seen what it shows."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.folds import divide
from hmtnet.data.labels import Labels
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError


def labels_of(contents, images=3):
    records = tuple(
        Record(image=f"{c}_{i}.png", mos=(c + i) / (contents + images), reference=f"r{c}")
        for c in range(contents)
        for i in range(images)
    )
    return Labels(
        name="folds",
        root=Path("nowhere"),
        records=records,
        label_kind="pseudo",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        licence="",
        citation="",
    )


@given(contents=st.integers(8, 30), count=st.integers(2, 4), seed=st.integers(0, 5))
def test_each_part_is_judged_by_who_has_not_seen_its_contents(contents, count, seed):
    labels, settings = labels_of(contents), SplitSettings(seed=seed)
    split = make(labels, settings)
    folds = divide(labels, split, settings, count)
    assert len(folds) == count and len({fold.id for fold in folds}) == count
    parts = [row for fold in folds for row in fold.test]
    assert sorted(parts) == list(split.train)
    for fold in folds:
        assert fold.test and fold.train and fold.val == split.val
        assert sorted((*fold.train, *fold.test)) == list(split.train)
        assert not {labels.content[r] for r in fold.train} & {labels.content[r] for r in fold.test}
        assert not set(fold.train) & set(split.test)
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= 3  # contents have three images each


def test_the_draw_is_that_of_the_seed_whatever_the_order_of_records():
    labels, settings = labels_of(12), SplitSettings(seed=1)
    split = make(labels, settings)
    folds = divide(labels, split, settings, 3)
    assert folds == divide(labels, split, settings, 3)
    others = divide(labels, split, SplitSettings(seed=2), 3)
    assert [fold.test for fold in others] != [fold.test for fold in folds]
    # A fold with other members has another id, and so another key.
    assert not {fold.id for fold in others} & {fold.id for fold in folds}


def test_too_few_contents_are_told():
    labels, settings = labels_of(5), SplitSettings()
    split = make(labels, settings)
    with pytest.raises(DataError, match=r"needs at least 4 contents .* found 3"):
        divide(labels, split, settings, 4)
