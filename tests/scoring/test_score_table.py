from dataclasses import replace

import pytest

from hmtnet.errors import DataError
from hmtnet.scoring.score_table import COLUMNS, Row, ScoreFile, as_csv, best_first

ROW = Row(
    image="a, b.png",
    score=1 / 3,
    unit_score=0.1 + 0.2,
    grade=None,
    grade_probability=None,
    width=640,
    height=480,
    seen=0.5,
    predicts="MOS, 1 to 5, 5 is best",
    model="hmtnet-lite",
    model_digest="0" * 16,
    image_digest="1e10000000000000",
)
OTHER = replace(ROW, image="é.png", unit_score=0.9, grade=3, grade_probability=0.75)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "scores.csv"


@pytest.fixture
def kept(path):
    file = ScoreFile(path)
    assert not path.parent.exists()  # nothing before the first row
    file.append(ROW)
    file.append(OTHER)
    return path


def test_each_row_is_on_the_disk_at_once_and_comes_back_to_the_last_bit(path):
    file = ScoreFile(path)
    for count, row in enumerate([ROW, OTHER], start=1):
        file.append(row)
        assert list(ScoreFile(path).rows.values()) == [ROW, OTHER][:count]


def test_what_an_interrupted_write_has_left_is_not_counted_and_cut_off(kept):
    text = kept.read_bytes()
    kept.write_bytes(text[:-5])
    file = ScoreFile(kept)
    assert list(file.rows) == [ROW.image]
    file.append(OTHER)
    assert kept.read_bytes() == text


def test_the_last_row_of_an_image_counts_and_the_others_go_at_the_end(kept):
    newer = replace(ROW, score=2.0, model_digest="2" * 16)
    ScoreFile(kept).append(newer)
    file = ScoreFile(kept)
    assert file.rows[ROW.image] == newer
    file.finish(sort=False)
    assert kept.read_text(encoding="utf-8") == as_csv([newer, OTHER])


def test_sorting_puts_the_best_first(kept):
    ScoreFile(kept).finish(sort=True)
    assert list(ScoreFile(kept).rows.values()) == [OTHER, ROW] == best_first([ROW, OTHER])


def test_a_spreadsheet_programs_byte_order_mark_is_passed_over(kept):
    kept.write_bytes(b"\xef\xbb\xbf" + kept.read_bytes())
    assert len(ScoreFile(kept).rows) == 2


FOREIGN = ["image,mos\na.png,3\n", ",".join(COLUMNS) + "\na.png,3\n", "\x00\xff", "no line end"]


@pytest.mark.parametrize("text", FOREIGN)
def test_another_file_is_left_as_it_is(tmp_path, text):
    path = tmp_path / "scores.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="something else than scores"):
        ScoreFile(path)
    assert path.read_bytes() == text.encode("latin-1")


def test_a_row_with_a_wrong_number_is_another_file(kept):
    kept.write_text(as_csv([ROW]).replace("480", "tall"), encoding="utf-8")
    with pytest.raises(DataError, match="expected a whole number, found 'tall'"):
        ScoreFile(kept)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(DataError, match=r"is a folder\. Give a file"):
        ScoreFile(tmp_path)


def test_what_cannot_be_written_is_told(kept):
    file = ScoreFile(kept)
    kept.unlink()
    kept.mkdir()
    with pytest.raises(DataError, match=r"cannot be written: .*the same command goes on"):
        file.append(ROW)
