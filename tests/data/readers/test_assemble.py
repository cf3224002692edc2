import pytest

from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.qads import FACTS
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path, FACTS, "A hint.")


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_the_same_fault_counts_once(tmp_path, faults):
    images = Images(tmp_path, tmp_path, faults)
    for _ in range(3):
        images.find("a.png", "references without an image")
    with pytest.raises(DataError, match=r"QADS: 1 references without an image \(a\.png\)\. A hint"):
        faults.check()


def test_all_faults_are_told_at_once(faults):
    faults.check()
    for i in range(7):
        faults.add("malformed label lines", f"line {i}")
    faults.add("labels without an image", "a.png")
    with pytest.raises(DataError) as error:
        faults.check()
    message = str(error.value)
    assert "7 malformed label lines (line 0, line 1, line 2, line 3, line 4 and 2 more)" in message
    assert "1 labels without an image (a.png). A hint. QADS is obtained" in message


@pytest.mark.parametrize("name", ["sub/a.bmp", "SUB\\A.BMP", "sub/a.png", "sub/a"])
def test_letter_case_slashes_and_container_do_not_matter(tmp_path, faults, name):
    touch(tmp_path, "images/Sub/A.png")
    images = Images(tmp_path, tmp_path / "images", faults)
    assert images.has(name) and images.find(name) == "images/Sub/A.png"
    images.check_labelled()
    faults.check()


def test_missing_left_over_and_repeated_images_are_faults(tmp_path, faults):
    touch(tmp_path, "a.png", "a.bmp", "b.png", ".hidden.png", ".cache/c.png", "notes.txt")
    images = Images(tmp_path, tmp_path, faults)
    images.find("a.png")
    assert images.find("c\\d.png") == "c/d.png"
    images.check_labelled()
    with pytest.raises(DataError) as error:
        faults.check()
    message = str(error.value)
    assert "1 images present more than once (a.bmp and a.png)" in message
    assert "1 labels without an image (c/d.png)" in message
    assert "1 images without a label (b.png)" in message


def test_a_lossy_copy_does_not_stand_for_the_image(tmp_path, faults):
    touch(tmp_path, "a.jpg")
    Images(tmp_path, tmp_path, faults).find("a.bmp")
    with pytest.raises(DataError, match=r"a\.bmp \(only as a lossy copy, a\.jpg\)"):
        faults.check()
    assert Images(tmp_path, tmp_path, faults, lossy=True).find("a.JPG") == "a.jpg"


def test_what_lies_beside_the_named_entries_is_not_looked_at(tmp_path, faults):
    touch(tmp_path, "One/a.png", "two/b.png", "Reference/a.png", "c.png")
    images = Images(tmp_path, tmp_path, faults, within=["one", "TWO", "three"])
    assert images.find("ONE/a.png") == "One/a.png"
    assert images.has("two/b.png") and not images.has("reference/a.png")
    images.check_labelled()
    with pytest.raises(DataError, match=r": 1 images without a label \(two/b\.png\)\."):
        faults.check()


def test_bare_names_are_found_in_any_sub_folder(tmp_path, faults):
    touch(tmp_path, "part1/inner/a.png", "part2/b.bmp", "part3/b.png")
    images = Images(tmp_path, tmp_path, faults, flat=True)
    assert images.find("A.bmp") == "part1/inner/a.png"
    assert images.find("elsewhere/a.png") == "part1/inner/a.png"
    assert not images.has("inner")
    with pytest.raises(DataError, match=r"more than once \(part2/b\.bmp and part3/b\.png\)"):
        faults.check()


def test_labels_alone_take_every_name_as_it_is(tmp_path, faults):
    images = Images(tmp_path, None, faults)
    assert images.find("a\\b.png") == "a/b.png" and images.has("c.png")
    images.check_labelled()
    faults.check()


def test_parts_are_found_by_any_of_their_names(tmp_path):
    touch(tmp_path, "REFS/a.png", "labels.txt")
    parts = require(tmp_path, FACTS, {"refs": ("references", "refs"), "labels": ("Labels.txt",)})
    assert parts == {"refs": tmp_path / "REFS", "labels": tmp_path / "labels.txt"}


def test_a_missing_part_names_the_inner_folder_that_has_all(tmp_path):
    touch(tmp_path, "inner/images/a.png", "inner/labels.txt", "other/images/a.png")
    with pytest.raises(DataError) as error:
        require(tmp_path, FACTS, {"images": ("images",), "labels": ("labels.txt",)})
    message = str(error.value)
    assert "images, labels.txt not found" in message and "holds inner/, other/" in message
    assert f"Did you mean '{tmp_path / 'inner'}'?" in message and "'other'" not in message


def test_the_facts_fill_what_the_settings_leave_out(tmp_path):
    records = [Record(image="a.png", mos=0.5)]
    labels = labels_of(DataSettings(reader="qads"), FACTS, tmp_path, records, left_out=["b (NaN)"])
    assert labels.mos_range == FACTS.range and labels.higher_is_better
    assert labels.licence == FACTS.licence and labels.citation == FACTS.citation
    assert labels.label_kind == "human" and labels.left_out == ("b (NaN)",)
    own = DataSettings(reader="qads", label_kind="pseudo", licence="mine", citation="me")
    labels = labels_of(own, FACTS, tmp_path, records)
    assert (labels.label_kind, labels.licence, labels.citation) == ("pseudo", "mine", "me")


def test_the_layout_fixes_what_a_reader_does_not_except():
    assert fixed(FACTS)["range"] == (0.0, 1.0) and fixed(FACTS)["direction"] == "higher"
    assert fixed(FACTS, table=None)["table"] is None
    assert fixed(FACTS, label_kind="pseudo")["label_kind"] == "pseudo"
