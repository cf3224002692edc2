"""Every protocol, on datasets of any form: what its subsets may share, and what they may not."""

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hmtnet.data.labels import Published
from hmtnet.data.protocols import make
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError

RANDOM = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=80
)
OFFICIAL = ("train", "train", "val", "test")
seeds = st.integers(0, 30)
fractions = st.sampled_from([(0.6, 0.2, 0.2), (0.64, 0.16, 0.2), (0.8, 0.1, 0.1), (0.2, 0.5, 0.3)])
# A row: reference, method, scale, which of the reference's images (equal: a copy), its subset.
row = st.tuples(
    st.integers(0, 7),
    st.integers(0, 4),
    st.sampled_from([2, 3, 4]),
    st.integers(0, 9),
    st.sampled_from(OFFICIAL),
)


def incomplete_grid(seed, references, methods, kept):
    """Most cells of a grid, some twice; the official split is one of references, or of images."""
    rng = np.random.default_rng(seed)
    subset_of = rng.choice(OFFICIAL, references)
    whole = bool(rng.integers(2))
    rows = []
    for r, m, s in itertools.product(range(references), range(methods), (2, 3, 4)):
        for _ in range(rng.integers(1, 3) if rng.random() < kept else 0):
            subset = subset_of[r] if whole else rng.choice(OFFICIAL)
            rows.append((r, m, s, int(rng.integers(10)), str(subset)))
    return rows or [(0, 0, 2, 0, "train")]


rows_of_any_form = st.lists(row, min_size=1, max_size=30) | st.builds(
    incomplete_grid, st.integers(0, 999), st.integers(3, 8), st.integers(3, 5), st.floats(0.3, 1)
)
# Reference images: one of their own, one for two names, or none.
pristine_of_any_form = st.lists(st.integers(0, 30) | st.none(), min_size=8, max_size=8).map(
    lambda numbers: [None if number is None else f"p{number}" for number in numbers]
)


def make_or_none(labels, **values):
    """Split; None where the dataset is too small for it, which only a DataError may say."""
    try:
        return make(labels, SplitSettings(**values))
    except DataError as error:
        assert any(part in str(error) for part in ("needs at least", "leaves no image")), error
        return None


def reversed_of(labels):
    """The same dataset, its records in another order."""
    parts = {
        name: getattr(labels, name)[::-1] for name in ("records", "digests", "reference_digests")
    }
    if labels.published is not None:
        table = labels.published
        parts["published"] = Published(table.references[::-1], table.permutations)
    return dataclasses.replace(labels, **parts)


def values_in(labels, split, key):
    """What the images of each subset have: three sets."""
    return [{key(labels, row) for row in rows} for rows in split.subsets.values()]


def content(labels, row):
    return labels.content[row]


def method(labels, row):
    return labels.records[row].method


def scale(labels, row):
    return labels.records[row].scale


def assert_disjoint(sets):
    assert not any(one & other for one, other in itertools.combinations(sets, 2))


def assert_sound(labels, split, tested=True):
    """Subsets are ascending, disjoint in rows and, unless leaky, in what they show."""
    assert_disjoint([set(rows) for rows in split.subsets.values()])
    for name, rows in split.subsets.items():
        assert list(rows) == sorted(set(rows))
        assert bool(rows) == (tested or name != "test")
    if not split.leaky:
        assert_disjoint(values_in(labels, split, content))


