"""An oracle is a bound: it and all that starts from it are marked, and nothing else is."""

import json

import pytest

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.errors import SettingsError
from hmtnet.scoring.restore import restore

ORACLE = "system.sfen.network.prior_source=oracle"


@pytest.fixture(scope="module")
def trained(hmtnet, tiny, tmp_path_factory):
    runs = tmp_path_factory.mktemp("oracle") / "runs"
    outcome = hmtnet(*tiny(runs, ORACLE))
    assert outcome.code == 0, outcome.err
    return outcome, runs


def one(runs, stage):
    (path,) = runs.glob(f"qads/*/{stage}-*")
    return path


def test_its_rows_say_what_it_is(trained, finished):
    assert "¹ reads the true grade of every image: a bound, not a result" in trained[0].out
    names = [line.split()[0] for line in trained[0].out.splitlines() if line]
    assert {"grading", "sfen¹", "joint¹"} <= set(names)
    assert "reads the true grade" not in finished.outcome.out


def test_stage_json_says_so_downstream_and_nowhere_else(trained, finished):
    found = {stage: store.read_meta(one(trained[1], stage))["oracle"] for stage in finished.stages}
    assert found == {"grading": False, "sfen": True, "joint": True}
    assert not any(store.read_meta(path)["oracle"] for path in finished.stages.values())


def test_an_honest_stage_refuses_it(trained, hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path / "own", f"upstream.sfen={one(trained[1], 'sfen')}"))
    assert done.code == BAD_INPUT and "another architecture" in done.err
    assert "'oracle'" in done.err


def test_the_score_follows_the_true_grade_of_test_images_too(trained):
    found = prediction_files.read(one(trained[1], "sfen") / "predictions.csv")
    assert found.subsets == ("train", "val", "test")
    meta = store.read_meta(one(trained[1], "sfen"))
    edges = [0.0, *meta["grades"]["edges_unit"], 1.0]
    network = restore(one(trained[1], "sfen")).network
    margin = network.sfen.settings.margin
    for score, grade in zip(found.score, found.true_grade, strict=True):
        # 1 % lies elsewhere, and features may lean a little.
        assert edges[grade] - margin - 0.05 <= score <= edges[grade + 1] + margin + 0.05


def test_an_evaluation_of_it_is_marked_too(trained, hmtnet, tiny_root, tmp_path):
    words = [f"artifact={one(trained[1], 'sfen')}", "data=qads", f"data.root={tiny_root}"]
    more = ["split=content", "trainer=cpu", f"runs={tmp_path / 'runs'}", "format=json"]
    done = hmtnet("evaluate", *words, *more)
    assert done.code == 0, done.err
    (path,) = (tmp_path / "runs").glob("qads/*/sfen-*")
    assert json.loads((path / "stage.json").read_text())["oracle"] is True


def test_it_cannot_judge_images_without_labels(trained, assess):
    import torch

    found = restore(one(trained[1], "sfen"))
    with pytest.raises(SettingsError, match="it reads the true grade"):
        assess(found.network, torch.zeros(3, 64, 64, dtype=torch.uint8), found.settings.crops)
