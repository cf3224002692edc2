"""The ridge baseline by the command line: an epoch without an optimiser, and all that follows."""

import csv
import json
import warnings

import numpy as np
import pytest
import torch

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment import checkpoints, training
from hmtnet.models.ridge import RidgeNet
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore
from hmtnet.storage import status as run_status


@pytest.fixture(scope="module")
def outcome(hmtnet, one_stage, tmp_path_factory):
    """What the command said, what it warned of, and the run directory that it left."""
    runs = tmp_path_factory.mktemp("ridge") / "runs"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        done = hmtnet(*one_stage("ridge", runs))
    assert done.code == 0, done.err
    return done, warned, directory_of(runs)


@pytest.fixture
def solved(outcome):
    return outcome[2]


def directory_of(runs):
    (path,) = runs.glob("qads/*/ridge-*")
    return path


def test_it_is_one_stage_that_starts_from_nothing():
    (only,) = find_system("ridge").stages
    assert (only.name, only.after, only.borrows) == ("ridge", (), ())


def test_it_leaves_what_every_stage_leaves(solved):
    names = {"settings.yaml", "status.json", "metrics.csv", "predictions.csv", "scatter.svg"}
    names |= {"report.html"}
    assert {path.name for path in solved.iterdir()} == names | {
        "stage.safetensors",
        "scenes.safetensors",
        "stage.json",
        ".lock",
    }
    with (solved / "metrics.csv").open() as stream:
        (row,) = csv.DictReader(stream)
    assert (row["epoch"], row["step"]) == ("1", "4") and "lr" not in row
    meta = store.read_meta(solved)
    assert meta["val_srcc"] == pytest.approx(float(row["val/srcc"]), abs=1e-6)
    assert any(float(row["alpha"]) == pytest.approx(a) for a in meta["settings"]["loss"]["alphas"])
    status = run_status.read(solved / "status.json")
    assert (status.state, status.epoch, status.epochs) == ("finished", 1, 1)
    # Mean and deviation of three levels of 16 channels, and a bias.
    assert meta["cost"]["trained_parameters"] == 2 * 3 * 16 + 1 < meta["cost"]["parameters"]
    found = prediction_files.read(solved / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]


def test_the_bar_is_filled_and_lightning_does_not_complain(outcome):
    done, warned, _ = outcome
    (shown,) = [line for line in done.err.splitlines() if line.startswith("ridge 1/1: epoch 1/1")]
    assert shown.endswith("0:00 left")
    told = [str(warning.message) for warning in warned]
    for word in ("no optimizer", "returned `None`", "clipping", "eval mode"):
        assert not [text for text in told if word in text]


def test_what_is_restored_scores_as_predicted(solved, scores_of):
    restored = restore(solved)
    assert isinstance(restored.network, RidgeNet) and not restored.network.training
    found = prediction_files.read(solved / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("words", [["size.batch_size=7"], ["trainer.workers=1"]], ids=" ".join)
def test_batches_and_workers_change_no_prediction(hmtnet, one_stage, solved, tmp_path, words):
    assert hmtnet(*one_stage("ridge", tmp_path, *words)).code == 0
    ours, theirs = (
        prediction_files.read(path / "predictions.csv") for path in (directory_of(tmp_path), solved)
    )
    assert ours.image == theirs.image
    np.testing.assert_allclose(ours.score, theirs.score, rtol=0, atol=1e-6)


class Killed(BaseException):
    """Stands for a kill at an exact place: nothing in between may catch it."""


PLACES = {
    "before anything": ((training, "fit"), "training"),
    "before the checkpoint": ((checkpoints.ProvenCheckpoints, "save_checkpoint"), "training"),
    "after the only epoch": ((training, "predict"), "resuming"),
    "before the artifact": ((training.store, "save"), "resuming"),
}


@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_it_ends_the_same(hmtnet, one_stage, solved, tmp_path, place):
    def killed(*_, **__):
        raise Killed

    where, verb = PLACES[place]
    words = one_stage("ridge", tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*where, killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and f"ridge: {verb}" in done.err
    path = directory_of(tmp_path)
    ours, theirs = store.load(path).tensors, store.load(solved).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    for name in ("predictions.csv", "metrics.csv"):
        assert (path / name).read_bytes() == (solved / name).read_bytes()


def test_several_processes_are_refused_before_anything_is_written(hmtnet, one_stage, tmp_path):
    done = hmtnet(*one_stage("ridge", tmp_path / "runs", "trainer.devices=2"))
    assert done.code == BAD_INPUT
    assert "Stage 'ridge' is solved in closed form, by one process" in done.err
    assert "expected trainer.devices=1, found 2" in done.err
    assert not (tmp_path / "runs").exists()


def test_a_capped_run_is_capped(hmtnet, one_stage, tmp_path):
    words = ("trainer=debug", "trainer.accelerator=cpu", "format=json")
    done = hmtnet(*one_stage("ridge", tmp_path, *words))
    assert done.code == 0 and list(json.loads(done.out)["runs"]) == ["ridge"]
    found = prediction_files.read(directory_of(tmp_path) / "predictions.csv")
    assert len(found.select("train")) == 8  # two batches of four