def assert_the_same_of(labels, split, other, **values):
    """Another form of the dataset is split alike."""
    again = make(other, SplitSettings(**values))
    assert (again.id, again.leaky) == (split.id, split.leaky)
    for rows, others in zip(split.subsets.values(), again.subsets.values(), strict=True):
        assert {labels.records[i].image for i in rows} == {other.records[i].image for i in others}


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, fractions, seeds)
def test_content_deals_out_every_content_once(manifest_from, rows, pristine, fractions, seed):
    manifest = manifest_from(rows, pristine)
    values = {"protocol": "content", "seed": seed, "fractions": fractions}
    split = make_or_none(manifest, **values)
    count = len(set(manifest.content))
    assert (split is None) == (count < 3)
    if split is None:
        return
    assert_sound(manifest, split)
    assert not split.leaky and split.id.startswith(f"content-s{seed}-")
    assert sum(map(len, split.subsets.values())) == len(rows)
    for held, fraction in zip(values_in(manifest, split, content), fractions, strict=True):
        # Each subset gets its share, to the nearest content, or the one content it must have.
        assert abs(len(held) - fraction * count) < 2
    assert_the_same_of(manifest, split, reversed_of(manifest), **values)


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, st.integers(3, 6), seeds)
def test_folds_test_and_validate_every_content_exactly_once(
    manifest_from, rows, pristine, folds, seed
):
    manifest = manifest_from(rows, pristine)
    values = {"protocol": "kfold", "folds": folds, "seed": seed}
    splits = [make_or_none(manifest, index=index, **values) for index in range(folds)]
    too_small = len(set(manifest.content)) < folds
    assert all((split is None) == too_small for split in splits)
    if too_small:
        return
    for index, split in enumerate(splits):
        assert_sound(manifest, split)
        assert split.id.startswith(f"kfold{folds}-s{seed}-i{index}-")
        assert sum(map(len, split.subsets.values())) == len(rows)
        assert_the_same_of(manifest, split, reversed_of(manifest), index=index, **values)
    assert len({split.id for split in splits}) == folds
    once = dict.fromkeys(range(len(rows)), 1)
    assert Counter(row for split in splits for row in split.test) == once
    assert Counter(row for split in splits for row in split.val) == once
    sizes = [len(values_in(manifest, split, content)[2]) for split in splits]
    assert max(sizes) - min(sizes) <= 1


@RANDOM
@given(rows_of_any_form, st.permutations(range(1, 11)), st.permutations(range(1, 11)))
def test_published_orders_are_cut_after_60_and_80_percent(manifest_from, rows, one, other):
    # Ten references; of the last two, this copy has no image.
    manifest = dataclasses.replace(
        manifest_from(rows),
        published=Published(
            np.array([reference + 1 for reference, *_ in rows]), np.array([one, other])
        ),
    )
    for index, order in enumerate((one, other)):
        parts = [set(order[:6]), set(order[6:8]), set(order[8:])]
        expected = tuple(
            tuple(row for row, (reference, *_) in enumerate(rows) if reference + 1 in part)
            for part in parts
        )
        split = make_or_none(manifest, protocol="published", index=index)
        assert (split is None) == (not all(expected))
        if split is None:
            continue
        assert (split.train, split.val, split.test) == expected
        assert split.id.startswith(f"published-i{index}-") and not split.leaky
        assert_sound(manifest, split)
        values = {"protocol": "published", "index": index}
        assert_the_same_of(manifest, split, reversed_of(manifest), **values)


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, fractions, seeds)
def test_methods_and_contents_of_the_subsets_differ(manifest_from, rows, pristine, fractions, seed):
    manifest = manifest_from(rows, pristine)
    values = {"protocol": "method", "seed": seed, "fractions": fractions}
    split = make_or_none(manifest, **values)
    if split is None:
        return
    assert_sound(manifest, split)
    assert not split.leaky and split.id.startswith(f"method-s{seed}-")
    assert_disjoint(values_in(manifest, split, method))
    assert_the_same_of(manifest, split, reversed_of(manifest), **values)


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, fractions, seeds, st.sampled_from([None, 2, 3, 4]))
def test_one_scale_is_only_tested(manifest_from, rows, pristine, fractions, seed, held):
    manifest = manifest_from(rows, pristine)
    scales = {record.scale for record in manifest.records}
    values = {"protocol": "scale", "seed": seed, "fractions": fractions, "scale": held}
    if len(set(manifest.content)) >= 3 and (held not in scales | {None} or len(scales) < 2):
        with pytest.raises(DataError, match="cannot hold out"):
            make(manifest, SplitSettings(**values))
        return
    split = make_or_none(manifest, **values)
    if split is None:
        return
    assert_sound(manifest, split)
    assert not split.leaky and split.id.startswith(f"scale-x{held or max(scales)}-s{seed}-")
    train, val, test = values_in(manifest, split, scale)
    assert test == {held or max(scales)} and not (train | val) & test
    # Left out are this scale of training and validation contents, and the others of test contents.
    trained, validated, tested = values_in(manifest, split, content)
    for left_out in set(range(len(rows))) - set().union(*split.subsets.values()):
        is_held = {manifest.records[left_out].scale} == test
        assert manifest.content[left_out] not in (tested if is_held else trained | validated)
    assert_the_same_of(manifest, split, reversed_of(manifest), **values)


