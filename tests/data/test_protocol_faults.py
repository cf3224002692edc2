"""What protocols refuse, and the scenes of datasets that name no references."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from hmtnet.data.labels import Labels, Published
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError


@pytest.fixture
def scenes(tmp_path, monkeypatch):
    """Twelve images without references: eight scenes, four of them copied under another name."""
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    records = []
    for i in range(12):
        pixels = np.random.default_rng(i % 8).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i:02d}.png")
        official = "test" if i in (6, 7, 8, 9) else "train"
        records.append(Record(image=f"{i:02d}.png", mos=i / 12, official=official))
    return Labels(
        name="scenes",
        root=tmp_path,
        records=tuple(records),
        label_kind="human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
    )


def test_scenes_count_as_contents_where_no_reference_is_named(scenes):
    manifest = Manifest.of(scenes)
    assert len(set(manifest.content)) == 8
    for protocol in ("content", "kfold", "all"):
        for seed in range(5):
            split = make(manifest, SplitSettings(protocol=protocol, seed=seed))
            assert bool(split.test) == (protocol != "all") and not split.leaky
            assert sum(map(len, split.subsets.values())) == 12
            for twin in range(4):
                assert any({twin, twin + 8} <= set(rows) for rows in split.subsets.values())


def test_an_official_split_that_repeats_scenes_is_leaky_and_can_be_cleaned(scenes):
    manifest = Manifest.of(scenes)
    split = make(manifest, SplitSettings(protocol="official"))
    assert split.leaky and split.label == "official (leaky)" and split.test == (6, 7, 8, 9)
    clean = make(manifest, SplitSettings(protocol="official", clean=True))
    assert not clean.leaky and clean.test == (6, 7)
    assert (clean.train, clean.val) == (split.train, split.val)


def test_what_labels_alone_do_not_know_is_not_called_clean(scenes):
    with_val = dataclasses.replace(
        scenes,
        records=(
            *scenes.records[:-1],
            dataclasses.replace(scenes.records[-1], official="val"),
        ),
    )
    assert make(with_val, SplitSettings(protocol="official")).leaky
    for values in (
        {"protocol": "content"},
        {"protocol": "kfold"},
        {"protocol": "all"},
        {"protocol": "official", "clean": True},
    ):
        with pytest.raises(DataError, match=r"12 of 12 have no reference: 00\.png.*labels_only"):
            make(with_val, SplitSettings(**values))


ONE_METHOD = [(i, 0, 2, 0, "train") for i in range(4)]  # and one scale
FEW = [(0, 0, 2, 0, "train"), (1, 1, 4, 0, "test"), (1, 2, 4, 0, "test")]


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        (FEW, {}, r"split=content needs at least 3 contents .* found 2\. Add data"),
        (ONE_METHOD, {"protocol": "kfold"}, r"needs at least 5 contents .* found 4\."),
        (FEW[1:], {"protocol": "all"}, r"needs at least 2 contents .* found 1\."),
        (ONE_METHOD, {"protocol": "method"}, "needs at least 3 SR methods, found 1"),
        (ONE_METHOD, {"protocol": "scale"}, r"hold out ×2; it has the scales ×2\. Use another"),
        (FEW[1:], {"protocol": "image"}, "needs at least 3 different images, found 1"),
        (ONE_METHOD, {"protocol": "official"}, "leaves no image to test"),
        (FEW, {"protocol": "official"}, "needs at least 2 contents .* found 1"),
        (FEW, {"protocol": "published"}, r"needs the table .* data\.table to the published"),
        (FEW, {"protocol": "cross"}, r"Name the other one: data@\w+=<dataset>"),
    ],
)
def test_a_dataset_that_is_too_small_or_of_another_kind(manifest_from, rows, values, message):
    with pytest.raises(DataError, match=message) as error:
        make(manifest_from(rows), SplitSettings(**values))
    assert "Dataset 'fake': " in str(error.value)


@pytest.mark.parametrize(
    ("protocol", "label", "what"),
    [
        ("method", "method", "SR method"),
        ("scale", "scale", "scale"),
        ("official", "official", "official subset"),
    ],
)
def test_one_record_without_a_label_is_named(fixed_manifest, protocol, label, what):
    first, *rest = fixed_manifest.records
    records = (dataclasses.replace(first, **{label: None}), *rest)
    with pytest.raises(
        DataError,
        match=rf"needs the {what} of every image, but 1 of 38 have none: 00\.png\. Add it",
    ):
        make(dataclasses.replace(fixed_manifest, records=records), SplitSettings(protocol=protocol))


def test_a_scale_or_an_order_that_is_not_there(fixed_manifest):
    with pytest.raises(
        DataError, match=r"hold out ×3; it has the scales ×2, ×4\. Give split\.scale"
    ):
        make(fixed_manifest, SplitSettings(protocol="scale", scale=3))
    with pytest.raises(DataError, match=r"split\.index=2, but .* 2 orders\. Give 0 to 1\."):
        make(fixed_manifest, SplitSettings(protocol="published", index=2))


def test_a_method_that_no_test_content_has(manifest_from):
    rows = [(r, r, 2, 0, "train") for r in range(5)]  # every reference by a method of its own
    with pytest.raises(DataError, match=r"split=method with seed 0 leaves no image to .*another"):
        make(manifest_from(rows), SplitSettings(protocol="method"))


def test_published_orders_that_are_not_of_this_dataset(manifest_from, fixed_manifest):
    orders = Published(fixed_manifest.published.references, np.array([[1, 2, 3, 4, 5]]))
    labels = dataclasses.replace(fixed_manifest, published=orders)
    with pytest.raises(DataError, match=r"order 0 lacks the references 6\. Copy the table anew"):
        make(labels, SplitSettings(protocol="published"))
    with pytest.raises(DataError, match=r"3 records, but its published table numbers .* of 38"):
        dataclasses.replace(manifest_from(FEW), published=orders)
    two = Published(np.array([1, 1, 2]), np.array([[1, 2]]))
    with pytest.raises(DataError, match="leaves no image to val"):
        make(
            dataclasses.replace(manifest_from(FEW), published=two),
            SplitSettings(protocol="published"),
        )


def test_a_split_file_must_be_named(fixed_manifest):
    with pytest.raises(SettingsError, match=r"split\.file=<path>"):
        make(fixed_manifest, SplitSettings(protocol="file"))
