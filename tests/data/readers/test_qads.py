import logging

import pytest

from hmtnet.data.protocols import make
from hmtnet.data.readers import qads, read, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError


def read_qads(root, **options):
    return read(DataSettings(reader="qads", root=str(root), **options))


def test_the_official_layout_is_read_whole(make_qads):
    root = make_qads()
    manifest = read_qads(root)
    assert len(manifest) == 12
    assert manifest.name == "qads" and manifest.root == root
    assert manifest.label_kind == "human"
    assert manifest.mos_range == (0.0, 1.0) and manifest.higher_is_better
    assert "Zhou" in manifest.citation and manifest.licence
    first, last = manifest.records[0], manifest.records[-1]
    assert first.image == "super-resolved_images/img01_2_01.bmp"
    assert (first.reference, first.scale, first.method, first.mos) == ("img01", 2, "01", 0.10)
    assert first.reference_image == "source_images/img01.bmp"
    # Method 21, which some loaders drop.
    assert (last.reference, last.scale, last.method, last.mos) == ("img03", 4, "21", 0.21)
    assert len(set(manifest.content)) == 3 and None not in manifest.content


@pytest.mark.parametrize(
    "variant",
    [
        {"images": "super-resolution_images", "sources": "reference_images"},
        {"images": "Super-Resolved_Images", "sources": "SOURCE_IMAGES"},
        {"suffix": ".png"},
        {"suffix": ".tif"},
        {"suffix": ".tiff"},
        {"suffix": ".webp"},
        {"suffix": ".bmp", "upper": True},
        {"line_end": "\r\n"},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
    ],
)
def test_known_variants_give_the_same_labels(make_qads, tmp_path, variant):
    official = read_qads(make_qads())
    found = read_qads(make_qads(tmp_path / "variant", **variant))

    def labels(manifest):
        return [(r.reference, r.scale, r.method, r.mos) for r in manifest.records]

    assert labels(found) == labels(official)
    assert all(record.reference_image for record in found.records)


def test_label_kind_and_name_can_be_set(make_qads):
    manifest = read_qads(make_qads(), label_kind="pseudo", name="mine")
    assert manifest.label_kind == "pseudo" and manifest.name == "mine"


def test_other_counts_warn_only_under_the_official_name(make_qads, caplog):
    root = make_qads()
    with caplog.at_level(logging.WARNING):
        read_qads(root, name="mine")
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        read_qads(root)
    assert "The official QADS has 980 scored images; this folder has 12." in caplog.text


def test_without_references_the_set_is_read_with_a_warning(make_qads, caplog):
    manifest = read_qads(make_qads(sources=None), name="mine")
    assert "no folder source_images" in caplog.text
    assert manifest.content[0] == "mine/img01"
    assert all(record.reference_image is None for record in manifest.records)


def test_stray_files_are_no_images(make_qads):
    root = make_qads()
    for name in ("Thumbs.db", ".DS_Store", "._img01_2_01.bmp", "readme.txt"):
        (root / "super-resolved_images" / name).write_bytes(b"")
    assert len(read_qads(root)) == 12


def test_a_label_without_image(make_qads):
    root = make_qads()
    (root / "super-resolved_images" / "img02_4_21.bmp").unlink()
    with pytest.raises(DataError, match=r"1 labels without an image \(img02_4_21\.bmp\).*authors"):
        read_qads(root)


def test_an_image_without_label(make_qads, noise):
    root = make_qads()
    noise(root / "super-resolved_images" / "img03_3_05.bmp")
    with pytest.raises(DataError, match=r"1 images without a label \(.*_images/img03_3_05\.bmp\)"):
        read_qads(root)


def test_a_missing_reference(make_qads):
    root = make_qads()
    (root / "source_images" / "img02.bmp").unlink()
    with pytest.raises(
        DataError, match=r"1 references without an image in 'source_images' \(img02\)"
    ):
        read_qads(root)


def test_an_image_in_two_containers(make_qads, noise):
    root = make_qads()
    noise(root / "super-resolved_images" / "img01_2_01.png")
    with pytest.raises(
        DataError, match=r"present more than once \(\S+/img01_2_01\.bmp and \S+/img01_2_01\.png\)"
    ):
        read_qads(root)


