import logging

import pytest

from hmtnet.data.readers import biq2021, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

TRAIN = ["ss01 (1).jpg,0.2089", "ss03 (3753).jpg,0.8471", "ss02 (167).jpg,1.0000"]
TEST = ["ss01 (12).jpg,0.0043", "SS02 (9).jpg,0.5000"]
FILES = ["ss01 (1).jpg", "ss03 (3753).jpg", "ss02 (167).JPG", "ss01 (12).jpg", "ss02 (9).jpg"]


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "biq2021", *, train=TRAIN, test=TEST, line_end="\r\n", images="Images"
    ):
        for i, name in enumerate(FILES):
            noise(root / images / name, i)
        (root / images / "Thumbs.db").write_bytes(b"x")
        for name, lines in (("Train", train), ("Test", test)):
            # As shipped: two columns without a name.
            text = line_end.join(["Image Name,MOS,,", *(f"{line},," for line in lines), ""])
            (root / f"{name} (Images and MOS).csv").write_bytes(text.encode())
        # An earlier scaling of the same scores lies beside them.
        (root / "Train.csv").write_text("Image Name,MOS\nss01 (1).jpg,-0.0047\n")
        (root / "BIQ2021.xlsx").write_bytes(b"")
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="biq2021", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    root = make()
    with caplog.at_level(logging.WARNING):
        labels = read(root)
    assert [(r.image, r.mos, r.official) for r in labels.records] == [
        ("Images/ss01 (1).jpg", 0.2089, "train"),
        ("Images/ss01 (12).jpg", 0.0043, "test"),
        ("Images/ss02 (167).JPG", 1.0, "train"),
        ("Images/ss02 (9).jpg", 0.5, "test"),  # SS02 in the table
        ("Images/ss03 (3753).jpg", 0.8471, "train"),
    ]
    assert (labels.name, labels.root, labels.label_kind) == ("biq2021", root, "human")
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 1.0), True)
    assert (labels.licence, labels.citation) == (biq2021.FACTS.licence, biq2021.FACTS.citation)
    assert set(labels.content) == {None} and labels.left_out == ()
    assert "BIQ2021 has 12000 scored images; this folder has 5" in caplog.text
    assert sum(biq2021.FACTS.subsets.values()) == biq2021.FACTS.images


@pytest.mark.parametrize("variant", [{"line_end": "\n"}, {"images": "images"}])
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records
    assert [(r.mos, r.official) for r in found] == [(r.mos, r.official) for r in official]


def test_labels_alone_need_no_images(make, tmp_path):
    root = make()
    (root / "Images").rename(tmp_path / "elsewhere")
    assert read(root, labels_only=True).records[1].image == "ss01 (12).jpg"


def test_one_error_lists_all_faults(make, noise):
    lines = ["ss01 (1).jpg,0.3", "ss01 (77).jpg,0.2", "ss01 (12).jpg,good", ",0.5", "a,b.jpg,0.5"]
    root = make(test=lines)
    noise(root / "Images" / "copy" / "ss01 (1).jpg")
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert (
        "names with more than one label (Test (Images and MOS).csv line 2: ss01 (1).jpg)" in message
    )
    assert "1 labels without an image (ss01 (77).jpg)" in message
    assert "3 malformed label lines" in message and "line 4" in message and "line 5" in message
    assert "3 images without a label (Images/copy/ss01 (1).jpg, Images/ss01 (12).jpg" in message
    assert "obtained from its authors" in message


def test_a_score_of_the_earlier_scaling_is_refused(make):
    with pytest.raises(DataError, match=r"outside the declared range 0 to 1: .*\(-0\.0047\)"):
        read(make(train=["ss01 (1).jpg,-0.0047", *TRAIN[1:]]))


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "BIQ2021-main")
    with pytest.raises(DataError, match=r"of BIQ2021: Images, Train .*Did you mean '.*-main'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize(
    "options", [{"range": (0.0, 100.0)}, {"table": "a.csv"}, {"label_kind": "pseudo"}]
)
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'biq2021'"):
        read(make(), **options)
