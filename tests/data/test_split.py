import random

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings, make
from hmtnet.errors import DataError, SettingsError
from hmtnet.settings import build

FIXTURES_ARE_PURE = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
references = st.lists(st.integers(0, 12), min_size=3, max_size=60)
fractions = st.sampled_from([(0.6, 0.2, 0.2), (0.64, 0.16, 0.2), (0.8, 0.1, 0.1), (0.2, 0.5, 0.3)])


def records_of(numbers):
    return [Record(image=f"{i}.png", mos=0.5, reference=f"r{n}") for i, n in enumerate(numbers)]


@FIXTURES_ARE_PURE
@given(references, fractions, st.integers(0, 50), st.randoms(use_true_random=False))
def test_content_split_is_complete_disjoint_and_keeps_groups_whole(
    manifest_of, numbers, fractions, seed, rng
):
    assume(len(set(numbers)) >= 3)
    records = records_of(numbers)
    manifest = manifest_of(records)
    split = make(manifest, SplitSettings(seed=seed, fractions=fractions))
    rows = [row for part in split.subsets.values() for row in part]
    assert sorted(rows) == list(range(len(records)))
    held = [{records[row].reference for row in part} for part in split.subsets.values()]
    assert all(held)
    assert not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
    for part, fraction in zip(held, fractions, strict=True):
        # Each subset gets its share, to the nearest group, or the one group it must have.
        assert abs(len(part) - fraction * len(set(numbers))) < 2

    shuffled = list(records)
    rng.shuffle(shuffled)
    again = make(manifest_of(shuffled), SplitSettings(seed=seed, fractions=fractions))
    assert again.id == split.id
    for name, part in split.subsets.items():
        images = {records[row].image for row in part}
        assert images == {shuffled[row].image for row in again.subsets[name]}


@FIXTURES_ARE_PURE
@given(st.lists(st.integers(0, 9), min_size=3, max_size=30), st.integers(0, 20))
def test_image_split_keeps_exact_copies_together(manifest_of, contents, seed):
    assume(len(set(contents)) >= 3)
    records = [Record(image=f"{i}.png", mos=0.5) for i in range(len(contents))]
    manifest = manifest_of(records, digests=[f"{c:016x}" for c in contents])
    split = make(manifest, SplitSettings(protocol="image", seed=seed))
    held = [{contents[row] for row in part} for part in split.subsets.values()]
    assert all(held)
    assert sum(map(len, held)) == len(set.union(*held)) == len(set(contents))


def test_the_split_is_the_same_on_every_machine(manifest_of):
    # Computed apart: sorting "3:r0" … "3:r9" by SHA-256 gives 9 5 2 1 7 0 | 8 6 | 4 3.
    split = make(manifest_of(records_of(range(10))), SplitSettings(seed=3))
    assert (split.train, split.val, split.test) == (
        (0, 1, 2, 5, 7, 9),
        (6, 8),
        (3, 4),
    )
    assert split.id == "content-s3-2cb8de7e"


def test_container_and_reference_images_do_not_change_the_draw(manifest_of):
    records = records_of([n for n in range(10) for _ in range(2)])
    pristine = [f"{hash_:016x}" for hash_ in np.repeat(range(10, 0, -1), 2)]
    plain = make(manifest_of(records), SplitSettings())
    assert make(manifest_of(records, pristine=pristine), SplitSettings()) == plain


def test_one_reference_under_two_names_is_one_group(manifest_of):
    records = records_of(range(6))
    pristine = ["same", "same", "c", "d", "e", "f"]
    for seed in range(20):
        split = make(manifest_of(records, pristine=pristine), SplitSettings(seed=seed))
        assert any({0, 1} <= set(part) for part in split.subsets.values())


def test_seeds_give_different_splits(manifest_of):
    manifest = manifest_of(records_of(range(20)))
    splits = {make(manifest, SplitSettings(seed=seed)).id for seed in range(10)}
    assert len({name.split("-")[2] for name in splits}) == 10


def test_sizes_of_known_sets(manifest_of):
    for count, sizes in {20: (12, 4, 4), 30: (18, 6, 6), 17: (10, 3, 4), 12: (7, 2, 3)}.items():
        split = make(manifest_of(records_of(range(count))), SplitSettings())
        assert tuple(len(part) for part in split.subsets.values()) == sizes


def test_a_leaky_split_says_so(manifest_of, records):
    manifest = manifest_of(records)
    leaky = make(manifest, SplitSettings(protocol="image", seed=7))
    assert leaky.leaky and leaky.label == "image (leaky)" and leaky.id.startswith("image-s7-")
    content = make(manifest, SplitSettings())
    assert not content.leaky and content.label == "content" and content.id.startswith("content-s0-")


def test_content_without_references_suggests_the_leaky_split(manifest_of):
    records = [*records_of(range(3)), Record(image="alone.png", mos=0.5)]
    with pytest.raises(DataError, match=r"1 of 4 have no reference: alone\.png.*split=image"):
        make(manifest_of(records), SplitSettings())


def test_two_references_cannot_be_split_in_three(manifest_of):
    with pytest.raises(DataError, match=r"at least 3 groups .* found 2"):
        make(manifest_of(records_of([0, 0, 1, 1])), SplitSettings())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fractions": [0.6, 0.4, 0.0]}, "three parts above 0 that sum to 1"),
        ({"fractions": [0.6, 0.3, 0.2]}, "three parts above 0 that sum to 1"),
        ({"seed": -1}, "expected 0 or more"),
        ({"protocol": "contents"}, "Did you mean 'content'"),
    ],
)
def test_settings_are_checked(values, message):
    with pytest.raises(SettingsError, match=message):
        build(SplitSettings, values, "split")


def test_row_order_does_not_depend_on_the_draw(manifest_of):
    numbers = list(range(10)) * 3
    random.Random(0).shuffle(numbers)
    split = make(manifest_of(records_of(numbers)), SplitSettings())
    assert all(list(part) == sorted(part) for part in split.subsets.values())
