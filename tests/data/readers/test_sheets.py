import tracemalloc
import zipfile

import openpyxl
import pytest
import xlwt

from hmtnet.data.readers.sheets import read_sheet
from hmtnet.errors import DataError


def write(path, sheets):
    """Save sheets, each a title and its rows; None is an empty cell."""
    if path.suffix == ".xls":
        book = xlwt.Workbook()
        for title, rows in sheets.items():
            sheet = book.add_sheet(title)
            for number, row in enumerate(rows):
                for place, cell in enumerate(row):
                    if cell is not None:
                        sheet.write(number, place, cell)
        book.save(str(path))
        return path
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "A.XLSX"])
def test_the_header_is_found_below_and_beside_other_cells(tmp_path, name):
    rows = [
        ["Scores of the study"],
        [None],
        [None, " MOS", "Name ", "note", "mos"],
        [None, 0.5, " a.png ", "x", 9],
        [None, None, None, "no label"],
        [None, 3, 1600, None, 9],
        [None, None, "b.png"],
    ]
    path = write(tmp_path / name, {"notes": [["name"]], "scores": rows, "more": [["mos", "name"]]})
    assert read_sheet(path, ("name", "mos")) == [
        ("sheet 'scores' row 4", {"name": "a.png", "mos": 0.5}),
        ("sheet 'scores' row 6", {"name": 1600, "mos": 3}),
        ("sheet 'scores' row 7", {"name": "b.png", "mos": None}),
    ]


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls"])
def test_a_sheet_can_be_asked_for(tmp_path, name):
    sheets = {"one": [["mos"], [1]], "Two": [["mos"], [2]]}
    path = write(tmp_path / name, sheets)
    assert read_sheet(path, ["mos"]) == [("sheet 'one' row 2", {"mos": 1})]
    assert read_sheet(path, ["mos"], "two") == [("sheet 'Two' row 2", {"mos": 2})]
    with pytest.raises(DataError, match=r"No sheet 'three' of .* found 'one', 'Two'"):
        read_sheet(path, ["mos"], "three")


def test_a_missing_column_is_told_with_what_is_there(tmp_path):
    path = write(tmp_path / "a.xlsx", {"scores": [["image", "score"], ["a.png", 1]], "free": []})
    with pytest.raises(DataError) as error:
        read_sheet(path, ("image", "mos"))
    assert "No sheet of" in str(error.value) and "the columns 'image', 'mos'" in str(error.value)
    assert "found 'scores' (image, score), 'free' (empty)" in str(error.value)


def test_a_header_far_down_is_none(tmp_path):
    path = write(tmp_path / "a.xlsx", {"scores": [*[["x"]] * 20, ["mos"], [1]]})
    with pytest.raises(DataError, match="No sheet"):
        read_sheet(path, ["mos"])


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls"])
@pytest.mark.parametrize("content", [b"", b"<html>", b"PK\x03\x04 cut off"])
def test_a_damaged_file(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"cannot be read .* Copy it anew"):
        read_sheet(tmp_path / name, ["mos"])


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls"])
@pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.9, 0.98])
def test_a_truncated_file(tmp_path, capsys, name, part):
    path = write(tmp_path / name, {"scores": [["mos"], *[[k] for k in range(500)]]})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    with pytest.raises(DataError, match="cannot be read"):
        read_sheet(path, ["mos"])
    assert capsys.readouterr() == ("", "")


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_sheet(tmp_path / "a.xlsx", ["mos"])


def test_a_small_file_that_unpacks_to_much_is_refused_unread(tmp_path):
    path = write(tmp_path / "a.xlsx", {"scores": [["mos"], [1]]})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as book, book.open("x.xml", "w") as part:
        for _ in range(101):
            part.write(bytes(1_000_000))
    with pytest.raises(DataError, match=r"unpacked it has 10\d MB"):
        read_sheet(path, ["mos"])


def test_a_cell_far_to_the_right_or_down_is_refused(tmp_path, monkeypatch):
    for place in ("XFD1", "A300000"):
        book = openpyxl.Workbook()
        book.active["A1"], book.active[place] = "mos", 1
        book.save(tmp_path / "a.xlsx")
        with pytest.raises(DataError, match="more than 200000 rows, 1000 columns"):
            read_sheet(tmp_path / "a.xlsx", ["mos"])


def test_a_cell_in_the_last_corner_of_an_old_sheet_costs_no_more_than_itself(tmp_path):
    book = xlwt.Workbook()
    sheet = book.add_sheet("scores")
    for row, column, cell in ((0, 0, "mos"), (1, 0, 1.5), (65_535, 255, 7)):
        sheet.write(row, column, cell)
    book.save(str(tmp_path / "a.xls"))
    tracemalloc.start()
    rows = read_sheet(tmp_path / "a.xls", ["mos"])
    assert [row["mos"] for _, row in rows] == [1.5]
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()


def test_an_old_spreadsheet_of_a_gigabyte_is_refused_unread(tmp_path):
    with (tmp_path / "a.xls").open("wb") as stream:
        stream.truncate(10**9)  # sparse
    with pytest.raises(DataError, match=r"it has 1000 MB; at most 100 are read"):
        read_sheet(tmp_path / "a.xls", ["mos"])
