import dataclasses
import json
import math

import numpy as np
import pytest

from hmtnet.errors import DataError
from hmtnet.report.numbers.summary import Summary, summarise
from hmtnet.report.render.closing import Row, as_records, closing_table, heading

SUMMARY = Summary(
    n=72,
    srcc=0.91234,
    plcc=0.9,
    krcc=-0.0512,
    rmse=12.3456,
    within_tau=0.25,
    within_srcc=0.375,
    accuracy=0.7123,
    adjacent_accuracy=1.0,
    kappa=0.8,
    ece=0.04,
)
BASELINE = dataclasses.replace(
    SUMMARY,
    within_tau=math.nan,
    within_srcc=math.nan,
    accuracy=math.nan,
    adjacent_accuracy=math.nan,
)


def body(table: str) -> list[str]:
    """The lines of the rows."""
    return table.split("─\n")[1].split("\n\n", maxsplit=1)[0].splitlines()


def test_the_columns_in_their_order():
    table = closing_table([Row("grading", SUMMARY, SUMMARY)])
    header = table.splitlines()[0]
    titles = ["SRCC", "PLCC", "KRCC", "RMSE", "within-τ", "within-SRCC", "accuracy", "±1 accuracy"]
    places = [header.index(title) for title in titles]
    assert places == sorted(places)
    assert body(table)[0].replace(" %", "%").split() == [
        "grading", "0.912", "0.900", "-0.051", "12.346", "0.250", "0.375", "71.2%", "100.0%"
    ]  # fmt: skip


def test_lines_are_aligned_and_fit():
    rows = [
        Row("label-only", BASELINE, BASELINE, note="a note " * 40),
        Row("a system whose name is longer than the column", SUMMARY, SUMMARY, note="b"),
        Row("joint", dataclasses.replace(SUMMARY, rmse=1234.5), dataclasses.replace(SUMMARY)),
    ]
    for subset in ("val", "test"):
        lines = closing_table(rows, heading("demo", "content", subset, 72, "pseudo"), subset)
        assert max(map(len, lines.splitlines())) <= 100
        assert len({len(line) for line in body(lines)}) == 1
    assert "a system whose name …²" in lines


def test_undefined_is_a_dash_with_its_meaning_below():
    table = closing_table([Row("label-only", BASELINE, BASELINE)])
    assert body(table)[0].split()[-4:] == ["–"] * 4
    assert "– undefined (a constant prediction" in table
    assert "nan" not in table.lower()
    assert "– undefined" not in closing_table([Row("full–range", SUMMARY, SUMMARY)])


def test_notes_are_numbered_and_shared():
    rows = [
        Row("a", SUMMARY, SUMMARY, note="reused"),
        Row("b", SUMMARY, SUMMARY),
        Row("c", SUMMARY, SUMMARY, note="selected on test"),
        Row("d", SUMMARY, SUMMARY, note="reused"),
    ]
    table = closing_table(rows)
    assert [line.split()[0] for line in body(table)] == ["a¹", "b", "c²", "d¹"]
    assert table.splitlines()[-2:] == ["¹ reused", "² selected on test"]


def test_the_subset_shown_is_the_one_asked_for():
    row = Row("a", SUMMARY, dataclasses.replace(SUMMARY, srcc=0.5))
    assert "0.500" in closing_table([row])
    assert "0.500" not in closing_table([row], subset="val")
    unread = closing_table([Row("a", SUMMARY)])
    assert body(unread)[0].split() == ["a", *["–"] * 8]
    assert "not read" in unread


def test_rows_over_other_images_are_refused():
    rows = [Row("a", SUMMARY, SUMMARY), Row("b", SUMMARY, dataclasses.replace(SUMMARY, n=70))]
    with pytest.raises(DataError, match=r"test: expected rows over the same images, .*b: 70"):
        closing_table(rows)
    assert closing_table(rows, subset="val")


def test_the_heading_says_what_a_reader_must_know():
    text = heading("demo", "image", "val", 1, "pseudo", leaky=True)
    for part in ("demo", "'image' (leaky)", "val subset", "1 image,", "pseudo-MOS, not human"):
        assert part in text
    text = heading("QADS", "content", "test", 196, "human")
    assert "196 images" in text
    assert "human scores" in text
    assert "leaky" not in text
    assert "pseudo" not in text
    assert closing_table([Row("a", SUMMARY, SUMMARY)], text).startswith(text + "\n")


def test_records_are_json_with_null_for_undefined(predictions):
    summary = summarise(predictions(score=np.full(60, 0.5)), "test")
    records = as_records([Row("a", SUMMARY, summary, "n"), Row("b", SUMMARY)])
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [(r["name"], r["subset"], r["note"]) for r in records] == [
        ("a", "val", "n"), ("a", "test", "n"), ("b", "val", "")
    ]  # fmt: skip
    assert records[1]["srcc"] is None
    assert records[0] == {"name": "a", "subset": "val", "note": "n", **dataclasses.asdict(SUMMARY)}
