import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hmtnet.data import split_file
from hmtnet.data.images import ImageStore
from hmtnet.data.join import join
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError
from hmtnet.files import digest_file

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HMTNET_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture
def dataset(tmp_path, noise):
    """Make a dataset of two noise images a reference, which a seed draws; None: no pristine one."""

    def make_dataset(name, pristine, *, mos_range=(0.0, 1.0), higher=True, kind="human", **more):
        root = tmp_path / name
        records = []
        for number, seed in enumerate(pristine):
            source = None if seed is None else f"source/{number}.png"
            if source is not None:
                noise(root / source, seed, size=(64, 48))
            for version in range(2):
                image = f"{number}_{version}.png"
                noise(root / image, [*name.encode(), number, version], size=(64, 48))
                low, high = mos_range
                records.append(
                    Record(
                        image=image,
                        mos=low + (high - low) * (2 * number + version) / 20,
                        reference=f"scene {number}",
                        method=f"m{version}",
                        scale=2,
                        reference_image=source,
                        mos_std=(high - low) / 10,
                    )
                )
        return Manifest.create(
            name,
            root,
            records,
            label_kind=kind,
            mos_range=mos_range,
            higher_is_better=higher,
            **more,
        )

    return make_dataset


def cross(joined, seed=0):
    split = make(joined, SplitSettings(protocol="cross", seed=seed))
    return [{joined.records[row].reference for row in rows} for rows in split.subsets.values()]


def test_scores_become_unit_scores_of_either_direction(dataset):
    first = dataset("up", [1, 2], mos_range=(1.0, 5.0))
    second = dataset("down", [3], mos_range=(0.0, 100.0), higher=False)
    joined = join(first, second)
    assert joined.mos_range == (0.0, 1.0) and joined.higher_is_better
    # In the order of their own scores, and then against it.
    expected = [0.0, 0.05, 0.1, 0.15, 1.0, 0.95]
    np.testing.assert_allclose(joined.mos, expected, atol=1e-12)
    np.testing.assert_array_equal(joined.unit_mos, joined.mos)
    assert [r.mos_std for r in joined.records] == pytest.approx([0.1] * 6)


def test_names_begin_with_the_datasets(dataset):
    joined = join(dataset("one", [1]), dataset("two", [None]))
    assert joined.name == "one-to-two"
    first, last = joined.records[0], joined.records[-1]
    assert (first.image, first.reference, first.method) == ("one/0_0.png", "one/scene 0", "one/m0")
    assert (first.reference_image, first.official) == ("one/source/0.png", "train")
    assert (last.image, last.reference, last.method) == ("two/0_1.png", "two/scene 0", "two/m1")
    assert (last.reference_image, last.official) == (None, "test")


def test_files_and_pixels_of_both_are_found(dataset):
    first, second = dataset("one", [1]), dataset("one more", [2])
    joined = join(first, second)
    owners = [(first, 0), (first, 1), (second, 0), (second, 1)]
    for row, (part, own_row) in enumerate(owners):
        record = part.records[own_row]
        image, pristine = joined.records[row].image, joined.records[row].reference_image
        assert joined.path(image) == part.root / record.image
        assert joined.path(pristine) == part.root / record.reference_image
        assert digest_file(joined.path(image))[:16] == joined.digests[row]
        assert digest_file(joined.path(pristine))[:16] == joined.reference_digests[row]
    for cache in ("memory", "none"):
        store = ImageStore(joined, range(4), cache)
        store.keep_references(range(4))
        for row, (part, own_row) in enumerate(owners):
            own = ImageStore(part, range(2), "none")
            np.testing.assert_array_equal(store[row], own[own_row])
            np.testing.assert_array_equal(store.reference(row), own.reference(own_row))


def test_what_is_known_of_both_is_kept(dataset):
    first = dataset("one", [1], licence="CC0", citation="A", left_out=("x.png (no label)",))
    second = dataset("two", [2], citation="B", kind="pseudo", left_out=("y.png (NaN)",))
    joined = join(first, second)
    assert (
        joined.label_kind == "pseudo" and join(first, dataset("three", [3])).label_kind == "human"
    )
    assert (joined.licence, joined.citation) == ("CC0", "A; B")
    assert joined.left_out == ("one/x.png (no label)", "two/y.png (NaN)")
    assert joined.facts is None and joined.published is None


@pytest.mark.parametrize("names", [("one", "one"), ("one", "one/more"), ("one/more", "one")])
def test_two_datasets_have_two_names(dataset, names):
    first, second = (dataclasses.replace(dataset("one", [1]), name=name) for name in names)
    with pytest.raises(SettingsError, match=r"must have two names\. Give one another name \(data"):
        join(first, second)


def test_content_that_the_other_dataset_shows_too_does_not_train(dataset):
    joined = join(dataset("one", [1, 2, 3, 4]), dataset("two", [5, 2, 6]))
    assert joined.content[2] == joined.content[3] == joined.content[10] == joined.content[11]
    assert len(set(joined.content)) == 6
    for seed in range(5):
        train, val, test = cross(joined, seed)
        assert train | val == {"one/scene 0", "one/scene 2", "one/scene 3"} and train and val
        assert test == {"two/scene 0", "two/scene 1", "two/scene 2"}


def test_equal_names_are_not_equal_contents(dataset):
    joined = join(dataset("one", [None, 1]), dataset("two", [None, 2]))
    assert len(set(joined.content)) == 4


