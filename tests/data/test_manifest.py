import dataclasses
import logging

import numpy as np
import pytest
import skimage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hmtnet.data.digests import digest_images
from hmtnet.data.labels import Labels, Published
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.errors import DataError
from hmtnet.files import digest_file

FIXTURES_ARE_PURE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@FIXTURES_ARE_PURE
@given(
    low=st.floats(-1e3, 1e3),
    width=st.floats(1e-3, 1e3),
    part=st.floats(-0.5, 1.5),
    higher=st.booleans(),
)
def test_from_unit_inverts_to_unit_also_beyond_the_range(manifest_of, low, width, part, higher):
    mos_range = (low, low + width)
    records = [Record(image="a.png", mos=low)]
    manifest = manifest_of(records, mos_range=mos_range, higher=higher)
    mos = low + part * width
    back = manifest.from_unit(manifest.to_unit(mos))
    np.testing.assert_allclose(back, mos, atol=1e-12 * max(abs(low), width, 1))


def test_unit_scores_are_one_for_the_best_in_both_directions(manifest_of):
    records = [
        Record(image="a", mos=0.0),
        Record(image="b", mos=25.0),
        Record(image="c", mos=100.0),
    ]
    up = manifest_of(records, mos_range=(0.0, 100.0))
    down = manifest_of(records, mos_range=(0.0, 100.0), higher=False)
    assert up.unit_mos.tolist() == [0.0, 0.25, 1.0]
    assert down.unit_mos.tolist() == [1.0, 0.75, 0.0]
    assert up.unit_mos.dtype == np.float64


def test_labels_within_the_tolerance_are_clipped_and_beyond_it_refused(manifest_of):
    inside = manifest_of([Record(image="a.png", mos=10.0 + 5e-6)], mos_range=(0.0, 10.0))
    assert inside.unit_mos.tolist() == [1.0]
    with pytest.raises(DataError, match=r"outside the declared range 0 to 10: a\.png \(10\)"):
        manifest_of([Record(image="a.png", mos=10.0 + 2e-5)], mos_range=(0.0, 10.0))


def test_one_error_names_every_kind_of_faulty_label(manifest_of):
    records = [
        Record(image="twice.png", mos=0.5),
        Record(image="twice.png", mos=0.6),
        Record(image="nan.png", mos=float("nan")),
        Record(image="high.png", mos=1.5),
        Record(image="spread.png", mos=0.5, mos_std=-0.1),
    ]
    with pytest.raises(DataError) as error:
        manifest_of(records)
    message = str(error.value)
    assert "1 named more than once: twice.png" in message
    assert "1 without a finite MOS: nan.png (nan)" in message
    assert "1 with a MOS outside the declared range 0 to 1: high.png (1.5)" in message
    assert "1 with an mos_std that is negative or not finite: spread.png (-0.1)" in message


@pytest.mark.parametrize("mos_range", [(1.0, 0.0), (0.5, 0.5), (0.0, float("inf"))])
def test_an_empty_or_endless_range_is_refused(manifest_of, mos_range):
    with pytest.raises(DataError, match="two finite numbers, lowest first"):
        manifest_of([Record(image="a.png", mos=0.5)], mos_range=mos_range)


def test_a_dataset_without_images_is_refused(manifest_of):
    with pytest.raises(DataError, match="no scored image"):
        manifest_of([])


def test_lengths_must_agree(manifest_of, records):
    with pytest.raises(DataError, match="8 records but 1 digests"):
        manifest_of(records, digests=["0" * 16])


def test_fingerprint_ignores_order_name_and_root(manifest_of, records, tmp_path):
    manifest = manifest_of(records)
    other = dataclasses.replace(manifest_of(records[::-1], name="other"), root=tmp_path)
    assert manifest.fingerprint == other.fingerprint
    assert len(manifest.fingerprint) == 16
    int(manifest.fingerprint, 16)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "else.png"},
        {"mos": float(np.nextafter(0.0, 1.0))},
        {"reference": "else"},
        {"method": "else"},
        {"scale": 3},
        {"mos_std": 0.1},
    ],
)
def test_fingerprint_sees_every_label(manifest_of, records, change):
    changed = [dataclasses.replace(records[0], **change), *records[1:]]
    digests = manifest_of(records).digests
    assert manifest_of(records).fingerprint != manifest_of(changed, digests=digests).fingerprint


