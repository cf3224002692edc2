"""`evaluate.selection=best_on_test`: it reads test to choose the epoch, and says so everywhere."""

import json

import pytest

from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT


def curve_of(path):
    rows = (path / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("val_srcc") if "val_srcc" in rows[0] else None
    return column, rows


def test_the_epoch_is_chosen_on_test_images_and_the_row_is_marked(hmtnet, tiny, tmp_path):
    words = ("stages=[grading]", "system.grading.epochs=3")
    found = {}
    for selection in ("validation", "best_on_test"):
        runs = tmp_path / selection
        done = hmtnet(*tiny(runs, *words, f"evaluate.selection={selection}"))
        assert done.code == 0, done.err
        (path,) = runs.glob("*/*/grading-*")
        found[selection] = (done.out, store.read_meta(path), (path / "metrics.csv").read_text())
    honest, marked = found["validation"], found["best_on_test"]
    assert "inflated" in marked[0] and "inflated" not in honest[0]
    assert (honest[1]["selection"], marked[1]["selection"]) == ("validation", "best_on_test")
    assert honest[1]["key"] != marked[1]["key"]
    assert honest[2] != marked[2]  # another subset was looked at after each epoch
    # What chose the epoch is remembered, so such a stage can never be tested on it elsewhere.
    assert marked[1]["seen"]["val"] != honest[1]["seen"]["val"]


@pytest.fixture(scope="module")
def chosen_on_test(hmtnet, tiny, tmp_path_factory):
    """A stage whose epoch the test images have chosen: what its training printed as JSON, where."""
    runs = tmp_path_factory.mktemp("chosen") / "runs"
    words = ("stages=[grading]", "evaluate.selection=best_on_test", "format=json")
    done = hmtnet(*tiny(runs, *words))
    assert done.code == 0, done.err
    (path,) = runs.glob("*/*/grading-*")
    return json.loads(done.out), path


def test_such_a_stage_may_not_be_evaluated_on_the_test_images_that_chose_it(
    hmtnet, chosen_on_test, tiny_root, tmp_path
):
    _, path = chosen_on_test
    on = ("data=qads", f"data.root={tiny_root}", "split=content", f"runs={tmp_path / 'other'}")
    done = hmtnet("evaluate", f"artifact={path}", *on, "trainer=cpu")
    assert done.code == BAD_INPUT and "has seen 4 of 4 test images" in done.err


def test_it_needs_test_images(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path / "runs", "split=all", "evaluate.selection=best_on_test"))
    assert done.code == BAD_INPUT and "split=all has no test images" in done.err


def test_json_says_so_too(chosen_on_test):
    document, _ = chosen_on_test
    (test,) = (r for r in document["results"] if r["name"] == "grading" and r["subset"] == "test")
    assert "inflated" in test["note"]
