"""The plain baseline by the command line: chosen like any other system."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.experiment import training
from hmtnet.metrics import mapped_plcc, within_tau
from hmtnet.models.plain import PlainNet
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore

EPOCHS = "system.plain.epochs=2"


@pytest.fixture(scope="module")
def trained(hmtnet, one_stage, tmp_path_factory):
    """The run directory of a finished plain stage."""
    runs = tmp_path_factory.mktemp("plain") / "runs"
    done = hmtnet(*one_stage("plain", runs, EPOCHS))
    assert done.code == 0, done.err
    (path,) = runs.glob("qads/*/plain-*")
    return path


def test_it_is_one_stage_that_starts_from_nothing():
    (only,) = find_system("plain").stages
    assert (only.name, only.after, only.borrows) == ("plain", (), ())


@pytest.mark.parametrize("system", ["plain", "ridge"])
@pytest.mark.parametrize("mos", ["0.5", "binary"])
def test_labels_that_cannot_be_graded_train_a_system_without_grades(
    hmtnet, one_stage, tiny_root, tmp_path, system, mos
):
    root = shutil.copytree(tiny_root, tmp_path / "qads")
    (labels,) = (path for path in root.iterdir() if path.is_file())
    lines = [line.split() for line in labels.read_text().splitlines()]
    scores = [mos if mos != "binary" else str(i % 2) for i in range(len(lines))]
    rows = [f"{score} {name}" for score, (_, name) in zip(scores, lines, strict=True)]
    labels.write_text("\n".join(rows))
    done = hmtnet(*one_stage(system, tmp_path / "runs", f"data.root={root}"))
    assert done.code == 0, done.err
    assert f"No grades, which {system} does not need" in done.err
    (path,) = (tmp_path / "runs").glob(f"qads/*/{system}-*")
    meta = store.read_meta(path)
    assert meta["grades"]["edges_unit"] == []
    assert (meta["val_srcc"] is None) == (mos == "0.5")
    report = hmtnet("report", str(tmp_path / "runs"), "--output", str(tmp_path / "report"))
    assert report.code == 0, report.err


def test_it_leaves_what_every_stage_leaves(trained):
    names = {"settings.yaml", "status.json", "metrics.csv", "predictions.csv", "scatter.svg"}
    names |= {"report.html"}
    assert {path.name for path in trained.iterdir()} == names | {
        "stage.safetensors",
        "scenes.safetensors",
        "stage.json",
        ".lock",
    }
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"], meta["upstream"]) == ("plain", "plain", {})
    assert meta["grade_accuracy"] is None and np.isfinite(meta["val_srcc"])
    found = prediction_files.read(trained / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]
    assert found.probabilities.shape == (24, 0)
    with (trained / "metrics.csv").open() as file:
        epochs = list(csv.DictReader(file))
    chosen = max(epochs, key=lambda epoch: float(epoch["val/srcc"]))
    val = found.select("val")
    assert float(chosen["val/mapped_plcc"]) == pytest.approx(
        mapped_plcc(val.score, val.mos).value, abs=1e-4
    )
    cells = list(zip(val.method, val.scale, strict=True))
    assert float(chosen["val/within_tau"]) == pytest.approx(
        within_tau(val.score, val.mos, cells), nan_ok=True
    )


def test_what_is_restored_scores_as_predicted(trained, scores_of):
    restored = restore(trained)
    assert isinstance(restored.network, PlainNet)
    found = prediction_files.read(trained / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


def test_killed_after_an_epoch_it_resumes_to_the_same_bits(hmtnet, one_stage, trained, tmp_path):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    words = one_stage("plain", tmp_path, EPOCHS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "predict", killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and "plain: resuming" in done.err
    (path,) = tmp_path.glob("qads/*/plain-*")
    ours, theirs = store.load(path).tensors, store.load(trained).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_scoring_it_needs_no_lightning():
    code = (
        "import sys, hmtnet.scoring.restore; from hmtnet.models.system import find_system; "
        "find_system('plain'); find_system('ridge'); print('lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
