"""Learning curves: written epoch by epoch, and read whatever has happened to the file."""

import csv

from hypothesis import example, given
from hypothesis import strategies as st

from hmtnet.artifact import curves

WHOLE = b"epoch,step,val/srcc,train/loss\n0,0,0.25,\n1,9,0.5,0.75\n2,18,nan,0.5\n"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_curve_that_appears_later_gets_its_column(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "ece": 0.1}, {"epoch": 3}]
    curves.write(path, rows)
    assert [row["ece"] for row in rows_of(path)] == ["", "0.1", ""]
    curves.write(path, rows[:1])
    assert path.read_bytes() == b"epoch,loss\n1,1.0\n"


def test_what_is_read_is_the_text_that_was_written(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_bytes(WHOLE)
    found = curves.read(path)
    assert list(found) == [0, 1, 2] and found[0]["train/loss"] == ""
    assert found[2] == {"epoch": "2", "step": "18", "val/srcc": "nan", "train/loss": "0.5"}


@given(place=st.integers(0, len(WHOLE)), cut=st.integers(0, 9), put=st.binary(max_size=4))
@example(place=0, cut=0, put=b"\xff\xfe")
@example(place=40, cut=0, put=b"\0")
@example(place=40, cut=0, put=b'"')
@example(place=31, cut=2, put=b"")
@example(place=0, cut=len(WHOLE), put=b"")
@example(place=40, cut=0, put=b"9" * 200_000)
def test_damaged_curves_are_read_or_refused(tmp_path_factory, place, cut, put):
    path = tmp_path_factory.mktemp("run") / "metrics.csv"
    path.write_bytes(WHOLE[:place] + put + WHOLE[place + cut :])
    try:
        found = curves.read(path)
    except ValueError:
        return
    assert list(found) == list(range(min(found), max(found) + 1))
