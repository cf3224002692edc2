"""What became of a run under fault, judged against one that nothing has happened to."""

import json
import re
import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.faults.processes import Ended

BAD_INPUT = 2
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""The exit codes of commands that are asked to end."""


class Outcome(StrEnum):
    """From the best to the worst."""

    RECOVERED = "recovered exactly"
    REFUSED = "refused by name"
    WRONG = "wrong"
    TRACEBACK = "traceback"


@dataclass(frozen=True)
class Verdict:
    """An outcome, and why it is no better one."""

    outcome: Outcome
    why: str = ""

    def __or__(self, other: "Verdict") -> "Verdict":
        """Return the worse of two."""
        order = list(Outcome)
        return max(self, other, key=lambda verdict: order.index(verdict.outcome))


RECOVERED = Verdict(Outcome.RECOVERED)


def wrong(why: str) -> Verdict:
    """Return the verdict on what must not happen."""
    return Verdict(Outcome.WRONG, why)


def check(holds: bool, why: str) -> Verdict:
    """Return a verdict on what must hold beside the result."""
    return RECOVERED if holds else wrong(why)


def judge(ended: Ended, runs: Path, expected: Path, *names: str, clean: bool = True) -> Verdict:
    """Judge a training command.

    Args:
        ended: The command.
        runs: Its folder of runs.
        expected: The folder of runs of an uninterrupted command.
        names: What a refusal must name; one of these is enough.
        clean: Whether nothing but results may be left.
    """
    told = refusal(ended, *names)
    if told is not None:
        return told
    differs = differences(runs, expected)
    if differs:
        return wrong(f"exit code 0, but {', '.join(differs)}; said: {ended.last_line}")
    left = leftovers(runs) if clean else []
    return check(not left, f"left over: {', '.join(left)}")


def refusal(ended: Ended, *names: str) -> Verdict | None:
    """Judge a command that has not ended well; None of one that has."""
    if "Traceback (most recent call last)" in ended.err:
        return Verdict(Outcome.TRACEBACK, ended.last_line)
    if ended.code == 0:
        return None
    if ended.code != BAD_INPUT:
        return Verdict(Outcome.TRACEBACK, f"exit code {ended.code}: {ended.last_line}")
    message = ended.err[ended.err.rfind("\nhmtnet: ") + 1 :]
    if not message.startswith("hmtnet: "):
        return wrong(f"exit code 2 without a message: {ended.last_line}")
    if names and not any(name.casefold() in message.casefold() for name in names):
        return wrong(f"refused, but not by name: {message.strip()}")
    return Verdict(Outcome.REFUSED, message.strip())


def stopped(ended: Ended, number: signal.Signals, runs: Path) -> Verdict:
    """Judge how a command has ended that was asked to: exit code, words, and states left."""
    if ended.code == 0:  # it was faster
        return RECOVERED
    if "Traceback (most recent call last)" in ended.err:
        return Verdict(Outcome.TRACEBACK, ended.last_line)
    # Before Python listens to signals, the system ends it.
    code = ended.code in (ENDS[number], -number)
    return check(code, f"exit code {ended.code}, not {ENDS[number]}") | settled(runs)


def settled(runs: Path) -> Verdict:
    """Judge the states that a command has left which could still speak: none says it runs."""
    running = [path.parent.name for path, state in states(runs) if state == "running"]
    return check(not running, f"{', '.join(running)} still says running")


def states(runs: Path) -> list[tuple[Path, str]]:
    """Return the state of each run that says one."""
    found = []
    for path in sorted(runs.rglob("status.json")):
        try:
            found.append((path, json.loads(path.read_text())["state"]))
        except (ValueError, KeyError):
            found.append((path, "unreadable"))
    return found


def results(runs: Path) -> dict[str, Path]:
    """Return what finished stages and baselines have left, by its name below the runs."""
    found = (path for name in RESULTS for path in runs.rglob(name))
    return {path.relative_to(runs).as_posix(): path for path in found}


RESULTS = ("stage.safetensors", "predictions.csv", "stage.json")
DESCRIBED = (
    *("system", "stage", "key", "settings", "grades", "dataset", "split", "seed", "upstream"),
    *("seen", "val_srcc", "grade_accuracy"),
)


def differences(runs: Path, expected: Path) -> list[str]:
    """Say which of the expected results are not there, bit for bit."""
    ours = results(runs)
    said = []
    for name, path in sorted(results(expected).items()):
        if name not in ours:
            said.append(f"{name} is missing")
        elif _content(ours[name]) != _content(path):
            said.append(f"{name} differs")
    return said


def _content(path: Path) -> object:
    """Return what of a result must be equal: all bytes; of a description what is no condition."""
    if path.suffix != ".json":
        return path.read_bytes()
    document = json.loads(path.read_text(encoding="utf-8"))
    return {name: document[name] for name in DESCRIBED if name in document}


def leftovers(runs: Path) -> list[str]:
    """Name what a command that has ended well should have cleared away."""
    # What belongs to no stage alone nobody may clear away: `hmtnet runs prune` does.
    shared = (".webp", ".svg")
    temporary = [p for p in runs.rglob(".*") if p.name != ".lock" and p.suffix not in shared]
    stages = [p for p in temporary if (p.parent / "stage.json").exists()]
    return [p.relative_to(runs).as_posix() for p in [*stages, *runs.rglob("checkpoints")]]


def lost_epochs(runs: Path, stage: str, completed: int) -> int:
    """Return how many completed epochs a stage that was resumed has trained again."""
    (meta,) = runs.glob(f"*/*/{stage}-*/stage.json")
    (status,) = runs.glob(f"*/*/{stage}-*/status.json")
    timed = json.loads(meta.read_text())["cost"]["epochs_timed"]
    return completed - (json.loads(status.read_text())["epoch"] - timed)


def completed_epochs(folder: Path) -> int:
    """Return how many epochs the curve of a run has; 0 if there is none."""
    try:
        last = (folder / "metrics.csv").read_text().splitlines()[-1]
    except (OSError, IndexError):
        return 0
    found = re.match(r"\d+", last)
    return int(found[0]) if found else 0
