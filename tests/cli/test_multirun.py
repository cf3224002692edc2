"""Sweeps: what is shared, what is never read, and what a sweeper is told."""

import pytest

from hmtnet.artifact import predictions as prediction_files
from hmtnet.cli import chain as command
from hmtnet.cli.main import BAD_INPUT
from hmtnet.cli.trial import Outcome
from hmtnet.errors import HmtnetError
from hmtnet.storage import status as run_status
from hmtnet.storage import trials

SWEEP = ("-m", "system.sfen.optimizer.lr=1e-4,3e-4", "stages=[grading,sfen]")


@pytest.fixture(scope="module")
def swept(hmtnet, tiny, tmp_path_factory):
    """A sweep over stage 2: its outcome, and its folder of runs."""
    runs = tmp_path_factory.mktemp("swept") / "runs"
    outcome = hmtnet(*tiny(runs, *SWEEP))
    assert outcome.code == 0, outcome.err
    return outcome, runs


def directories(runs, stage):
    return sorted(runs.glob(f"qads/*/{stage}-*"))


def test_a_sweep_over_stage_2_trains_stage_1_once(swept):
    outcome, runs = swept
    assert outcome.err.count("grading: training") == 1
    assert outcome.err.count("grading: reused") == 1
    assert outcome.err.count("sfen: training") == 2
    assert len(directories(runs, "grading")) == 1 and len(directories(runs, "sfen")) == 2


def test_a_sweep_does_not_read_the_test_images(swept):
    outcome, runs = swept
    assert "subset" not in outcome.out  # one table at the end, of validation
    for path in [*directories(runs, "grading"), *directories(runs, "sfen")]:
        assert prediction_files.read(path / "predictions.csv").subsets == ("train", "val")


def test_a_trial_s_objective_is_the_last_stage_s(swept):
    _, runs = swept
    (folder,) = (runs / "sweeps").iterdir()
    found = {(trial.key, trial.val_srcc) for trial in trials.read_trials(folder)}
    kept = [run_status.read(path / "status.json") for path in directories(runs, "sfen")]
    assert len(found) == 2 and found == {(status.key, status.objective) for status in kept}


def test_test_images_are_predicted_afterwards_without_training(swept, hmtnet, tiny):
    _, runs = swept
    paths = [*directories(runs, "grading"), *directories(runs, "sfen")]
    written = [(path / "stage.safetensors").stat().st_mtime_ns for path in paths]
    done = hmtnet(*tiny(runs, *SWEEP, "evaluate.test=true"))
    assert done.code == 0 and ": training" not in done.err
    assert [*directories(runs, "grading"), *directories(runs, "sfen")] == paths
    for path in paths:
        assert prediction_files.read(path / "predictions.csv").subsets == ("train", "val", "test")
    assert [(path / "stage.safetensors").stat().st_mtime_ns for path in paths] == written


def test_several_devices_and_a_multirun_do_not_go_together(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path / "runs", *SWEEP, "trainer.devices=2"))
    assert done.code == BAD_INPUT
    assert "trainer.devices=2 under multirun" in done.err and "trainer.devices=1" in done.err
    assert not (tmp_path / "runs" / "qads").exists()


def test_every_job_that_fails_is_told_and_defects_keep_their_traceback(
    hmtnet, monkeypatch, tmp_path
):
    def job(settings, system):
        if settings.seed == 1:
            raise HmtnetError("The first is bad input.")
        if settings.seed == 2:
            raise ZeroDivisionError("the second is a defect")
        return Outcome(0.0, "key")

    monkeypatch.setattr(command, "run", job)
    done = hmtnet("train", "-m", "seed=1,2,0", f"runs={tmp_path}")
    assert done.code == BAD_INPUT
    told = done.err.split("Failed, and the others go on: ")
    assert len(told) == 3 and "seed=1" in told[1] and "seed=2" in told[2]
    assert "The first is bad input." in told[1] and "Traceback" not in told[1]
    assert "ZeroDivisionError: the second is a defect" in told[2] and "Traceback" in told[2]
