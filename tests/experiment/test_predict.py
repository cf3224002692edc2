"""Predictions: the same whatever was looked at together."""

import csv

import pytest
import torch

from hmtnet.experiment.devices import device_of
from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.models.reproducible import reproducible


def scores(folder):
    with (folder / "predictions.csv").open(newline="") as stream:
        return {row["image"]: float(row["score"]) for row in csv.DictReader(stream)}


def test_what_is_judged_together_changes_no_score(hmtnet, tiny, finished, tmp_path, monkeypatch):
    monkeypatch.setattr("hmtnet.models.quality.PIXELS_AT_ONCE", 2 * 48 * 48)
    done = hmtnet(*tiny(tmp_path / "runs"))
    assert done.code == 0, done.err
    for stage, folder in finished.stages.items():
        (found,) = (tmp_path / "runs").glob(f"*/*/{folder.name}")
        assert stage in found.name and scores(found) == pytest.approx(scores(folder), abs=1e-6)


@pytest.mark.parametrize("there", [True, False])
def test_where_is_where_training_is(monkeypatch, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    kinds = [device_of(TrainerSettings(accelerator=name)).type for name in ("auto", "cpu", "gpu")]
    assert kinds == ["cuda" if there else "cpu", "cpu", "cuda"]


def test_a_gpu_computes_in_float32_and_one_way(monkeypatch):
    def state():
        cudnn = torch.backends.cudnn
        return cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark

    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = state()
    with reproducible(torch.device("cuda")):
        assert state() == (False, True, False)
    assert state() == before
    with reproducible(torch.device("cpu")):
        assert state() == before
