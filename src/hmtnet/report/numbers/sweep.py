"""What a sweep has found: its trials, what each setting is worth, and how trainings went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hmtnet import __version__
from hmtnet.artifact.digests import CURVES_FILE
from hmtnet.errors import DataError
from hmtnet.metrics.checks import Floats
from hmtnet.report.numbers.history import Curves, read_curves
from hmtnet.storage import trials
from hmtnet.storage.trials import Sweep, Trial

MOST_CURVES = 12
"""Of the best trials, so many learning curves are read."""

_DISTINCT = 8  # more values than these are grouped by thirds


@dataclass(frozen=True)
class SweepReport:
    """A sweep, read back.

    Attributes:
        name: Of its folder.
        sweep: What it tries.
        trials: Those that have begun, by number.
        best: The best one; None where none is complete.
        importance: By setting, which share of the objective's variance it explains alone; empty
            where there are too few complete trials.
        curves: Of the best trials, by number.
        unanswered: Questions of an ablation that cannot be answered yet.
        version: Of hmtnet.
    """

    name: str
    sweep: Sweep
    trials: tuple[Trial, ...]
    best: Trial | None
    importance: Mapping[str, float]
    curves: Mapping[int, Curves]
    unanswered: tuple[str, ...]
    version: str = __version__

    @property
    def complete(self) -> list[Trial]:
        """Complete trials, the best first."""
        sign = -1 if self.sweep.direction == "maximize" else 1
        found = [trial for trial in self.trials if trial.state == "complete"]
        return sorted(found, key=lambda trial: sign * (trial.val_srcc or 0.0))

    @property
    def differing(self) -> list[str]:
        """Settings that had more than one value."""
        return [
            axis
            for axis in self.sweep.axes
            if len({trial.overrides.get(axis) for trial in self.trials}) > 1
        ]


def read_sweep_report(folder: Path) -> SweepReport:
    """Read a sweep's folder, ``runs/sweeps/<name>``, and the curves of its best trials.

    Raises:
        DataError: No trial has begun.
    """
    sweep, found = trials.read_sweep(folder), trials.read_trials(folder)
    if sweep is None or not found:
        raise DataError(f"{folder} holds no trial yet. Give the sweep's command again.")
    best = trials.best_of(found, sweep.direction)
    known = SweepReport(folder.name, sweep, tuple(found), best, {}, {}, ())
    return SweepReport(
        folder.name,
        sweep,
        tuple(found),
        best,
        importance(known.complete, known.differing),
        _curves(folder.parents[1], known.complete[:MOST_CURVES]),
        tuple(unanswered(sweep, found)),
    )


def unanswered(sweep: Sweep, found: Sequence[Trial]) -> list[str]:
    """Name the questions of an ablation that no split answers yet.

    A question is answered by a split for which both its trial and the reference's are complete.
    """
    asked = sweep.axes.get("ablation")
    if asked is None:
        return []
    done: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for trial in found:
        question = trial.overrides.get("ablation", "")
        splits = done.setdefault(question, set())
        if trial.state == "complete":
            rest = {name: x for name, x in trial.overrides.items() if name != "ablation"}
            splits.add(tuple(sorted(rest.items())))
    # A pattern, glob(*), is known by the trials that have begun.
    names = list(done) if "(" in asked else asked.split(",")
    reference = done.get("reference", set())
    return [n for n in names if n != "reference" and not done.get(n, set()) & reference]


def importance(complete: Sequence[Trial], axes: Sequence[str]) -> dict[str, float]:
    """Return which share of the objective's variance each setting explains alone.

    That is ε², the share that lies between the setting's values, less what chance puts there
    (Kelley 1935), at least 0. Numbers of many values are grouped by thirds. Shares need not add up
    to 1: settings may act together, and in a search they are drawn together.
    """
    objective = np.array([trial.val_srcc for trial in complete], dtype=np.float64)
    found = {}
    for axis in axes:
        groups = _groups([trial.overrides.get(axis, "") for trial in complete])
        k, n = len(set(groups)), len(groups)
        if k < 2 or n < k + 2:
            continue
        within = sum(
            float(((part := objective[groups == group]) - part.mean()) @ (part - part.mean()))
            for group in set(groups)
        )
        total = float(((objective - objective.mean()) ** 2).sum())
        share = 1 - (within / (n - k)) / (total / (n - 1)) if total > 0 else 0.0
        found[axis] = max(share, 0.0)
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def as_numbers(values: Sequence[str]) -> Floats | None:
    """Return values as numbers; None where some are none."""
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None


def _groups(values: Sequence[str]) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    numbers = as_numbers(values)
    if numbers is not None and len(set(values)) > _DISTINCT:
        return np.digitize(numbers, np.quantile(numbers, [1 / 3, 2 / 3]))
    order = {value: i for i, value in enumerate(dict.fromkeys(values))}
    return np.array([order[value] for value in values])


def _curves(runs: Path, chosen: Sequence[Trial]) -> dict[int, Curves]:
    found = {}
    for trial in chosen:
        place = next(runs.glob(f"*/*/*-{trial.key}"), None)
        if place is not None and (curves := read_curves(place / CURVES_FILE)) is not None:
            found[trial.number] = curves
    return found
