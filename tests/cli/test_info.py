import json

import pytest

from hmtnet.artifact.predictions import read
from hmtnet.metrics import srcc


def test_the_card_says_what_the_scores_mean_and_what_was_measured(hmtnet, finished):
    folder = finished.stages["joint"]
    found = json.loads(hmtnet("info", folder, "--format", "json").out)
    assert (found["range"], found["best"], found["label_kind"]) == ([0.0, 1.0], 1.0, "human")
    test = read(folder / "predictions.csv").select("test")
    assert found["agreement"]["test"]["srcc"] == pytest.approx(srcc(test.score, test.mos))
    assert "train" not in found["agreement"]
    text = hmtnet("info", folder).out
    for part in ("given by people", "not needed", "1 × 1 tiles of 48 × 48", "licence", "On others"):
        assert part in text


def test_a_model_without_predictions_tells_what_validation_said(hmtnet, runs):
    (folder,) = runs.glob("*/*/joint-*")
    (folder / "predictions.csv").unlink()
    found = json.loads(hmtnet("info", folder, "--format", "json").out)
    assert list(found["agreement"]) == ["val"]


def test_no_model_is_one_message(hmtnet, tmp_path):
    done = hmtnet("info", tmp_path)
    assert (done.code, done.out) == (2, "") and "No finished stage" in done.err
    assert "No trained model" in hmtnet("models").out or "hmtnet-lite" in hmtnet("models").out
