import functools
import random

import openpyxl
import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.waterloo import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

SCALES = (2, 4, 8)
REFERENCES = (1, 2, 3)
METHODS = range(1, 9)


def score_of(scale, reference, method):
    return scale + reference / 4 + (method * 5 % 8) / 100


def save_sheet(path, change=None):
    """Write pairs of rows: the images' numbers in order of their scores, and the scores."""
    rows = [["Ranking", None, None, "Scores"], []]
    for scale in SCALES:
        for reference in REFERENCES:
            order = sorted(METHODS, key=functools.partial(score_of, scale, reference))
            scores = [score_of(scale, reference, method) for method in order]
            rows += [[f"Image {reference}", None, "No.", *order], [None, None, "Score", *scores]]
        rows += [[], [f"after factor {scale}", 1, 2]]
    if change is not None:
        change(rows)
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)


@pytest.fixture
def make_waterloo(tmp_path, noise):
    """Make a folder in the layout of the Waterloo interpolated images, with 3 references."""

    def make(root=tmp_path / "waterloo", *, suffix=".bmp", change=None):
        for scale in SCALES:
            for reference in REFERENCES:
                for method in METHODS:
                    noise(root / f"factor{scale}" / str(reference) / f"{method}{suffix}", method)
        save_sheet(root / "rakningScores.xlsx", change)
        return root

    return make


def read_waterloo(root, **options):
    return read_labels(DataSettings(reader="waterloo", root=str(root), **options))


@pytest.mark.parametrize("variant", [{}, {"suffix": ".png"}, {"suffix": ".BMP"}])
def test_the_official_layout_is_read_whole(make_waterloo, noise, variant):
    root = make_waterloo(**variant)
    noise(root / "factor2" / "1" / "LR.bmp")  # not scored, and no fault
    labels = read_waterloo(root)
    suffix = variant.get("suffix", ".bmp")
    assert {record.image: record.mos for record in labels.records} == {
        f"factor{s}/{r}/{m}{suffix}": score_of(s, r, m)
        for s in SCALES
        for r in REFERENCES
        for m in METHODS
    }
    record = labels.records[-1]
    assert (record.reference, record.method, record.scale) == ("3", "8", 8)
    assert labels.mos_range == (0.0, 10.0) and labels.facts is FACTS


def test_labels_alone_need_no_images(make_waterloo, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    (make_waterloo() / "rakningScores.xlsx").rename(alone / "RAKNINGSCORES.xlsx")
    labels = read_waterloo(alone, labels_only=True)
    assert len(labels) == 72 and labels.records[0].image == "factor2/1/1.bmp"


def test_scores_that_look_like_numbers_of_images(make_waterloo):
    def change(rows):
        rows[3][3:] = random.Random(0).sample(range(1, 9), 8)

    labels = read_waterloo(make_waterloo(change=change))
    assert len(labels) == 72
    assert sorted(r.mos for r in labels.records if (r.scale, r.reference) == (2, "1")) == [
        *map(float, METHODS)
    ]


def test_missing_images(make_waterloo):
    root = make_waterloo()
    (root / "factor4" / "2" / "8.bmp").unlink()
    with pytest.raises(DataError, match=r"1 labels without an image \(factor4/2/8\.bmp\)"):
        read_waterloo(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[3].pop(), r"found no 8 scores below the numbers \["),
        (lambda rows: rows[3].__setitem__(5, "high"), r"found no 8 scores below"),
        (lambda rows: rows[2].__setitem__(5, 9), r"blocks of \[2, 3, 3\] references"),
        (lambda rows: rows.__delitem__(slice(8, 10)), r"blocks of \[6, 3\] references"),
        (lambda rows: rows.__delitem__(slice(16, None)), r"blocks of \[3, 3\] references"),
        (lambda rows: rows.__delitem__(slice(23, None)), r"blocks of \[3, 3, 2\] references"),
        (lambda rows: rows.clear(), r"blocks of \[\] references"),
    ],
)
def test_a_sheet_of_another_structure_is_refused(make_waterloo, change, message):
    with pytest.raises(DataError, match=rf"another structure than the reader knows.*{message}"):
        read_waterloo(make_waterloo(change=change))


def test_a_sheet_that_cannot_be_read(make_waterloo):
    root = make_waterloo()
    (root / "rakningScores.xlsx").write_text("no spreadsheet")
    with pytest.raises(DataError, match=r"rakningScores\.xlsx' cannot be read"):
        read_waterloo(root)


def test_a_score_beyond_the_scale(make_waterloo):
    root = make_waterloo(change=lambda rows: rows[3].__setitem__(4, 55))
    with pytest.raises(DataError, match=r"outside the declared range 0 to 10: factor2/1/\d\.bmp"):
        read_waterloo(root)


def test_a_wrong_folder_names_the_right_one(make_waterloo, tmp_path):
    make_waterloo(tmp_path / "outer" / "WIND")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/WIND'\?"):
        read_waterloo(tmp_path / "outer")


def test_settings_that_contradict_the_layout_are_refused(make_waterloo):
    with pytest.raises(SettingsError, match=r"data\.direction='lower'.*always has 'higher'"):
        read_waterloo(make_waterloo(), direction="lower")


def test_a_damaged_sheet_is_one_message(make_waterloo):
    root = make_waterloo()
    path = next(root.glob("*.xlsx"))
    whole = path.read_bytes()
    for damaged in (
        b"",
        b"PK",
        whole[: len(whole) // 2],
        whole.replace(b"PK\x01\x02", b"PK\x01\x03"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="cannot be read"):
            read_waterloo(root)
    book = openpyxl.Workbook()
    book.active["XFD1"] = 1
    book.save(path)
    with pytest.raises(DataError, match="1000 columns"):
        read_waterloo(root)
