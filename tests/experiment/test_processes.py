"""Several processes on one stage: who leads, who helps, and what they leave."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from hmtnet.artifact import curves, store
from hmtnet.artifact import predictions as prediction_files
from hmtnet.experiment.processes import is_helper, wait_for_leader
from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status


@pytest.mark.parametrize(
    ("devices", "ranks", "expected"),
    [
        (1, {}, False),
        (2, {}, False),
        (2, {"LOCAL_RANK": "0"}, False),
        (2, {"LOCAL_RANK": "1"}, True),
        (2, {"SLURM_PROCID": "1"}, True),
        (1, {"SLURM_PROCID": "3"}, False),  # a task of its own among others
        (1, {"LOCAL_RANK": "1"}, False),
    ],
)
def test_who_helps(monkeypatch, devices, ranks, expected):
    for name in ("LOCAL_RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ranks.items():
        monkeypatch.setenv(name, value)
    assert is_helper(TrainerSettings(devices=devices)) is expected


def test_a_helper_leaves_with_a_leader_that_failed(tmp_path):
    directory = RunDirectory(tmp_path)
    run_status.write(directory.status, Status.begin("sfen", "k", 1).then(state="failed"))
    with pytest.raises(SystemExit):
        wait_for_leader(directory)


def test_a_helper_goes_on_when_the_stage_is_finished(tmp_path):
    directory = RunDirectory(tmp_path)
    store.save(tmp_path, {}, {})
    run_status.write(directory.status, Status.begin("sfen", "k", 1).then(state="finished"))
    wait_for_leader(directory)


def test_a_helper_does_not_outlive_its_leader(tmp_path):
    helper = (
        "import sys, pathlib; from hmtnet.experiment.processes import wait_for_leader;"
        "from hmtnet.storage.directory import RunDirectory; print('waiting', flush=True);"
        "wait_for_leader(RunDirectory(pathlib.Path(sys.argv[1])))"
    )
    leader = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]],"
        " stdout=subprocess.PIPE); p.stdout.readline(); print(p.pid, flush=True)"
    )
    command = [sys.executable, "-c", leader, helper, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    ending = time.monotonic() + 20
    while _alive(int(done.stdout)):
        assert time.monotonic() < ending, "the helper still waits"
        time.sleep(0.05)


def _alive(pid):
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):  # it may end between the two questions
        return False
    return status.split()[2] != "Z"


@pytest.mark.full
def test_two_processes_train_a_chain_together(hmtnet_process, hmtnet, tiny, tmp_path):
    # An odd number of validation images, so that one process has one more.
    words = tiny(
        tmp_path / "runs",
        "trainer.devices=2",
        "split.protocol=image",
        "split.fractions=[0.5,0.3,0.2]",
        "system.grading.loss.contrast=0",  # leaves parameters without a gradient
    )
    process = hmtnet_process(*words)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    # The leader alone speaks.
    for stage in ("grading", "sfen", "joint"):
        assert err.count(f"{stage}: training") == 1
    assert err.count("The official QADS has") == 1
    assert out.count("test subset: 5 images") == 1
    for stage, epochs in (("grading", 1), ("sfen", 2), ("joint", 1)):
        (path,) = (tmp_path / "runs").glob(f"qads/*/{stage}-*")
        found = prediction_files.read(path / "predictions.csv")
        assert len(found) == 24 and RunDirectory(path).finished
        with (path / "metrics.csv").open() as stream:
            rows = list(csv.DictReader(stream))
        first = 0 if stage == "joint" else 1  # it starts from trained weights, which are judged too
        assert [int(row["epoch"]) for row in rows] == list(range(first, epochs + 1))
        # What training saw of the validation images, over both processes, each image once, is what
        # one process finds.
        best = max(float(row["val/srcc"]) for row in rows)
        assert store.read_meta(path)["val_srcc"] == pytest.approx(best, abs=1e-5)
        tensors = store.load(path).tensors
        assert all(torch.isfinite(t).all() for t in tensors.values() if t.is_floating_point())
    # And what two have trained, one finds.
    again = hmtnet_process(*words)
    out_again, err = again.communicate(timeout=300)
    assert again.returncode == 0 and err.count(": reused ") == 3
    assert out_again == out


# Batch norms rest, as their statistics are each process's own; and in double precision, so that no
# rounding grows over the steps.
EXACT = """
import sys, torch
from hmtnet.cli.main import main

norm = torch.nn.modules.batchnorm._BatchNorm
norm.train = lambda self, mode=True: torch.nn.Module.train(self, False)
torch.set_default_dtype(torch.float64)
torch.Tensor.float, torch.float32 = torch.Tensor.double, torch.float64
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.full
def test_two_processes_are_one_with_the_same_batches(tiny, tmp_path):
    """13 images train and 7 validate, so that one process has one more than the other."""
    script = tmp_path / "exact.py"
    script.write_text(EXACT)
    odd = ["split.protocol=image", "split.fractions=[0.55,0.3,0.15]", "system.joint.epochs=2"]
    for devices, batch in ((1, 4), (2, 2)):
        more = [*odd, f"trainer.devices={devices}", f"size.batch_size={batch}"]
        command = [sys.executable, script, *tiny(tmp_path / str(devices), *more)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr
    for stage in ("grading", "sfen", "joint"):
        one, two = (next((tmp_path / name).glob(f"qads/*/{stage}-*")) for name in "12")
        alone, together = (curves.read(path / "metrics.csv") for path in (one, two))
        assert alone.keys() == together.keys()
        for epoch, row in alone.items():
            # What compares images sees, in validation, those of its process's batch alone.
            compared = {"val/loss", "val/relation", "val/contrast"}
            known = {name: float(row[name]) for name in row.keys() - compared if row[name]}
            found = {name: float(together[epoch][name]) for name in known}
            assert found == pytest.approx(known, abs=1e-6, nan_ok=True)
        tensors = store.load(two).tensors
        for name, tensor in store.load(one).tensors.items():
            torch.testing.assert_close(tensors[name], tensor, rtol=0, atol=1e-6)
        alone, together = (prediction_files.read(path / "predictions.csv") for path in (one, two))
        assert alone.image == together.image and len(alone) == 24
        assert together.score == pytest.approx(alone.score, abs=1e-6)


@pytest.mark.full
def test_a_failure_of_two_processes_is_told_once(hmtnet_process, tiny, tmp_path, tiny_root):
    import shutil

    root = shutil.copytree(tiny_root, tmp_path / "qads")
    image = sorted((root / "super-resolved_images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:100])
    words = tiny(tmp_path / "runs", "trainer.devices=2", root=root)
    process = hmtnet_process(*words)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2 and err.count("cannot be decoded") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.full
def test_two_commands_of_two_processes_each_share_their_stages(hmtnet_process, tiny, tmp_path):
    words = tiny(tmp_path / "runs", "trainer.devices=2")
    both = [hmtnet_process(*words) for _ in range(2)]
    told = [process.communicate(timeout=900)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    for stage in ("grading", "sfen", "joint"):
        assert sum(err.count(f"{stage}: training") for err in told) == 1
        assert sum(err.count(f"{stage}: reused") for err in told) == 1
