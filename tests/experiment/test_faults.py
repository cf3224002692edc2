"""Stopped by signals, by a fault of the machine, or by a loss that is no number any more."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys

import pytest

from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment import callbacks, faults
from hmtnet.experiment.checkpoints import newest
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory


@pytest.fixture
def words(tiny, tmp_path):
    """One short stage: four batches per epoch, four epochs."""
    return tiny(tmp_path / "runs", "stages=[grading]", "system.grading.epochs=4")


def directory_of(tmp_path):
    (path,) = tmp_path.glob("runs/*/*/grading-*")
    return RunDirectory(path)


def after_two_epochs(monkeypatch, act):
    """Do something as soon as the second epoch's curve is written, before its checkpoint is."""
    write = callbacks.curves.write

    def acting(path, rows):
        write(path, rows)
        if len(rows) == 2:
            act()

    monkeypatch.setattr(callbacks.curves, "write", acting)


@pytest.mark.parametrize(
    "number, code, epochs, said",
    [
        (signal.SIGTERM, 143, 2, "stopped by SIGTERM"),  # waits for the checkpoint
        (signal.SIGHUP, 129, 1, "stopped by SIGHUP"),
        pytest.param(signal.SIGINT, 130, 1, "stopped by Ctrl-C", marks=pytest.mark.full),
    ],
)
def test_a_signal_stops_a_training_which_says_so(
    hmtnet, words, tmp_path, monkeypatch, number, code, epochs, said
):
    after_two_epochs(monkeypatch, lambda: os.kill(os.getpid(), number))
    handlers = [signal.getsignal(each) for each in (number, signal.SIGINT)]
    done = hmtnet(*words)
    assert done.code == code and "the same command resumes" in done.err
    assert handlers == [signal.getsignal(each) for each in (number, signal.SIGINT)]
    stopped = directory_of(tmp_path)
    status = run_status.read(stopped.status)
    assert (status.state, status.message) == ("interrupted", said) and not stopped.finished
    assert newest(stopped.checkpoints).epoch == epochs


def test_an_epoch_that_does_not_end_soon_is_not_waited_for(hmtnet, words, tmp_path, monkeypatch):
    monkeypatch.setattr(faults, "PATIENCE", 0.0)
    place = faults.Divergence, "on_train_batch_start"
    begin = getattr(*place)

    def asked(self, trainer, *arguments):
        begin(self, trainer, *arguments)
        if trainer.global_step == 4:  # the first of the second epoch
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(*place, asked)
    assert hmtnet(*words).code == 143
    assert newest(directory_of(tmp_path).checkpoints).epoch == 1


def test_a_lost_loader_process_is_told_with_the_setting_that_helps(
    hmtnet, words, tmp_path, monkeypatch
):
    after_two_epochs(
        monkeypatch, lambda: [child.kill() for child in multiprocessing.active_children()]
    )
    done = hmtnet(*words, "trainer.workers=1")
    assert done.code == BAD_INPUT and "Lower trainer.workers" in done.err, done.err
    assert "Traceback" not in done.err
    status = run_status.read(directory_of(tmp_path).status)
    assert status.state == "failed" and "Lower trainer.workers" in status.message


def test_a_training_that_diverges_names_all_that_is_known_of_it(hmtnet, words, tmp_path):
    done = hmtnet(*words, "system.grading.optimizer.lr=1e30")
    assert done.code == BAD_INPUT and "Traceback" not in done.err
    for told in (
        *("training of 'grading' has diverged", "at epoch 1, step 2, learning rate 9.98e+29"),
        *("The batch: super-resolved_images/img", "Lower system.grading.optimizer.lr"),
    ):
        assert told in done.err, done.err
    status = run_status.read(directory_of(tmp_path).status)
    assert status.state == "failed" and status.message.startswith("TrainingError: The training")


def test_when_a_later_epoch_diverges_the_checkpoint_before_is_kept(
    hmtnet, words, tmp_path, monkeypatch
):
    begin = faults.StopAfterEpoch.on_train_epoch_start

    def spoilt(self, trainer, task):
        begin(self, trainer, task)
        if trainer.current_epoch == 2:
            next(task.network.parameters()).data.fill_(float("nan"))

    with monkeypatch.context() as patch:
        patch.setattr(faults.StopAfterEpoch, "on_train_epoch_start", spoilt)
        done = hmtnet(*words)
    assert done.code == BAD_INPUT and "at epoch 3, step 1" in done.err
    assert newest(directory_of(tmp_path).checkpoints).epoch == 2
    assert hmtnet(*words).code == 0


def test_a_lost_status_of_a_finished_stage_costs_no_training(hmtnet, tiny, finished, runs):
    folder = runs / finished.stages["joint"].relative_to(finished.runs)
    before = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text("{")
    done = hmtnet(*tiny(runs))
    assert done.code == 0 and done.err.count(": reused ") == 3, done.err
    after = json.loads((folder / "status.json").read_text())
    same = ("state", "stage", "key", "epoch", "epochs", "objective")
    assert {key: after[key] for key in same} == {key: before[key] for key in same}


def mounted(script, *arguments):
    """Run a script of the shell where it may mount, unseen by others; skip where none may."""
    probe = ["unshare", "-m", "true"]
    if not shutil.which("unshare") or subprocess.run(probe, check=False).returncode:
        pytest.skip("nothing may be mounted here")
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.full
def test_a_finished_chain_in_a_read_only_folder_is_shown_again(tiny, finished, runs):
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    command = [sys.executable, "-m", "hmtnet", *tiny(runs)]
    done = mounted(script, runs, *command)
    assert done.returncode == 0 and done.stderr.count(": reused ") == 3, done.stderr
    table = done.stdout.partition("pictures")[0]
    assert table == finished.outcome.out.partition("pictures")[0]


FULL_DISK = """
import sys
from pathlib import Path
from hmtnet.errors import HmtnetError
from hmtnet.storage import status
path, filler = Path(sys.argv[1], "status.json"), Path(sys.argv[1], "filler")
running = status.Status.begin("sfen", "k", 3)
status.write(path, running)
try:
    filler.write_bytes(bytes(10**6))
except OSError:
    pass
status.write(path, running.then(state="failed", message="The disk is full."))
assert status.read(path).state == "failed", path.read_text()
"""


def test_a_full_disk_has_room_for_the_reason(tmp_path):
    script = 'mount -t tmpfs -o size=64k none "$1" && exec "$2" -c "$3" "$1"'
    done = mounted(script, tmp_path, sys.executable, FULL_DISK)
    assert done.returncode == 0, done.stderr