@RANDOM
@given(rows_of_any_form, fractions, seeds)
def test_image_deals_out_every_image_once_and_copies_together(manifest_from, rows, fractions, seed):
    manifest = manifest_from(rows)
    values = {"protocol": "image", "seed": seed, "fractions": fractions}
    split = make_or_none(manifest, **values)
    assert (split is None) == (len(set(manifest.digests)) < 3)
    if split is None:
        return
    assert_sound(manifest, split)
    assert split.leaky and split.id.startswith(f"image-s{seed}-")
    assert sum(map(len, split.subsets.values())) == len(rows)
    assert_disjoint(values_in(manifest, split, lambda labels, row: labels.digests[row]))
    assert_the_same_of(manifest, split, reversed_of(manifest), **values)


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, fractions, seeds, st.booleans())
def test_official_is_what_is_shipped_and_clean_leaves_out_what_repeats(
    manifest_from, rows, pristine, fractions, seed, without_val
):
    if without_val:
        rows = [(*row, "train" if subset == "val" else subset) for *row, subset in rows]
    manifest = manifest_from(rows, pristine)
    values = {"protocol": "official", "seed": seed, "fractions": fractions}
    shipped = {
        name: {row for row, (*_, subset) in enumerate(rows) if subset == name}
        for name in ("train", "val", "test")
    }

    split = make_or_none(manifest, **values)
    if split is not None:
        assert_sound(manifest, split)
        assert split.id.startswith(f"official-s{seed}-")
        assert set(split.test) == shipped["test"]
        assert {*split.train, *split.val} == shipped["train"] | shipped["val"]
        train, val, test = values_in(manifest, split, content)
        if shipped["val"]:
            assert set(split.val) == shipped["val"]
        else:
            assert not train & val
        assert split.leaky == bool(train & val or train & test or val & test)
        assert_the_same_of(manifest, split, reversed_of(manifest), **values)
    elif shipped["train"] and shipped["test"]:
        assert not shipped["val"]
        assert len({manifest.content[row] for row in shipped["train"]}) < 2

    clean = make_or_none(manifest, clean=True, **values)
    if clean is not None:
        assert_sound(manifest, clean)
        assert not clean.leaky and clean.id.startswith(f"official-clean-s{seed}-")
        assert clean.train == split.train
        train, val, _ = values_in(manifest, clean, content)
        assert set(split.val) - set(clean.val) == {
            row for row in split.val if manifest.content[row] in train
        }
        assert set(split.test) - set(clean.test) == {
            row for row in split.test if manifest.content[row] in train | val
        }
        assert_the_same_of(manifest, clean, reversed_of(manifest), clean=True, **values)


@RANDOM
@given(rows_of_any_form, pristine_of_any_form, fractions, seeds)
def test_a_final_fit_tests_nothing_and_leaves_nothing_out(
    manifest_from, rows, pristine, fractions, seed
):
    manifest = manifest_from(rows, pristine)
    values = {"protocol": "all", "seed": seed, "fractions": fractions}
    split = make_or_none(manifest, **values)
    assert (split is None) == (len(set(manifest.content)) < 2)
    if split is None:
        return
    assert_sound(manifest, split, tested=False)
    assert split.id.startswith(f"all-s{seed}-") and not split.leaky
    assert len(split.train) + len(split.val) == len(rows)
    assert_the_same_of(manifest, split, reversed_of(manifest), **values)