def test_one_error_lists_all_faults_of_the_label_file(make_qads, noise):
    lines = [
        "0.5 img01_2_01.bmp",
        "0.6 IMG01_2_01.BMP",
        "high img01_2_21.bmp",
        "0.5",
        "",
        "0.5 a b",
    ]
    root = make_qads(labels=[*lines, "0.7 img1-4.bmp", "0.7 ../img01_4_01.bmp"])
    noise(root / "super-resolved_images" / "holiday.png")
    with pytest.raises(DataError) as error:
        read_qads(root)
    message = str(error.value)
    assert "names with more than one label (line 2: IMG01_2_01.BMP)" in message
    assert "3 malformed label lines (line 3: 'high img01_2_21.bmp', line 4: '0.5'" in message
    assert (
        "2 malformed names in the labels (line 8: '../img01_4_01.bmp', line 7: 'img1-4" in message
    )
    assert "12 images without a label (super-resolved_images/holiday.png, " in message


@pytest.mark.parametrize(
    ("value", "message"),
    [("nan", r"1 malformed label lines \(line 1: 'nan img01"), ("1.2", "outside the declared")],
)
def test_impossible_scores(make_qads, value, message):
    root = make_qads()
    text = (root / "mos_with_names.txt").read_text()
    (root / "mos_with_names.txt").write_text(text.replace("0.10 ", f"{value} ", 1))
    with pytest.raises(DataError, match=message):
        read_qads(root)


def test_a_wrong_folder_names_the_right_one(make_qads, tmp_path):
    make_qads(tmp_path / "outer" / "QADS")
    with pytest.raises(DataError) as error:
        read_qads(tmp_path / "outer")
    message = str(error.value)
    assert "super-resolved_images, mos_with_names.txt not found" in message
    assert "holds QADS/" in message and f"Did you mean '{tmp_path / 'outer' / 'QADS'}'?" in message


@pytest.mark.parametrize(
    "options",
    [
        {"range": (0.0, 100.0)},
        {"direction": "lower"},
        {"table": "a.csv"},
        {"columns": {"mos": "m"}},
    ],
)
def test_settings_that_contradict_the_layout_are_refused(make_qads, options):
    (name,) = options
    with pytest.raises(SettingsError, match=rf"data\.{name}=.*reader 'qads'.*data=table"):
        read_qads(make_qads(), **options)


def test_settings_that_repeat_the_layout_are_fine(make_qads):
    assert len(read_qads(make_qads(), range=(0.0, 1.0), direction="higher")) == 12


def test_labels_alone_are_the_same_without_images(make_qads):
    root = make_qads()
    whole = read_qads(root)
    (root / "super-resolved_images").rename(root / "elsewhere")
    settings = DataSettings(reader="qads", root=str(root), labels_only=True)
    labels = read_labels(settings)
    assert [record.image for record in labels.records][:2] == ["img01_2_01.bmp", "img01_2_21.bmp"]
    assert all(record.reference_image is None for record in labels.records)
    for found, official in zip(labels.records, whole.records, strict=True):
        assert (found.reference, found.scale, found.method, found.mos) == (
            *(official.reference, official.scale, official.method, official.mos),
        )


def test_a_published_table_replaces_the_label_file(make_qads, published_table):
    root = make_qads()
    whole = read_qads(root)
    names = [record.image.rpartition("/")[2] for record in whole.records][::-1]
    scores = [record.mos / 2 for record in whole.records][::-1]
    numbers = [int(name[3:5]) for name in names]
    index = published_table(root / "qads.mat", names, scores, numbers)
    (root / "mos_with_names.txt").unlink()
    manifest = read_qads(root, table="qads.mat")
    assert [r.image for r in manifest.records] == [r.image for r in whole.records]
    assert manifest.mos.tolist() == [mos / 2 for mos in whole.mos]
    assert manifest.published.references.tolist() == sorted(numbers)
    assert manifest.published.permutations.tolist() == index.tolist()
    split = make(manifest, SplitSettings(protocol="published", index=4))
    for place, rows in enumerate(split.subsets.values()):
        assert {manifest.published.references[row] for row in rows} == {index[4][place]}


def test_the_facts_are_those_of_the_official_set(make_qads):
    labels = read_labels(DataSettings(reader="qads", root=str(make_qads())))
    assert labels.facts is qads.FACTS
    assert sum(qads.FACTS.scales.values()) == qads.FACTS.images == 980
