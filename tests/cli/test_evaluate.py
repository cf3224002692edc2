"""`hmtnet evaluate`: a finished stage on its own split, on another dataset, on what it has seen."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT


@pytest.fixture
def evaluate(hmtnet, finished, tiny_root, tmp_path):
    """Evaluate a finished stage; ``root`` is another folder in the layout of QADS."""

    def run(*words, stage="joint", root=tiny_root):
        artifact = finished.stages[stage]
        return hmtnet(
            *("evaluate", f"artifact={artifact}", "data=qads", f"data.root={root}"),
            *(f"runs={tmp_path / 'runs'}", "trainer=cpu", *words),
        )

    return run


@pytest.fixture
def other(tiny_root, tmp_path):
    """Another dataset: the same labels, other pictures."""
    root = shutil.copytree(tiny_root, tmp_path / "other")
    rng = np.random.default_rng(3)
    for path in root.rglob("*.png"):
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    return root


def only(folder):
    (path,) = folder.glob("runs/*/*/*/predictions.csv")
    return path.parent


def test_on_its_own_split_the_predictions_are_the_same(evaluate, finished, tmp_path):
    done = evaluate("split=content")
    assert done.code == 0 and "joint" in done.out, done.err
    own = prediction_files.read(finished.stages["joint"] / "predictions.csv").select("test")
    again = prediction_files.read(only(tmp_path) / "predictions.csv").select("test")
    assert again.image == own.image
    np.testing.assert_array_equal(again.score, own.score)
    np.testing.assert_array_equal(again.true_grade, own.true_grade)


def test_on_another_dataset_in_its_own_unit(evaluate, other, tmp_path):
    done = evaluate("data.name=theirs", "format=json", root=other)
    document = json.loads(done.out)
    assert (document["dataset"], document["split"][:6]) == ("theirs", "whole-")
    (result,) = document["results"]
    assert result["n"] == 24 and result["note"] == "trained on qads, whose scores have another unit"
    folder = only(tmp_path)
    meta = store.read_meta(folder)
    assert meta["dataset"]["name"] == "theirs" and meta["evaluated"]["dataset"] == "qads"
    assert (folder / meta["evaluated"]["path"] / "stage.safetensors").exists()
    assert not (folder / "stage.safetensors").exists()
    thumbnails = list((folder.parent / "thumbnails").iterdir())
    assert len(thumbnails) == 24
    before = (folder / "predictions.csv").stat().st_mtime_ns
    assert evaluate("data.name=theirs", root=other).code == 0  # reused
    assert (folder / "predictions.csv").stat().st_mtime_ns == before


def test_what_it_has_seen_is_refused_or_left_out(evaluate, tmp_path):
    done = evaluate()
    assert done.code == BAD_INPUT and "has seen 20 of 24 test images" in done.err
    assert not (tmp_path / "runs").exists()
    done = evaluate("drop_seen=true", "format=json")
    assert json.loads(done.out)["results"][0]["n"] == 4
    split = json.loads(done.out)["split"]
    told = store.read_meta(only(tmp_path))["split"]
    assert (told["id"], told["protocol"], told["variant"]) == (split, "whole", "whole-unseen")
    # What another stage has not seen either is the same split, and the same table.
    again = evaluate("drop_seen=true", "format=json", stage="sfen")
    assert json.loads(again.out)["split"] == split


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=all"], "split=all tests nothing"),
        (["split=cross"], "name that one (data=…) and use split=whole"),
        (["artifact=nowhere"], "nowhere"),
        (["drop=true"], "Did you mean 'drop_seen'?"),
    ],
)
def test_bad_input(evaluate, words, message, tmp_path):
    done = evaluate(*words)
    assert (done.code, done.out) == (BAD_INPUT, "") and message in done.err
    assert "Traceback" not in done.err and not (tmp_path / "runs").exists()
