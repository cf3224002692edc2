"""Sweeps from their first trial to their table: what is proposed, counted, kept and told."""

import csv
import io
import json
import logging
import math
import signal
import subprocess
import sys
import textwrap

import optuna
import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from tqdm import tqdm

from hmtnet.cli import chain as command
from hmtnet.cli import search, workers
from hmtnet.cli.composing import Task
from hmtnet.cli.main import BAD_INPUT
from hmtnet.cli.trial import Outcome
from hmtnet.errors import HmtnetError
from hmtnet.storage import trials

LR = "system.sfen.optimizer.lr"
SPACE = f"{LR}=tag(log,interval(1e-5,1e-1))"
NOTHING = SPACE.replace("1e-5", "1")  # its end is below its start
SEARCH = ("hydra.sweeper.sampler=tpe", "hydra.sweeper.n_trials=4")


def planted(settings, system):
    """The rate is best at 1e-3, diverges above 1e-2, and leaves nothing to compare below 1e-4."""
    lr = settings.system.stages["sfen"].optimizer.lr
    if lr > 1e-2:
        raise HmtnetError("The loss is not finite.")
    if lr < 1e-4:
        return Outcome(None, "constant")
    return Outcome(1 - abs(math.log10(lr) + 3), f"key-{lr}")


@pytest.fixture
def sweep(hmtnet, monkeypatch, tmp_path):
    """Sweep a planted objective; returns the outcome, and the folder of the sweep."""
    monkeypatch.setattr(command, "run", planted)

    def run(*words, name="s"):
        runs = tmp_path / "runs"
        done = hmtnet("train", "-m", f"runs={runs}", f"sweep_name={name}", *words)
        return done, runs / "sweeps" / name

    return run


def study(folder):
    return optuna.load_study(
        study_name=search.STUDY, storage=search._storage(folder / search.JOURNAL)
    )


def table(folder):
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_search_goes_on_counting_and_never_calls_a_failed_trial_best(sweep):
    done, folder = sweep(SPACE, *SEARCH)
    assert done.code == 0, done.err
    rows = table(folder)
    assert len(rows) == 4 and list(rows[0])[-1] == LR
    more, _ = sweep(SPACE, *SEARCH, "hydra.sweeper.n_trials=7")
    again = table(folder)
    failed = [row for row in again if row["state"] == "failed"]
    assert again[:4] == rows and len({row[LR] for row in again}) == len(again) > 4
    assert failed and {row["val_srcc"] for row in failed} == {""}
    found = json.loads((folder / "sweep.json").read_text())
    best = found["trials"][found["best"]]
    assert best["val_srcc"] == max(float(row["val_srcc"] or -9) for row in again)
    assert "++" not in more.out + (folder / "sweep.json").read_text()
    assert f" {LR}={best['overrides'][LR]}\n" in more.out


def test_a_grid_ends_with_one_table_and_the_first_failure(sweep, hmtnet):
    done, folder = sweep(f"{LR}=1e-5,1e-3,1", "seed=0,1")
    assert done.code == BAD_INPUT and "The validation SRCC is undefined" in done.err
    assert done.out.count("val SRCC") == 1
    rows = table(folder)
    assert [row["state"] for row in rows] == 2 * ["failed"] + 2 * ["complete"] + 2 * ["failed"]
    assert [row["seed"] for row in rows] == ["0", "1"] * 3
    assert "best: trial 2, validation SRCC 1.000" in done.out
    line = next(line for line in done.out.splitlines() if line.startswith("  hmtnet train "))
    assert line.endswith(f"{LR}=0.001 seed=0")
    status = hmtnet("sweep", "status", "s", f"runs={folder.parents[1]}")
    assert status.code == 0 and status.out.startswith(done.out.rstrip())
    assert status.out.endswith("all trials have ended\n")
    (folder / "trials" / "5.json").unlink()
    trials.write(folder, trials.Trial(4, "running"))
    status = hmtnet("sweep", "status", "s", f"runs={folder.parents[1]}")
    assert "2 of 6 trials to come, about 0 minutes" in status.out
    assert "1 interrupted" in status.out and "running" not in status.out
    again = hmtnet("sweep", "continue", "s", f"runs={folder.parents[1]}")
    assert again.code == BAD_INPUT and [row["state"] for row in table(folder)] == [
        row["state"] for row in rows
    ]
    unknown = hmtnet("sweep", "status", "t", f"runs={folder.parents[1]}")
    assert unknown.code == BAD_INPUT and "No sweep 't'" in unknown.err


