"""What a sweep leaves: one record per trial, and ``sweep.csv`` and ``sweep.json`` made of them.

A sweep's folder is ``runs/sweeps/<name>/``. Each trial writes its own file, so that processes and
machines which share a sweep never write the same one; the two summaries are made anew of all of
them whenever a trial ends.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.files import csv_text, digest_text, is_there, read_json, write_text
from hmtnet.settings import build
from hmtnet.storage.lock import is_held, locked

# Settings that say where results go, not which they are.
WHERE = ("runs", "format", "logger", "sweep_name")

State = Literal["running", "interrupted", "complete", "pruned", "failed"]
ENDED: tuple[State, ...] = ("complete", "pruned", "failed")
Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Sweep:
    """What a sweep tries.

    Attributes:
        axes: What is swept, as it was written, by setting: ``{"seed": "0,1,2"}``.
        fixed: The command's other words.
        n_trials: How many trials it shall have.
        direction: Which objective is the best one.
        sampler: What proposes the trials of a search; None where all combinations are tried.
        command: All words of the command that began it, or gave it more trials.
    """

    axes: dict[str, str]
    fixed: tuple[str, ...]
    n_trials: int
    direction: Direction = "maximize"
    sampler: str | None = None
    command: tuple[str, ...] = ()

    @property
    def identity(self) -> dict[str, Any]:
        """What all processes that work on it must agree on."""
        fixed = [word for word in self.fixed if re.split(r"[.=@/]", word)[0] not in WHERE]
        return {
            "axes": self.axes,
            "fixed": fixed,
            "direction": self.direction,
            "sampler": self.sampler,
        }

    @property
    def digest(self) -> str:
        """A name that the same command finds again."""
        return digest_text(json.dumps(self.identity), 8)


@dataclass(frozen=True)
class Trial:
    """One trial.

    Attributes:
        number: From 0.
        state: ``interrupted`` where its process was killed; ``failed`` where it raised an error or
            its objective is undefined.
        overrides: What was set, by setting.
        pid: The process that runs it.
        host: The machine it runs on.
        val_srcc: The objective, validation SRCC of the last stage; None unless it is complete.
        seconds: How long it took, by the wall; of a trial that was found finished, when it was not.
        key: Of the last stage.
        message: Why it failed.
    """

    number: int
    state: State
    overrides: dict[str, str] = field(default_factory=dict)
    pid: int = 0
    host: str = ""
    val_srcc: float | None = None
    seconds: float | None = None
    key: str | None = None
    message: str | None = None


def folder_name(name: str) -> str:
    """Return a sweep's name, if it is that of one folder.

    Raises:
        SettingsError: It leads into another folder.
    """
    if name in (".", "..") or {*"/\\"} & {*name}:
        raise SettingsError(f"sweep_name: expected a name without / and \\, found '{name}'.")
    return name


def begin(folder: Path, sweep: Sweep) -> None:
    """Make a sweep's folder, or take up the sweep that it holds.

    Raises:
        SettingsError: It holds another sweep.
        HmtnetError: It cannot be written to.
    """
    with locked(folder):
        before = read_sweep(folder)
        was = sweep.identity if before is None else before.identity
        for name, value in sweep.identity.items():
            if was[name] != value:
                raise SettingsError(
                    f"{folder} holds another sweep: its {name} is {_told(was[name])}, not "
                    f"{_told(value)}. Give this one a name of its own, sweep_name=<name>."
                )
        _write_summary(folder, sweep)


def write(folder: Path, trial: Trial) -> None:
    """Write a trial's record, and the sweep's summaries."""
    _write(_record(folder, trial.number), json.dumps(asdict(trial), indent=2) + "\n")
    with locked(folder):
        sweep = read_sweep(folder)
        if sweep is not None:
            _write_summary(folder, sweep)


def read_sweep(folder: Path) -> Sweep | None:
    """Return the sweep that a folder holds; None if it holds none.

    Raises:
        HmtnetError: It cannot be understood.
    """
    path = folder / "sweep.json"
    if not is_there(path):
        return None
    try:
        document = read_json(path)
        known = {item.name for item in fields(Sweep)} & document.keys()
        return build(Sweep, {name: document[name] for name in known})
    except (OSError, ValueError, AttributeError, TypeError, SettingsError) as error:
        raise HmtnetError(
            f"{path} describes no sweep ({error}). Remove {folder}, or give another sweep_name; "
            "finished stages are kept elsewhere and found again."
        ) from error


def worked_on(
    folder: Path, number: int, on_wait: Callable[[], None] | None = None
) -> AbstractContextManager[None]:
    """Hold a trial for the length of a block; wait while another process holds it."""
    return locked(folder / "trials" / str(number), on_wait)


def is_worked_on(folder: Path, number: int) -> bool:
    """Whether a process holds a trial, on this machine or on another that shares the folder.

    Where nothing can be written, that is not known, and a trial is what its record says.
    """
    return is_held(folder / "trials" / str(number)) is not False


def read_trial(folder: Path, number: int) -> Trial | None:
    """Return a trial's record; None if it has not begun."""
    try:
        trial = build(Trial, read_json(_record(folder, number)))
    except (OSError, ValueError, SettingsError):  # a damaged record counts as none
        return None
    if trial.state == "running" and not is_worked_on(folder, number):
        return replace(trial, state="interrupted")
    return trial


def has_ended(folder: Path, number: int, since: int) -> bool:
    """Whether a trial has ended since a time, by the clock of the file system, in nanoseconds.

    One whose process was killed has ended, too: it may be what kills.
    """
    path = _record(folder, number)
    if not path.exists() or path.stat().st_mtime_ns < since:
        return False
    trial = read_trial(folder, number)
    return trial is not None and trial.state != "running"


def read_trials(folder: Path) -> list[Trial]:
    """Return all records of a sweep, by number."""
    names = [path.stem for path in (folder / "trials").glob("*.json")]
    numbers = sorted(int(name) for name in names if re.fullmatch("[0-9]{1,9}", name))
    found = (read_trial(folder, number) for number in numbers)
    return [trial for trial in found if trial is not None]


def best_of(trials: Sequence[Trial], direction: Direction) -> Trial | None:
    """Return the complete trial with the best objective, the first of several; None without one."""
    complete = [trial for trial in trials if trial.state == "complete"]
    sign = 1 if direction == "maximize" else -1
    return max(complete, key=lambda trial: sign * (trial.val_srcc or 0.0), default=None)


def _record(folder: Path, number: int) -> Path:
    return folder / "trials" / f"{number}.json"


def _write_summary(folder: Path, sweep: Sweep) -> None:
    trials = read_trials(folder)
    best = best_of(trials, sweep.direction)
    document = {
        **asdict(sweep),
        "best": None if best is None else best.number,
        "trials": [asdict(trial) for trial in trials],
    }
    known = ("number", "state", "val_srcc", "seconds", "key")
    rows = [
        [*(getattr(trial, name) for name in known), *map(trial.overrides.get, sweep.axes)]
        for trial in trials
    ]
    _write(folder / "sweep.json", json.dumps(document, indent=2) + "\n")
    _write(folder / "sweep.csv", csv_text(["trial", *known[1:], *sweep.axes], rows, True))


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise HmtnetError(
            f"{path} cannot be written: {error}. Check that the folder is writable and the disk is "
            "not full."
        ) from error


def _told(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [f"{name}={text}" for name, text in value.items()]
    return " ".join(value) if isinstance(value, list) and value else str(value or "none")
