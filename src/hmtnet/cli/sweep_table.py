"""What a sweep ends with: one table, and the best settings as words to copy."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from hmtnet.errors import listed, printable
from hmtnet.report.numbers.sweep import unanswered
from hmtnet.report.render.formats import DASH, counted, decimals
from hmtnet.report.render.terminal import cell, text_table
from hmtnet.storage import trials
from hmtnet.storage.trials import Sweep, Trial

MOST_ROWS = 50


def closing(folder: Path, form: str = "text") -> str:
    """Return the closing table of a sweep's folder.

    Args:
        folder: ``runs/sweeps/<name>``.
        form: ``text``, or ``json`` for what ``sweep.json`` holds.
    """
    if form == "json":
        return (folder / "sweep.json").read_text(encoding="utf-8").rstrip()
    sweep, found = trials.read_sweep(folder), trials.read_trials(folder)
    assert sweep is not None
    best = trials.best_of(found, sweep.direction)
    differing = [
        axis for axis in sweep.axes if len({trial.overrides.get(axis) for trial in found}) > 1
    ]
    shown = sorted(found, key=lambda t: _rank(t, sweep))[:MOST_ROWS]
    header = ["trial", *short_names(differing), "val SRCC", "state", "seconds", "key"]
    rows: list[Sequence[str] | str] = [
        [
            str(trial.number),
            *(cell(trial.overrides.get(axis)) for axis in differing),
            decimals(trial.val_srcc),
            trial.state,
            decimals(trial.seconds, 1),
            trial.key or DASH,
        ]
        for trial in sorted(shown, key=lambda t: t.number)
    ]
    if len(found) > len(shown):
        rows.append(f"the best {len(shown)} of {len(found)}; all are in sweep.csv")
    ended = ", ".join(
        f"{count} {state}"
        for state in ("complete", "pruned", "failed", "interrupted", "running")
        if (count := sum(trial.state == state for trial in found))
    )
    lines = [f"\nsweep {folder.name}: {counted(len(found), 'trial')}, {ended}"]
    lines += [text_table(header, rows), ""]
    if best is None:
        lines.append("no trial is complete, so none is best")
    else:
        lines.append(f"best: trial {best.number}, validation SRCC {decimals(best.val_srcc)}")
        lines.append(f"  hmtnet train {best_words(sweep, best)}")
    if lacking := unanswered(sweep, found):
        lines.append(f"not answered yet, for want of a trial or its reference: {listed(lacking)}")
    lines.append(f"\nsweep.csv and sweep.json: {folder}")
    offline = "*/*/*/wandb/offline-run-*"
    if "logger=wandb" in sweep.fixed and any(folder.parents[1].glob(offline)):
        lines.append(f"W&B, logged offline; to send it: wandb sync {folder.parents[1]}/{offline}")
    if "logger=tensorboard" in sweep.fixed:
        lines.append(f"to look at the curves: tensorboard --logdir {folder.parents[1]}")
    return printable("\n".join(lines))


def best_words(sweep: Sweep, best: Trial) -> str:
    """Return a trial's settings as words of a command line."""
    sets = (f"{name}={value}" for name, value in best.overrides.items())
    return shlex.join([*sweep.fixed, *sets])


def short_names(names: Sequence[str]) -> list[str]:
    """Return the shortest endings of dotted names that tell them apart.

    >>> short_names(["system.sfen.optimizer.lr", "system.joint.optimizer.lr", "seed"])
    ['sfen.optimizer.lr', 'joint.optimizer.lr', 'seed']
    """
    return [next(end for end in _endings(name) if _tells(end, names)) for name in names]


def _endings(name: str) -> Iterable[str]:
    parts = name.split(".")
    return (".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1))


def _tells(end: str, names: Sequence[str]) -> bool:
    return sum(f".{name}".endswith(f".{end}") for name in names) == 1


def _rank(trial: Trial, sweep: Sweep) -> tuple[bool, float]:
    value = trial.val_srcc
    sign = -1 if sweep.direction == "maximize" else 1
    return (value is None, 0.0 if value is None else sign * value)