def test_fingerprint_sees_bytes_range_direction_and_kind(manifest_of, records):
    manifest = manifest_of(records)
    others = [
        dataclasses.replace(manifest, digests=("f" * 16, *manifest.digests[1:])),
        dataclasses.replace(manifest, reference_digests=("f" * 16, *[None] * 7)),
        dataclasses.replace(manifest, mos_range=(0.0, 2.0)),
        dataclasses.replace(manifest, higher_is_better=False),
        dataclasses.replace(manifest, label_kind="pseudo"),
    ]
    assert len({manifest.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_fingerprint_is_the_same_on_every_machine(manifest_of, records):
    # A changed value would retrain every stage and refuse no artifact: change it knowingly.
    assert manifest_of(records).fingerprint == "2e91d88eccf3dcf0"


def test_content_is_the_reference_image_or_the_references_name(manifest_of):
    records = [
        Record(image="1", mos=0.1, reference="sea", reference_image="sea.png"),
        Record(image="2", mos=0.1, reference="sea"),
        Record(image="3", mos=0.1, reference="ocean", reference_image="ocean.png"),
        Record(image="4", mos=0.1, reference="sky"),
        Record(image="5", mos=0.1, reference_image="sea.png"),
    ]
    manifest = manifest_of(records, name="set", pristine=["d1", None, "d1", None, "d1"])
    # The same reference bytes under two names, or without one, are one content.
    assert manifest.content == ("d1", "d1", "d1", "set/sky", "d1")


def test_crops_of_several_references_join_their_contents(manifest_of):
    # The middle reference has two crops, each of which is the only one of another reference.
    records = [Record(image=f"{i}", mos=0.1, reference=name) for i, name in enumerate("abbcd")]
    manifest = manifest_of(records, pristine=["d2", "d2", "d1", "d1", "d3"])
    assert manifest.content == ("d1", "d1", "d1", "d1", "d3")
    turned = manifest_of(records[::-1], pristine=["d3", "d1", "d1", "d2", "d2"])
    assert turned.content == manifest.content[::-1]


def test_one_image_under_two_references_is_one_content(manifest_of):
    records = [Record(image=f"{i}", mos=0.1, reference=name) for i, name in enumerate("abc")]
    manifest = manifest_of(records, name="set", digests=["x", "y", "x"])
    assert manifest.content == ("set/a", "set/b", "set/a")


def test_images_without_a_reference_are_grouped_by_scene(tmp_path, noise, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    for name, seed in {"a": 1, "b": 2, "copy of a": 1, "known": 3, "copy of known": 3}.items():
        noise(tmp_path / f"{name}.png", seed, size=(64, 48))
    names = ["a", "b", "copy of a", "known", "copy of known"]
    records = [
        Record(image=f"{name}.png", mos=0.5, reference="sea" if name == "known" else None)
        for name in names
    ]
    manifest = Manifest.create(
        "set", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
    )
    a, b, copy, known, copy_of_known = manifest.content
    assert a == copy != b and None not in manifest.content
    assert known == copy_of_known == "set/sea"


def test_a_photograph_encoded_anew_is_the_same_scene(tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    names = []
    for number, photograph in enumerate([skimage.data.astronaut(), skimage.data.coffee()]):
        for suffix in (".png", ".jpg"):
            names.append(f"{number}{suffix}")
            Image.fromarray(photograph).resize((160, 120)).save(tmp_path / names[-1])
    manifest = Manifest.create(
        "set",
        tmp_path,
        [Record(image=name, mos=0.5) for name in names],
        label_kind="human",
        mos_range=(0, 1),
        higher_is_better=True,
    )
    assert manifest.content[0] == manifest.content[1] != manifest.content[2] == manifest.content[3]


def test_the_identity_of_an_image_is_its_bytes(manifest_of, records):
    manifest = manifest_of(records)
    assert manifest.identities == manifest.digests
    assert manifest.path("a/b.png") == manifest.root / "a" / "b.png"


def test_a_manifest_has_all_that_its_labels_have(tmp_path, noise):
    noise(tmp_path / "a.png")
    labels = Labels(
        name="set",
        root=tmp_path,
        records=(Record(image="a.png", mos=1.0),),
        label_kind="pseudo",
        mos_range=(1.0, 5.0),
        higher_is_better=False,
        licence="CC0",
        citation="me",
        left_out=("b.png (NaN)",),
        published=Published(np.array([1]), np.array([[1]])),
    )
    manifest = Manifest.of(labels)
    for field in dataclasses.fields(Labels):
        assert getattr(manifest, field.name) is getattr(labels, field.name)


def test_create_digests_images_and_references(tmp_path, noise):
    noise(tmp_path / "x" / "a.png", 1)
    noise(tmp_path / "ref.png", 2)
    records = [Record(image="x/a.png", mos=0.5, reference="r", reference_image="ref.png")]
    manifest = Manifest.create(
        "set", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
    )
    assert manifest.digests == (digest_file(tmp_path / "x" / "a.png")[:16],)
    assert manifest.reference_digests == (digest_file(tmp_path / "ref.png")[:16],)
    assert len(manifest) == 1


def test_create_lists_missing_files(tmp_path, noise):
    noise(tmp_path / "a.png")
    records = [Record(image=f"{name}.png", mos=0.5) for name in "abc"]
    with pytest.raises(DataError, match=r"2 of 3 images .* b\.png \(No such file.*c\.png"):
        Manifest.create(
            "set", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
        )


def test_create_stops_links_that_leave_the_root(tmp_path, noise):
    noise(tmp_path / "secret.png")
    root = tmp_path / "set"
    root.mkdir()
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"1 image paths leave the dataset's folder .*: a\.png"):
        Manifest.create(
            "set",
            root,
            [Record(image="a.png", mos=0.5)],
            label_kind="human",
            mos_range=(0, 1),
            higher_is_better=True,
        )


def test_a_root_that_is_itself_a_link_is_fine(tmp_path, noise):
    noise(tmp_path / "real" / "a.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    manifest = Manifest.create(
        "set",
        tmp_path / "link",
        [Record(image="a.png", mos=0.5)],
        label_kind="human",
        mos_range=(0, 1),
        higher_is_better=True,
    )
    assert len(manifest) == 1


def test_only_large_sets_tell_of_progress(tmp_path, noise, caplog):
    caplog.set_level(logging.INFO, "hmtnet")
    (tmp_path / "a.png").write_bytes(b"a")
    digest_images(tmp_path, ["a.png"])
    assert not caplog.messages
    names = [f"{i}.png" for i in range(201)]
    for name in names:
        (tmp_path / name).write_bytes(name.encode())
    assert len(set(digest_images(tmp_path, names).values())) == 201
    assert caplog.messages == [f"digesting {tmp_path.name}"]
