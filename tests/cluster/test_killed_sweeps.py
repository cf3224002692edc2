"""Whole sweeps, killed at random moments and completed: nothing is lost, doubled or different."""

import csv
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import pytest

pytestmark = pytest.mark.full

LR = "system.joint.optimizer.lr"
GRID = ("-m", f"{LR}=1e-4,2e-4,5e-4,1e-3,2e-3,5e-3", "system.joint.loss.alpha=0.2,0.8")

# A known function: best at a rate of 1e-3.
PLANTED = """
    import math, sys, time
    from hmtnet.cli import chain
    from hmtnet.cli.main import main
    from hmtnet.cli.trial import Outcome

    def run(settings, system):
        time.sleep(0.05)
        lr = settings.system.stages["joint"].optimizer.lr
        return Outcome(1 - abs(math.log10(lr) + 3), f"key-{lr}")

    chain.run = run
    sys.exit(main(sys.argv[1:]))
"""


def start(*words):
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def completed(*words):
    process = start(*words)
    told, _ = process.communicate()
    assert process.returncode == 0, told
    return told


def killed_often(*words, within, times=10):
    """Start a sweep and kill all its processes at a random moment, again and again."""
    draw = random.Random(0)
    cut = 0
    for _ in range(times):
        process = start(*words)
        try:
            process.communicate(timeout=draw.uniform(0.1, 1) * within)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            cut += 1
    return cut


def timeless(folder):
    with (folder / "sweep.csv").open(encoding="utf-8", newline="") as stream:
        return [{**row, "seconds": ""} for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def grid(tiny, tmp_path_factory):
    """An uninterrupted sweep by one process: its table, and how long it took."""
    runs = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    told = completed("-m", "hmtnet", *tiny(runs, *GRID, "sweep_name=s"))
    assert told.count("grading: training") == 1
    rows = timeless(runs / "sweeps" / "s")
    assert len(rows) == 12 and {row["state"] for row in rows} == {"complete"}
    return rows, time.monotonic() - began


@pytest.mark.parametrize("count", [2, 4])
def test_workers_train_what_trials_share_once(grid, tiny, tmp_path, count):
    jobs = f"hydra.sweeper.n_jobs={count}"
    told = completed("-m", "hmtnet", *tiny(tmp_path, *GRID, "sweep_name=s", jobs))
    assert timeless(tmp_path / "sweeps" / "s") == grid[0]
    assert [told.count(f"{name}: training") for name in ("grading", "sfen", "joint")] == [1, 1, 12]
    lines = told.splitlines()
    assert {f"trial {number}" for number in range(12)} <= {line.split(" | ")[0] for line in lines}


@pytest.mark.parametrize("count", [1, 2])
def test_a_grid_that_is_killed_ten_times_ends_like_another(grid, tiny, tmp_path, count):
    jobs = f"hydra.sweeper.n_jobs={count}"
    words = ("-m", "hmtnet", *tiny(tmp_path, *GRID, "sweep_name=s", jobs))
    assert killed_often(*words, within=grid[1] / 3) > 5
    completed(*words)
    assert timeless(tmp_path / "sweeps" / "s") == grid[0]
    (alone,) = tmp_path.glob("qads/*/grading-*")
    assert alone.is_dir()


def test_a_search_that_is_killed_ten_times_finds_what_it_would_have_found(tmp_path):
    script = tmp_path / "planted.py"
    script.write_text(textwrap.dedent(PLANTED))

    def words(name, count):
        return [
            *(script, "train", "-m", f"runs={tmp_path}", f"sweep_name={name}"),
            *(f"{LR}=tag(log,interval(1e-5,1e-1))", "system.joint.loss.alpha=0.2,0.8"),
            *("hydra.sweeper.sampler=tpe", f"hydra.sweeper.n_trials={count}"),
        ]

    began = time.monotonic()
    for count in (10, 20):
        completed(*words("whole", count))
    took = time.monotonic() - began
    cut = 0
    for count in (10, 20):
        cut += killed_often(*words("cut", count), within=took / 4, times=5)
        completed(*words("cut", count))
    assert cut > 2
    whole, found = (timeless(tmp_path / "sweeps" / name) for name in ("whole", "cut"))
    assert found == whole and [int(row["trial"]) for row in found] == list(range(20))
    best = max(found, key=lambda row: float(row["val_srcc"]))
    assert 3e-4 < float(best[LR]) < 3e-3 and float(best["val_srcc"]) > 0.5
