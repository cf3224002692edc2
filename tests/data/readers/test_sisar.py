import logging

import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.sisar import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

# Name, MOS, and what the name tells: reference, method, scale.
REFERENCES = ("scene1", "scene10", "sea")
IMAGES = {
    "scene1_Bicubic_x2.bmp": (0.81, "scene1", "Bicubic", 2),
    "scene1_SRCNN_x4.bmp": (0.4123, "scene1", "SRCNN", 4),
    "scene10_x3_VDSR_b.bmp": (0.0, "scene10", "VDSR_b", 3),
    "sea-4x-SRGAN.bmp": (0.999, "sea", "SRGAN", 4),
    # No single scale factor, and so no certain method.
    "sea_x2_x4.bmp": (0.5, "sea", None, None),
    # No such reference in the list.
    "seaside_SRCNN_x2.bmp": (0.3, None, None, 2),
    "lake.bmp": (0.2, None, None, None),
}


@pytest.fixture
def make_sisar(tmp_path, noise):
    """Make a folder in the layout of SISAR: 3 references, 7 images."""

    def make(root=tmp_path / "sisar", *, images="SR_images", line_end="\n", more=()):
        lines = [f"{name}#{mos}" for name, (mos, *_) in IMAGES.items()]
        lines += [f"{reference}.bmp#1.0" for reference in REFERENCES]
        for i, line in enumerate(lines):
            noise(root / images / line.split("#")[0], i)
        text = line_end.join([*lines, *more])
        (root / "MOS_with_name.txt").write_bytes(text.encode())
        return root

    return make


def read_sisar(root, **options):
    return read_labels(DataSettings(reader="sisar", root=str(root), **options))


@pytest.mark.parametrize(
    "variant", [{}, {"images": ""}, {"images": "sr_images"}, {"line_end": "\r\n"}]
)
def test_the_official_layout_is_read_whole(make_sisar, variant, caplog):
    with caplog.at_level(logging.WARNING):
        labels = read_sisar(make_sisar(**variant))
    folder = variant.get("images", "SR_images")
    prefix = f"{folder}/" if folder else ""
    found = {record.image: record for record in labels.records}
    # The references are no scored images.
    assert set(found) == {prefix + name for name in IMAGES} and len(labels) == len(IMAGES)
    for name, (mos, reference, method, scale) in IMAGES.items():
        record = found[prefix + name]
        assert (record.mos, record.reference) == (mos, reference)
        assert (record.method, record.scale) == (method, scale)
        expected = None if reference is None else f"{prefix}{reference}.bmp"
        assert record.reference_image == expected
    assert "the names of 2 of 7 images do not tell their reference" in caplog.text
    assert labels.mos_range == (0.0, 1.0) and labels.facts is FACTS


def test_labels_alone_need_no_images(make_sisar, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (make_sisar() / "MOS_with_name.txt").rename(alone / "mos_with_name.TXT")
    labels = read_sisar(alone, labels_only=True)
    assert [record.image for record in labels.records] == sorted(IMAGES)
    assert labels.records[-1].reference is None and labels.records[2].reference == "scene1"
    assert all(record.reference_image is None for record in labels.records)


def test_missing_unlabelled_and_repeated_images(make_sisar, noise):
    root = make_sisar(more=["LAKE.BMP#0.7", "sky.bmp", "a.bmp#high"])
    (root / "SR_images" / "sea-4x-SRGAN.bmp").unlink()
    (root / "SR_images" / "scene10.bmp").unlink()
    noise(root / "SR_images" / "holiday.png")
    with pytest.raises(DataError) as error:
        read_sisar(root)
    message = str(error.value)
    assert "2 labels without an image (scene10.bmp, sea-4x-SRGAN.bmp)" in message
    assert "1 images without a label (SR_images/holiday.png)" in message
    assert "names with more than one label (line 11: LAKE.BMP)" in message
    assert "2 malformed label lines (line 12: 'sky.bmp', line 13: 'a.bmp#high')" in message


def test_a_score_beyond_the_scale(make_sisar):
    with pytest.raises(DataError, match=r"outside the declared range 0 to 1: .*scene1\.png \(1\.5"):
        read_sisar(make_sisar(more=["scene1.png#1.5"]), labels_only=True)


def test_a_wrong_folder_names_the_right_one(make_sisar, tmp_path):
    make_sisar(tmp_path / "outer" / "SISAR")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/SISAR'\?"):
        read_sisar(tmp_path / "outer")


def test_settings_that_contradict_the_layout_are_refused(make_sisar):
    with pytest.raises(SettingsError, match=r"data\.table='a\.mat'.*no use for it"):
        read_sisar(make_sisar(), table="a.mat")