def test_a_name_that_looks_like_a_number_is_one_folder_s(sweep):
    done, folder = sweep("seed=1", f"{LR}=1e-3", name="01e5")
    assert done.code == 0, done.err
    assert [path.name for path in folder.parent.iterdir()] == ["01e5"] and len(table(folder)) == 1


@pytest.mark.parametrize(("direction", "best"), [("maximize", 1), ("minimize", 0)])
def test_the_right_end_wins(tmp_path, direction, best):
    trials.begin(tmp_path, trials.Sweep({LR: "1e-4,1e-3"}, (), 3, direction))
    for number, found in enumerate([-0.2, 0.7, None]):
        state = "failed" if found is None else "complete"
        trials.write(tmp_path, trials.Trial(number, state, val_srcc=found))
    assert json.loads((tmp_path / "sweep.json").read_text())["best"] == best


@pytest.mark.full
def test_the_same_command_finds_its_sweep_and_another_is_refused(hmtnet, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "run", planted)
    words = ("train", "-m", f"runs={tmp_path}", f"{LR}=1e-4,1e-3")
    hmtnet(*words)
    json.loads(hmtnet(*words, "format=json").out)
    (first,) = (tmp_path / "sweeps").iterdir()
    done = hmtnet(*words, "seed=2", f"sweep_name={first.name}")
    assert done.code == BAD_INPUT and "holds another sweep: its fixed is" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["hydra.sweeper.sampler=tp"], "Did you mean 'tpe'?"),
        (["hydra.sweeper.n_trials=0", *SEARCH[:1]], "n_trials: expected at least 1, found 0"),
        (["hydra.sweeper.n_trails=3"], "sweeper.n_trails'. Did you mean 'n_trials'?"),
        (["hydra.sweper.n_trials=3"], "Unknown setting 'hydra.sweper'. Did you mean 'sweeper'?"),
        ([NOTHING], f"hmtnet: '{NOTHING}' cannot be searched"),
        (["seed=0"], "needs settings to search"),
    ],
)
def test_a_search_that_cannot_be_is_refused(sweep, words, message):
    space = [] if words[0].startswith((LR, "seed")) else [SPACE]
    done, folder = sweep(*SEARCH[:1], *space, *words)
    assert done.code == BAD_INPUT and message in done.err
    assert not (folder / "trials").exists()


@pytest.mark.parametrize("name", ["..", ".", "a/b", "/tmp"])
def test_a_name_that_is_no_folder_s_is_refused(sweep, hmtnet, tmp_path, name):
    done, _ = sweep("seed=0,1", name=name)
    assert done.code == BAD_INPUT and "sweep_name: expected a name without /" in done.err
    assert list(tmp_path.iterdir()) == []
    assert hmtnet("sweep", "status", name, f"runs={tmp_path}").code == BAD_INPUT


def test_an_interval_is_no_grid(sweep):
    done, folder = sweep(SPACE)
    assert done.code == BAD_INPUT and "hydra.sweeper.sampler=tpe" in done.err
    assert not folder.exists()


