"""Datasets joined to be trained on together."""

import dataclasses
import shutil

import numpy as np
import pytest

from hmtnet.data.join import Together, join, label_kind_of, together
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))


@pytest.fixture
def dataset(tmp_path, noise):
    """Make a dataset of two noise images for each reference, which a seed draws."""

    def make_dataset(name, pristine, *, mos_range=(0.0, 1.0), higher=True, kind="human", **more):
        root, records = tmp_path / name, []
        low, high = mos_range
        for number, seed in enumerate(pristine):
            noise(root / f"source/{number}.png", seed, size=(64, 48))
            for version in range(2):
                image = f"{number}_{version}.png"
                noise(root / image, [*name.encode(), number, version], size=(64, 48))
                mos = low + (high - low) * (version + 0.05 * number) / 2
                reference = {"reference": f"r{number}", "reference_image": f"source/{number}.png"}
                records.append(Record(image=image, mos=mos, scale=2, **reference, **more))
        return Manifest.create(
            name, root, records, label_kind=kind, mos_range=mos_range, higher_is_better=higher
        )

    return make_dataset


def test_opposite_directions_agree_in_unit_scores(dataset):
    up = dataset("up", [1], mos_range=(1.0, 5.0))
    down = dataset("down", [2], mos_range=(0.0, 100.0), higher=False)
    joined = together([up, down])
    # In the order of the names, whatever order was given.
    assert joined.name == "down+up" and joined.records == together([down, up]).records
    assert joined.datasets == ("down", "down", "up", "up")
    np.testing.assert_allclose(joined.unit_mos, [1.0, 0.5, 0.0, 0.5], atol=1e-12)


def test_it_says_whose_labels_people_gave(dataset):
    joined = together([dataset("a", [1]), dataset("b", [2], kind="pseudo")])
    assert joined.label_kind == "pseudo"
    assert [label_kind_of(joined, name) for name in ("a", "b", None)] == [
        *("human", "pseudo", "pseudo")
    ]


def test_official_splits_are_kept(dataset):
    parts = [dataset(name, [1, 2, 3], official=o) for name, o in (("a", "train"), ("b", "test"))]
    joined = together(parts)
    assert [record.official for record in joined.records] == ["train"] * 6 + ["test"] * 6
    with pytest.raises(DataError, match="data@other"):
        make(joined, SplitSettings(protocol="cross"))


def test_one_content_of_three_datasets_lies_on_one_side(dataset):
    a, b = dataset("a", [1, 2, 3, 4]), dataset("b", [2, 5, 6])
    c = dataset("c", [7, 8, 9])
    # An image of the one is the reference image of the other.
    shutil.copy(b.path("source/1.png"), c.path("0_0.png"))
    joined = together([a, b, Manifest.of(c)])
    one, other = joined.content[2], joined.content[10]
    assert [row for row, key in enumerate(joined.content) if key == one] == [2, 3, 8, 9]
    assert [row for row, key in enumerate(joined.content) if key == other] == [10, 11, 14, 15]
    for protocol in ("content", "kfold"):
        for seed in range(5):
            split = make(joined, SplitSettings(protocol=protocol, seed=seed))
            assert not split.leaky
            sides = [{joined.content[row] for row in rows} for rows in split.subsets.values()]
            assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_a_content_is_known_by_its_keys_in_every_dataset(dataset):
    a, b = dataset("a", [1, 2]), dataset("b", [2, 3])
    joined = together([a, b])
    shared = {a.content[2], b.content[0]}
    assert shared <= joined.content_keys[2] == joined.content_keys[4]
    assert joined.content_keys[0] == {a.content[0]} and joined.content_keys[6] == {b.content[2]}


@pytest.mark.parametrize("protocol", ["content", "kfold"])
def test_small_datasets_are_in_every_subset(dataset, protocol):
    joined = together([dataset("large", range(15)), dataset("small", range(50, 55))])
    for seed in range(5):
        split = make(joined, SplitSettings(protocol=protocol, seed=seed))
        for rows in split.subsets.values():
            assert {joined.datasets[row] for row in rows} == {"large", "small"}


def test_two_of_one_name_are_refused(dataset):
    with pytest.raises(SettingsError, match="must have two names"):
        together([dataset("a", [1]), dataclasses.replace(dataset("b", [2]), name="a")])


def test_several_train_and_another_one_tests(dataset):
    parts = [dataset("a", [1, 2, 3]), dataset("b", [4, 5])]
    joined = join(together(parts), dataset("c", [6, 2]))
    assert joined.name == "a+b-to-c"
    assert joined.datasets == ("a",) * 6 + ("b",) * 4 + (None,) * 4
    assert joined.path("a+b/b/0_1.png") == parts[1].path("0_1.png")
    assert joined.origins[0] == "a" and joined.origins[-1] == "c"
    split = make(joined, SplitSettings(protocol="cross"))
    assert split.test == (10, 11, 12, 13)
    assert sorted(split.train + split.val) == [0, 1, 4, 5, 6, 7, 8, 9]  # not scene 2


def test_the_reader_joins_what_is_asked_for(tmp_path, noise):
    for name in ("one", "two"):
        noise(tmp_path / name / "x.png", 0, size=(64, 48))
        (tmp_path / name / "labels.csv").write_text("image,mos\nx.png,2\n")
    told = {"reader": "table", "label_kind": "human", "direction": "higher", "range": (1.0, 3.0)}
    second = DataSettings(**told, root=str(tmp_path / "two"))
    joined = read(DataSettings(**told, root=str(tmp_path / "one"), also={"other": second}))
    assert isinstance(joined, Together) and joined.name == "one+other"
    assert len(set(joined.content)) == 1
    with pytest.raises(ValueError, match="what a folder can be called"):
        DataSettings(**told, also={"a/b": second})
