"""Scores of some metric, joined to a dataset's records."""

import numpy as np
import pytest

from hmtnet.data.labels import Labels
from hmtnet.data.record import Record
from hmtnet.data.scores import read_scores
from hmtnet.errors import DataError

NAMES = ("x2/a.png", "x4/a.png", "x4/b.png")


@pytest.fixture
def labels(tmp_path):
    return Labels(
        name="set",
        root=tmp_path,
        records=tuple(Record(image=name, mos=1.0) for name in NAMES),
        label_kind="human",
        mos_range=(0, 1),
        higher_is_better=True,
    )


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "scores.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_images_are_found_by_name_or_by_its_end_and_columns_by_their_numbers(labels, table):
    path = table(
        "\ufeffimage,niqe,note,lpips\nb.png,3.5,sharp,\n./x4/a.png,-1e-2,,nan\nmy\\x2\\a.png,,x,0.1\n"
    )
    found = read_scores(path, labels)
    assert list(found) == ["niqe", "lpips"]
    np.testing.assert_array_equal(found["niqe"], [np.nan, -0.01, 3.5])
    np.testing.assert_array_equal(found["lpips"], [0.1, np.nan, np.nan])
    assert list(read_scores(path, labels, columns=["lpips"])) == ["lpips"]
    for separated in ('"image","niqe"\n"b.png","3.5"\n', "image;niqe\nb.png;3.5\n"):
        assert read_scores(table(separated), labels)["niqe"][2] == 3.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("image,niqe\nc.png,1\n", r"1 rows name no image of 'set', such as x2/a.png: c.png"),
        ("image,niqe\nx/a.png,1\n", r"may mean several images.*a.png"),
        ("image,niqe\nb.png,1\nx4/b.png,2\n", "are given twice: x4/b.png"),
        ("name,niqe\nb.png,1\n", "no column 'image'"),
        ("image,note\nb.png,good\n", "no score in any column"),
        ("image,niqe\nb.png,1,2\n", "ragged rows: 2"),
        ("image,niqe,niqe\nb.png,1,2\n", "columns twice: niqe"),
        ("image,niqe\n", "hold no row"),
        ("image,niqe\nb.png,inf\n", "no score in any column"),
    ],
)
def test_what_is_no_such_table_is_told(labels, table, text, told):
    with pytest.raises(DataError, match=told):
        read_scores(table(text), labels)


def test_a_chosen_column_must_hold_numbers(labels, table):
    path = table("image,niqe\nb.png,1\nx4/a.png,bad\n")
    with pytest.raises(DataError, match=r"line 3, column 'niqe'.*'bad'"):
        read_scores(path, labels, columns=["niqe"])
    with pytest.raises(DataError, match=r"no column 'niqo'. Did you mean 'niqe'"):
        read_scores(path, labels, columns=["niqo"])
    with pytest.raises(DataError, match="cannot be read"):
        read_scores(path.parent / "none.csv", labels)
