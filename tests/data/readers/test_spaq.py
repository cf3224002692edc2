import openpyxl
import pytest

from hmtnet.data.readers import read_labels, spaq
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

HEADER = ["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"]
ROWS = [["00001.jpg", 35.2, 52, 48, 50, 60, 40], ["00002.jpg", 100], ["11125.jpg", 0, 9]]
BOOK = "MOS and Image attribute scores.xlsx"


@pytest.fixture
def make(tmp_path, noise):
    def make(root=tmp_path / "spaq", *, rows=ROWS, folder="Annotations", suffix=".jpg"):
        for i, name in enumerate(("00001", "00002", "11125")):
            noise(root / "TestImage" / (name + suffix), i)
        (root / "TestImage" / "Thumbs.db").write_bytes(b"x")
        book = openpyxl.Workbook()
        for row in [HEADER, *rows]:
            book.active.append(row)
        book.create_sheet("Sheet2")
        (root / folder).mkdir(parents=True, exist_ok=True)
        book.save(root / folder / BOOK)
        # The other tables of the folder have no scores.
        (root / folder / "EXIF_tags.xlsx").write_bytes(b"")
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="spaq", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    assert [(r.image, r.mos) for r in labels.records] == [
        ("TestImage/00001.jpg", 35.2),
        ("TestImage/00002.jpg", 100.0),
        ("TestImage/11125.jpg", 0.0),
    ]
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 100.0), True)
    assert (labels.licence, labels.citation) == (spaq.FACTS.licence, spaq.FACTS.citation)
    assert "has 11125 scored images; this folder has 3" in caplog.text


@pytest.mark.parametrize(
    "variant", [{"folder": "annotations"}, {"folder": "."}, {"suffix": ".JPG"}, {"suffix": ".png"}]
)
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records
    assert [r.mos for r in found] == [r.mos for r in official]


def test_labels_alone_need_no_images(make, tmp_path):
    root = make()
    (root / "TestImage").rename(tmp_path / "elsewhere")
    assert read(root, labels_only=True).records[0].image == "00001.jpg"


def test_one_error_lists_all_faults(make):
    with pytest.raises(DataError) as error:
        read(make(rows=[*ROWS[:2], ["00001.JPG", 3], ["4.jpg", None], [None, 4], ["5.jpg", 1]]))
    message = str(error.value)
    assert "2 malformed label lines (sheet 'Sheet' row 5: '4.jpg, ', sheet 'Sheet' row" in message
    assert "1 names with more than one label (sheet 'Sheet' row 4: 00001.JPG)" in message
    assert "1 labels without an image (5.jpg)" in message
    assert "1 images without a label (TestImage/11125.jpg)" in message


def test_a_folder_of_annotations_without_the_scores(make):
    root = make()
    (root / "Annotations" / BOOK).unlink()
    with pytest.raises(DataError, match=r"has no 'MOS and Image.*holds EXIF_tags\.xlsx"):
        read(root)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "SPAQ")
    with pytest.raises(DataError, match=r"layout of SPAQ: TestImage, Ann.*Did you mean '.*SPAQ'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"range": (0.0, 1.0)}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'spaq'"):
        read(make(), **options)
