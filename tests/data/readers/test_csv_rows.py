import pytest

from hmtnet.data.facts import Facts
from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.csv_rows import read_csv, text_of
from hmtnet.data.readers.layout import Table
from hmtnet.errors import DataError


@pytest.fixture
def faults(tmp_path):
    facts = Facts(
        title="Fake",
        images=1,
        range=(0.0, 1.0),
        higher_is_better=True,
        licence="",
        citation="",
        obtained="Fake is made here.",
    )
    return Faults(tmp_path, facts, "")


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_line_ends(tmp_path, faults, encoding, separator, line_end):
    lines = [["more", " image NAME", "MOS", ""], ["x", "é 1.jpg", "0.25", ""], []]
    text = line_end.join(separator.join(cells) for cells in lines) + line_end
    rows = read_csv(write(tmp_path, text, encoding), ("Image name", "mos"), faults)
    assert rows == [("labels.csv line 2", {"Image name": "é 1.jpg", "mos": "0.25"})]
    faults.check()


def test_a_quoted_separator_is_text(tmp_path, faults):
    path = write(tmp_path, 'name,mos\n"a, b.jpg",1\n')
    (label,) = Table(files=("labels.csv",), image="name", mos="mos").read(path, faults)
    assert (label.name, label.mos) == ("a, b.jpg", 1.0)


def test_rows_that_do_not_fit_the_header_are_faults(tmp_path, faults):
    path = write(tmp_path, "name,mos\na, b.jpg,1\nc.jpg\nd.jpg,0.5\n")
    assert len(read_csv(path, ("name", "mos"), faults)) == 1
    with pytest.raises(DataError, match=r"2 malformed label lines \(labels\.csv line 2: 'a,b"):
        faults.check()


def test_a_missing_column_is_named(tmp_path, faults):
    with pytest.raises(DataError, match=r"no column 'mos' in its header \(name, moss\).*'moss'"):
        read_csv(write(tmp_path, "name,moss\n"), ("name", "mos"), faults)
    with pytest.raises(DataError, match=r"header \(empty\)"):
        read_csv(write(tmp_path, ""), ("name", "mos"), faults)


@pytest.mark.parametrize("mos", ["", "high", "nan", "inf", None])
def test_rows_without_a_score(mos, faults):
    table = Table(files=("labels.csv",), image="n", mos="mos")
    assert table.label_of("row 7", {"n": "a", "mos": mos}, faults) is None
    with pytest.raises(DataError, match=r"1 malformed label lines \(row 7: 'a, "):
        faults.check()


def test_labels_have_the_cells_as_text(faults):
    row = {"image": 1600.0, "level": 2, "mos": 0.5, "note": None}
    table = Table(
        files=("labels.xlsx",), image="image", mos="mos", name=lambda r: rf"f\{text_of(r['image'])}"
    )
    label = table.label_of("row 1", row, faults)
    assert (label.name, label.mos, label.where) == ("f/1600", 0.5, "row 1")
    assert label.others == {"image": "1600", "level": "2", "mos": "0.5", "note": ""}


def test_excels_line_about_the_separator_is_none(tmp_path, faults):
    path = write(tmp_path, "sep=;\r\nname;mos\r\na.png;1\r\n")
    assert read_csv(path, ("name", "mos"), faults) == [
        ("labels.csv line 3", {"name": "a.png", "mos": "1"})
    ]


@pytest.mark.parametrize("rest", [200_000 * "a", "b.png,2\n"])
def test_a_quote_that_never_closes_is_a_message(tmp_path, faults, rest):
    path = write(tmp_path, f'name,mos\na.png,1\n"{rest}')
    with pytest.raises(DataError, match=r"from line 3 on .*quote"):
        read_csv(path, ("name", "mos"), faults)
