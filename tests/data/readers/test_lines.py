import pytest
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.lines import Label, number_in, once_each, read_label_lines
from hmtnet.data.readers.qads import FACTS
from hmtnet.errors import DataError


@pytest.fixture
def faults(tmp_path):
    return Faults(tmp_path, FACTS, "A hint.")


def test_lines_are_read_with_their_places(tmp_path, faults):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"\xef\xbb\xbf0.5 a\\b.png one\r\n\r\n 1e-1\tc.png  two\r\n0 d.png x")
    labels = read_label_lines(path, ("mos", "name", "kind"), faults)
    faults.check()
    assert [(label.name, label.mos, label.where) for label in labels] == [
        ("a/b.png", 0.5, "line 1"),
        ("c.png", 0.1, "line 3"),
        ("d.png", 0.0, "line 4"),
    ]
    assert [label.others["kind"] for label in labels] == ["one", "two", "x"]


def test_names_with_blanks_need_a_separator(tmp_path, faults):
    path = tmp_path / "labels.txt"
    path.write_text("my image (1).png # 4.5\n")
    (label,) = read_label_lines(path, ("name", "mos"), faults, "#")
    assert (label.name, label.mos) == ("my image (1).png", 4.5)


def test_malformed_lines_are_all_named(tmp_path, faults):
    path = tmp_path / "labels.txt"
    path.write_text("0.5\nhigh a.png\n0.5 a.png b\n#1 a.png\nnan a.png\ninf a.png\n")
    assert read_label_lines(path, ("mos", "name"), faults) == []
    with pytest.raises(DataError, match=r"6 malformed label lines \(line 1: '0\.5', line 2: 'high"):
        faults.check()


def test_one_of_several_files_is_named(tmp_path, faults):
    path = tmp_path / "A0001.txt"
    path.write_text("a.png,1\nb.png\n")
    (label,) = read_label_lines(path, ("name", "mos"), faults, ",", several=True)
    assert label.where == "A0001.txt line 1"
    with pytest.raises(DataError, match=r"\(A0001\.txt line 2: 'b\.png'\)"):
        faults.check()


def test_an_empty_name_is_malformed(tmp_path, faults):
    path = tmp_path / "labels.txt"
    path.write_text("#1.0\n")
    assert read_label_lines(path, ("name", "mos"), faults, "#") == []
    with pytest.raises(DataError, match="1 malformed label lines"):
        faults.check()


def test_names_are_sorted_and_counted_without_letter_case(faults):
    labels = [Label("b.png", 1, "line 1"), Label("A.png", 2, "line 2"), Label("B.PNG", 3, "line 3")]
    assert [label.name for label in once_each(labels, faults)] == ["A.png", "B.PNG"]
    with pytest.raises(DataError, match=r"more than one label \(line 3: B\.PNG\)"):
        faults.check()


def test_a_name_that_no_file_can_have_is_named(faults):
    longest, longer = "a/" + "9" * 255, "9" * 5000
    labels = [Label(longest, 1, "line 1"), Label(longer, 2, "line 2")]
    assert [label.name for label in once_each(labels, faults)] == [longest]
    with pytest.raises(DataError, match=r"1 names that no file can have \(line 2: '9{50}' …\)"):
        faults.check()


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back(value):
    assert number_in(repr(value)) == value


@pytest.mark.parametrize("text", ["", "high", "1,5", "nan", "inf", "-Infinity", "1e999"])
def test_what_is_no_finite_number(text):
    assert number_in(text) is None
