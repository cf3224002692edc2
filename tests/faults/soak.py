"""Soak: one process sweeps a tiny system for hours; what it holds must not grow.

    python -m tests.faults.soak --minutes 120

Prints, by trial, the memory, open files, threads and children of the sweeping process, once it is
warm, and what it has left behind. Exits with 1 if memory grew by more than 5 %, if more files are
open than at first, or if anything is left over.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.conftest import make_tiny
from tests.faults.tiny import ONE_THREAD, words_for

GROWTH = 0.05
WARM = 50  # trials until every cache of torch, Hydra and Lightning is filled


class Sample(NamedTuple):
    """What a process holds.

    Attributes:
        trials: How many trials have ended.
        memory: Resident, MiB.
        files: Open file descriptors.
        threads: Threads.
        children: Processes that it has started and that live.
    """

    trials: int
    memory: float
    files: int
    threads: int
    children: int


def sample(pid: int, trials: int) -> Sample:
    """Look into /proc."""
    proc = Path("/proc") / str(pid)
    pages = int((proc / "statm").read_text().split()[1])
    tasks = list((proc / "task").iterdir())
    children = sum(len((task / "children").read_text().split()) for task in tasks)
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return Sample(trials, memory, len(list((proc / "fd").iterdir())), len(tasks), children)


def leftovers(*folders: Path) -> list[Path]:
    """Return what a process that has ended should not have left."""
    found = [path for folder in folders for path in folder.rglob("*") if path.exists()]
    temporary = [path for path in found if path.name.startswith(".") and path.name != ".lock"]
    return temporary + [path for path in found if path.name == "checkpoints"]


def main() -> int:
    """Sweep, look on, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--every", type=float, default=10, help="seconds between two looks")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hmtnet-soak-") as name:
        folder = Path(name)
        for part in ("home", "tmp"):
            (folder / part).mkdir()
        runs = folder / "runs"
        data = make_tiny(folder / "qads")
        # A search, which makes its trials as it goes: a grid would first compose thousands.
        search = [f"hydra.sweeper.{word}" for word in ("sampler=random", "n_trials=9999")]
        words = words_for("plain", data, runs, "-m", "sweep=optuna", *search, epochs=1)
        environment = {
            **os.environ,
            **ONE_THREAD,
            "HMTNET_HOME": str(folder / "home"),
            "TMPDIR": str(folder / "tmp"),
        }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hmtnet", *words],
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started, samples = time.monotonic(), []
        print("minutes  trials  MiB  files  threads  children", flush=True)
        while process.poll() is None and time.monotonic() - started < 60 * given.minutes:
            time.sleep(given.every)
            trials = (folder / "log").read_text(errors="replace").count("\ntrial ")
            try:
                samples.append(sample(process.pid, trials))
            except OSError:  # it has just ended
                break
            minutes = (time.monotonic() - started) / 60
            s = samples[-1]
            print(
                f"{minutes:.1f}  {s.trials}  {s.memory:.0f}  {s.files}  {s.threads}  {s.children}",
                flush=True,
            )
        # What is left over when it is asked to end is counted too.
        process.terminate()
        process.wait(timeout=600)
        return told(samples, leftovers(runs, folder / "home", folder / "tmp"))


def told(samples: list[Sample], left: list[Path]) -> int:
    """Print the verdict and return the exit code."""
    warm = [each for each in samples if each.trials >= WARM]
    if len(warm) < 20:
        print(f"Too short: {len(warm)} looks after {WARM} trials. Give more --minutes.")
        return 2
    tenth = len(warm) // 10
    first, last = (
        statistics.median(each.memory for each in part) for part in (warm[:tenth], warm[-tenth:])
    )
    early, late = (max(each.files for each in part) for part in (warm[:tenth], warm[-tenth:]))
    growth = last / first - 1
    print(f"{warm[-1].trials} trials; memory {first:.0f} -> {last:.0f} MiB ({growth:+.1%})")
    print(f"open files {early} -> {late}; left over: {[path.name for path in left]}")
    return int(growth > GROWTH or late > early or bool(left))


if __name__ == "__main__":
    sys.exit(main())
