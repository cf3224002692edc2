"""A joint stage may end as it started: epoch 0 is chosen on validation like any other."""

import csv

import pytest
import torch

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.metrics import srcc
from hmtnet.storage import status as run_status

JOINT = "stages=[joint]"


def rows_of(path):
    with (path / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def joint(hmtnet, tiny, finished, tmp_path):
    """Train a joint stage anew, from finished ones."""

    def train(*words):
        given = [f"upstream.{name}={finished.stages[name]}" for name in ("grading", "sfen")]
        done = hmtnet(*tiny(tmp_path / "own", JOINT, *given, *words))
        assert done.code == 0, done.err
        (path,) = (tmp_path / "own").glob("*/*/joint-*")
        return done, path

    return train


def test_a_training_that_spoils_everything_leaves_what_it_started_from(joint, finished):
    done, path = joint("system.joint.optimizer.loaded_lr=9", "system.joint.optimizer.clip=0")
    rows = rows_of(path)
    assert [int(row["epoch"]) for row in rows] == [0, 1]
    scores = [float(row["val/srcc"]) for row in rows]
    assert not scores[1] >= scores[0]
    assert "no epoch beat its start" in done.err and store.read_meta(path)["kept_start"] is True
    assert "joint¹" in done.out and "¹ no epoch beat its start on validation" in done.out
    status = run_status.read(path / "status.json")
    assert status.objective == pytest.approx(scores[0], abs=1e-6)
    # The artifact is the two upstream ones, and says what the SFEN said.
    tensors = store.load(path).tensors
    for name in ("grading", "sfen"):
        for key, tensor in store.load(finished.stages[name]).tensors.items():
            prefix = f"{name}." if name == "grading" else ""
            assert torch.equal(tensors[prefix + key], tensor), key
    found = prediction_files.read(path / "predictions.csv")
    start = prediction_files.read(finished.stages["sfen"] / "predictions.csv")
    assert found.score.tolist() == start.score.tolist()


def test_the_start_is_judged_as_the_stage_before_was(finished):
    rows = rows_of(finished.stages["joint"])
    before = prediction_files.read(finished.stages["sfen"] / "predictions.csv").select("val")
    expected = srcc(before.score, before.mos)
    assert float(rows[0]["val/srcc"]) == pytest.approx(expected, abs=1e-7)
    assert [rows[0]["epoch"], rows[0]["step"], rows[0]["train/loss"]] == ["0", "0", ""]


def test_stages_with_random_weights_have_no_epoch_zero(finished):
    for name in ("grading", "sfen"):
        assert rows_of(finished.stages[name])[0]["epoch"] == "1"
