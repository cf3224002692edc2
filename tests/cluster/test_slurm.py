"""A sweep on a real Slurm: jobs pre-empted, cancelled and lost with their node, and completed."""

import csv
import time

import pytest

from hmtnet.cli.main import BAD_INPUT
from hmtnet.storage import trials

pytestmark = pytest.mark.full

LR = "system.joint.optimizer.lr"
GRID = (f"{LR}=1e-4,2e-4,5e-4,1e-3,2e-3,5e-3", "system.joint.epochs=25", "sweep_name=s")


def eventually(what, seconds=600):
    """Wait for something, and return it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds} s: {what}")


def rows(folder):
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_sweep_survives_preemption_cancelling_and_a_lost_node(
    slurm, hmtnet_process, tiny, tmp_path
):
    launcher = ["hydra/launcher=submitit_slurm", f"hydra.launcher.submitit_folder={tmp_path}/jobs"]
    launcher += ["hydra.launcher.timeout_min=60", "hydra.launcher.name=hmtnet"]
    words = tiny(tmp_path / "runs", "-m", *GRID, *launcher)
    folder = tmp_path / "runs" / "sweeps" / "s"

    def start():
        return hmtnet_process(*words, SLURM_CONF=slurm.environment["SLURM_CONF"])

    def training(*but):
        """Return the trials, other than some, that run and are at work."""
        at_work = {trial.number for trial in trials.read_trials(folder) if trial.state == "running"}
        return sorted(at_work & slurm.jobs("RUNNING").keys() - {*but})

    def states():
        return [trial.state for trial in trials.read_trials(folder)]

    driver = start()
    preempted = eventually(training)[0]
    job = slurm.jobs("RUNNING")[preempted]
    slurm.preempt(job)
    eventually(lambda: "Restarts=1" in slurm.run("scontrol", "show", "job", job))
    cancelled = eventually(lambda: training(preempted))[0]
    slurm.run("scancel", slurm.jobs("RUNNING")[cancelled])
    # Else it would be lost with its node, and queued again like the others.
    eventually(lambda: cancelled not in slurm.jobs("RUNNING,COMPLETING"))
    lost = eventually(training)
    slurm.fail_node()
    eventually(lambda: not {*lost} & slurm.jobs("RUNNING").keys())
    slurm.start_node()
    # The launcher waits for jobs in order, and gives up at the cancelled one; the others go on.
    _, told = driver.communicate(timeout=1800)
    assert driver.returncode == BAD_INPUT and "The launcher gave up" in told
    eventually(lambda: states().count("complete") == 5)
    assert states()[cancelled] == "interrupted"
    again = start()
    _, told = again.communicate(timeout=1800)
    assert again.returncode == 0, told
    found = rows(folder)
    assert [row["state"] for row in found] == ["complete"] * 6
    assert [row["trial"] for row in found] == list("012345")
    assert len({row["key"] for row in found}) == 6
    assert len(list((tmp_path / "runs").glob("qads/*/grading-*"))) == 1