def test_without_optuna_the_extra_is_named(sweep, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    monkeypatch.delitem(sys.modules, "hmtnet.cli.search", raising=False)
    done, _ = sweep(SPACE, *SEARCH)
    assert done.code == BAD_INPUT and 'pip install "hmtnet[sweep]"' in done.err


def test_a_trial_that_falls_behind_is_pruned_at_the_end_of_an_epoch(
    hmtnet, tiny, monkeypatch, tmp_path
):
    seen = []
    monkeypatch.setattr(
        search, "pruning", lambda *_: lambda epoch, value: seen.append(epoch) or epoch == 2
    )
    words = ("stages=[grading]", "system.grading.epochs=3", "hydra.sweeper.pruner=median")
    space = ("hydra.sweeper.sampler=random", "system.grading.optimizer.lr=interval(1e-4,1e-3)")
    done = hmtnet(*tiny(tmp_path, "-m", *words, *space, "hydra.sweeper.n_trials=1"))
    assert done.code == 0 and seen == [1, 2]
    (folder,) = (tmp_path / "sweeps").iterdir()
    (row,) = table(folder)
    assert (row["state"], row["val_srcc"]) == ("pruned", "")
    assert "no trial is complete, so none is best" in done.out


def test_a_job_is_composed_once(sweep, monkeypatch):
    composed = []
    compose = ConfigLoaderImpl.load_sweep_config
    monkeypatch.setattr(
        ConfigLoaderImpl, "load_sweep_config", lambda *a: composed.append(a) or compose(*a)
    )
    done, _ = sweep(f"{LR}=1e-4,1e-3", "seed=0,1")
    assert done.code == 0 and len(composed) == 4


def test_what_others_work_on_or_have_just_done_is_left_to_them(sweep, monkeypatch):
    words = (f"{LR}=1e-4,1e-3",)
    folder = sweep(*words)[1]
    (folder / "trials" / "0.json").unlink()
    with trials.worked_on(folder, 0):
        sweep(*words)
    assert [row["trial"] for row in table(folder)] == ["1"]
    record = folder / "trials" / "1.json"
    begun = record.stat().st_mtime_ns
    monkeypatch.setenv(workers.SINCE, str(begun))
    monkeypatch.setattr(workers, "end_with_parent", lambda: None)
    done, _ = sweep(*words)
    assert [row["trial"] for row in table(folder)] == ["0", "1"]
    assert record.stat().st_mtime_ns == begun and "trial 0 | trial 0: " in done.err


def test_a_command_that_is_not_known_is_not_guessed(hmtnet, tmp_path):
    trials.begin(tmp_path / "sweeps" / "s", trials.Sweep({LR: "1e-4,1e-3"}, (), 2))
    done = hmtnet("sweep", "continue", "s", f"runs={tmp_path}")
    assert done.code == BAD_INPUT and "Give its command again" in done.err


def test_a_job_that_a_cluster_queues_again_has_not_failed(sweep, monkeypatch):
    def ended(settings, system):
        raise subprocess.CalledProcessError(-signal.SIGTERM, ["scontrol", "requeue", "1_1"])

    monkeypatch.setattr(command, "run", ended)
    done, folder = sweep("seed=0,1")
    assert done.code == 1 and "Failed" not in done.err
    assert [trial.state for trial in trials.read_trials(folder)] == ["interrupted"]


def test_a_trial_that_fails_before_its_record_has_failed(sweep, monkeypatch):
    def refuse(self, config):
        raise HmtnetError("refused")

    monkeypatch.setattr(Task, "__call__", refuse)
    _, folder = sweep(SPACE, *SEARCH)
    assert [row["state"] for row in table(folder)] == ["failed"] * 4
    assert "RUNNING" not in {trial.state.name for trial in study(folder).trials}


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_sweeps import planted
    from hmtnet.cli import chain as command
    from hmtnet.cli.main import main

    left = [int(sys.argv.pop(1))]
    def job(settings, system):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return planted(settings, system)
    command.run = job
    sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.full
def test_a_killed_search_goes_on_as_if_it_had_not_been(sweep, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED.format(tests=str(__file__).rsplit("/", 1)[0])))
    words = [SPACE, "seed=0,1", *SEARCH]
    _, whole = sweep(*words, name="whole")
    folder = whole.parent / "cut"
    command_line = ["train", "-m", f"runs={tmp_path / 'runs'}", "sweep_name=cut", *words]
    cut = subprocess.run([sys.executable, script, "3", *command_line], check=False)
    assert cut.returncode == -9
    assert [trial.state for trial in trials.read_trials(folder)][2:] == ["interrupted"]
    done, _ = sweep(*words, name="cut")
    assert done.code == 0, done.err
    timeless = [[{**row, "seconds": ""} for row in table(which)] for which in (whole, folder)]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_worker_s_progress_is_overwritten_in_a_terminal_and_told_in_a_file(terminal, capsys):
    progress = logging.LogRecord("hmtnet.experiment.progress", 20, "", 0, "epoch 1", (), None)
    other = logging.LogRecord("hmtnet.experiment.stage", 20, "", 0, "reused", (), None)
    formatter = workers._Telling("trial 0 | ", logging.Formatter())
    told = "".join(f"{formatter.format(record)}\n" for record in (other, progress))
    command = [sys.executable, "-c", f"print({told!r}, end='')"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as worker:
        line = tqdm(bar_format="{desc}", disable=not terminal, file=io.StringIO())
        workers._pass_on(worker, line)
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["trial 0 | reused", *([] if terminal else ["trial 0 | epoch 1"])]
    assert not terminal or line.desc == "trial 0 | epoch 1"