def test_an_image_in_both_makes_their_contents_one(dataset):
    first, second = dataset("one", [1, 2, 3]), dataset("two", [4, 5])
    shutil.copy(first.path("2_1.png"), second.path("0_0.png"))
    joined = join(first, Manifest.of(second))
    assert joined.content[4] == joined.content[5] == joined.content[6] == joined.content[7]
    train, val, _ = cross(joined)
    assert train | val == {"one/scene 0", "one/scene 1"}


def test_too_little_is_left_to_train_on(dataset):
    joined = join(dataset("one", [1, 2, 3]), dataset("two", [1, 2]))
    with pytest.raises(DataError, match=r"split=cross needs at least 2 contents .* found 1\."):
        cross(joined)


def test_both_ways_are_two_splits(dataset):
    first, second = dataset("one", [1, 2, 3]), dataset("two", [4, 5, 6])
    ids = {
        make(j, SplitSettings(protocol="cross")).id
        for j in (join(first, second), join(second, first))
    }
    assert len(ids) == 2


def test_a_split_of_both_can_be_kept_in_a_file(dataset, tmp_path):
    joined = join(dataset("one", [1, 2, 3]), dataset("two", [4]))
    split = make(joined, SplitSettings(protocol="cross", seed=2))
    split_file.write(tmp_path / "cross.json", joined, split)
    assert split_file.read(joined, str(tmp_path / "cross.json")) == split


@pytest.fixture
def photographs(tmp_path):
    """Make two datasets that show some of the same photographs, the second one re-encoded."""

    def make_both(first, second, with_references):
        made = []
        for name, files, suffix in (("one", first, ".png"), ("two", second, ".jpg")):
            records = []
            for number, file in enumerate(files):
                path = Path(skimage.__file__).parent / "data" / file
                photograph = Image.open(path).convert("RGB").resize((240, 180))
                (tmp_path / name).mkdir(exist_ok=True)
                photograph.save(tmp_path / name / f"{number}{suffix}")
                small = photograph.resize((120, 90)).resize((240, 180), Image.Resampling.BICUBIC)
                small.save(tmp_path / name / f"{number}_2{suffix}")
                records.append(
                    Record(
                        image=f"{number}_2{suffix}",
                        mos=0.5,
                        reference=f"{number}" if with_references else None,
                        reference_image=f"{number}{suffix}" if with_references else None,
                    )
                )
            made.append(
                Manifest.create(
                    name,
                    tmp_path / name,
                    records,
                    label_kind="human",
                    mos_range=(0.0, 1.0),
                    higher_is_better=True,
                )
            )
        return made

    return make_both


@pytest.mark.parametrize("with_references", [True, False])
def test_one_photograph_encoded_anew_is_one_content(photographs, with_references):
    a, b, c, d = PHOTOGRAPHS
    first, second = photographs([a, b, c], [c, d], with_references)
    assert len({*first.content, *second.content}) == 5
    joined = join(first, second)
    assert joined.content[2] == joined.content[3]
    assert len(set(joined.content)) == 4
    split = make(joined, SplitSettings(protocol="cross"))
    assert set(split.train + split.val) == {0, 1} and split.test == (3, 4)


def test_contents_do_not_depend_on_the_order_of_records(photographs):
    first, second = photographs(PHOTOGRAPHS[:3], PHOTOGRAPHS[1:], True)
    turned = [
        dataclasses.replace(
            part,
            records=part.records[::-1],
            digests=part.digests[::-1],
            reference_digests=part.reference_digests[::-1],
        )
        for part in (first, second)
    ]
    one, other = join(first, second), join(*turned)
    assert dict(zip(one.records, one.content, strict=True)) == dict(
        zip(other.records, other.content, strict=True)
    )


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """A folder of eight images of noise: the reference images of random datasets."""
    root = tmp_path_factory.mktemp("pool")
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
    return root


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(0, 7), min_size=1, max_size=20),
    st.lists(st.integers(0, 7), min_size=1, max_size=10),
    st.integers(0, 30),
)
def test_cross_tests_all_of_the_other_dataset_and_trains_on_what_it_does_not_show(
    pool, own, others, seed
):
    def of_pool(name, pictures):
        records = tuple(
            Record(image=f"{i}", mos=0.5, reference=f"{name} {k}", reference_image=f"{k}.png")
            for i, k in enumerate(pictures)
        )
        return Manifest(
            name=name,
            root=pool,
            records=records,
            label_kind="human",
            mos_range=(0.0, 1.0),
            higher_is_better=True,
            digests=tuple(f"{name}-{record.image}" for record in records),
            reference_digests=tuple(digest_file(pool / f"{k}.png")[:16] for k in pictures),
        )

    joined = join(of_pool("one", own), of_pool("two", others))
    kept = [row for row, k in enumerate(own) if k not in others]
    settings = SplitSettings(protocol="cross", seed=seed)
    if len({own[row] for row in kept}) < 2:
        with pytest.raises(DataError, match="needs at least 2 contents"):
            make(joined, settings)
        return
    split = make(joined, settings)
    assert split.id.startswith(f"cross-s{seed}-") and not split.leaky
    assert split.test == tuple(range(len(own), len(own) + len(others)))
    assert sorted(split.train + split.val) == kept and not set(split.train) & set(split.val)
    train, val, test = ({joined.content[row] for row in rows} for rows in split.subsets.values())
    assert train and val and not (train & val or train & test or val & test)
