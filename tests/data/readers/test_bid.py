import openpyxl
import pytest
import xlwt

from hmtnet.data.readers import bid, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

# The average is followed by the grades of single raters, not as many for each image.
HEADER = ["Image Number", "Average Subjective Grade", "", "Individual Grades"]
ROWS = [[1, 3.0227, "", 3, 2.5], [2, 0, "", 0], [586, 5, "", 5, 5, 5]]


def write_grades(path, rows):
    if path.suffix == ".xls":
        book = xlwt.Workbook()
        sheet = book.add_sheet("Plan1")
        for number, row in enumerate([HEADER, *rows]):
            for place, cell in enumerate(row):
                sheet.write(number, place, cell)
        book.add_sheet("Plan2")
        book.save(str(path))
    elif path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        for row in [HEADER, *rows]:
            book.active.append(row)
        book.save(path)
    else:
        lines = [",".join(str(cell) for cell in row[:2]) for row in [HEADER, *rows]]
        path.write_bytes("\r\n".join(lines).encode("utf-8-sig"))


@pytest.fixture
def make(tmp_path, noise):
    def make(root=tmp_path / "bid", *, rows=ROWS, grades="DatabaseGrades.xls", suffix=".JPG"):
        for i, number in enumerate((1, 2, 586)):
            noise(root / "ImageDatabase" / f"DatabaseImage{number:04d}{suffix}", i)
        (root / "ImageDatabase" / "Thumbs.db").write_bytes(b"x")
        write_grades(root / grades, rows)
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="bid", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    assert [(r.image, r.mos) for r in labels.records] == [
        ("ImageDatabase/DatabaseImage0001.JPG", 3.0227),
        ("ImageDatabase/DatabaseImage0002.JPG", 0.0),
        ("ImageDatabase/DatabaseImage0586.JPG", 5.0),
    ]
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 5.0), True)
    assert (labels.licence, labels.citation) == (bid.FACTS.licence, bid.FACTS.citation)
    assert "has 586 scored images; this folder has 3" in caplog.text


@pytest.mark.parametrize(
    "variant",
    [
        {"grades": "DatabaseGrades.xlsx"},
        {"grades": "DatabaseGrades.csv"},
        {"grades": "DatabaseGrades.csv", "rows": [[float(r[0]), r[1]] for r in ROWS]},
        {"suffix": ".jpg"},
        {"suffix": ".png"},
    ],
)
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records
    assert [r.mos for r in found] == [r.mos for r in official]


def test_labels_alone_need_no_images(make, tmp_path):
    root = make()
    (root / "ImageDatabase").rename(tmp_path / "elsewhere")
    assert read(root, labels_only=True).records[0].image == "DatabaseImage0001.JPG"


@pytest.mark.parametrize("grades", ["DatabaseGrades.xls", "DatabaseGrades.xlsx"])
def test_one_error_lists_all_faults(make, grades):
    rows = [*ROWS[:2], [1, 4], ["three", 3], [4, "high"], [5, 2]]
    with pytest.raises(DataError) as error:
        read(make(rows=rows, grades=grades))
    message = str(error.value)
    assert "2 malformed label lines" in message
    assert "row 5: 'three, 3'" in message and "row 6: '4, high'" in message
    assert "1 names with more than one label" in message and "row 4: DatabaseImage0001" in message
    assert "1 labels without an image (DatabaseImage0005.JPG)" in message
    assert "1 images without a label (ImageDatabase/DatabaseImage0586.JPG)" in message


def test_numbers_of_any_length_make_a_name(make):
    rows = [["0001", 3.5], ["9" * 5000, 1]]
    with pytest.raises(DataError, match="1 names that no file can have") as error:
        read(make(rows=rows, grades="DatabaseGrades.csv"))
    assert "2 images without a label" in str(error.value)  # of three


def test_a_damaged_spreadsheet(make):
    root = make()
    (root / "DatabaseGrades.xls").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"spreadsheet '.*DatabaseGrades\.xls' cannot be read"):
        read(root)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "BID")
    with pytest.raises(DataError, match=r"layout of BID: ImageDatabase, D.*Did you mean '.*BID'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"range": (0.0, 1.0)}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'bid'"):
        read(make(), **options)
