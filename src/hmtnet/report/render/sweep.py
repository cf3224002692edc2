"""The page of a sweep: its trials, parallel coordinates, importance and learning curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as File

import numpy as np

from hmtnet.report.numbers.sweep import SweepReport, as_numbers
from hmtnet.report.render.drawing import FLAT, Figure, Path, axes, legend, limits, line
from hmtnet.report.render.formats import DASH, decimals, percent
from hmtnet.report.render.layout import Cell, Column, Table, TableRow
from hmtnet.report.render.templating import render
from hmtnet.report.render.write import write_files
from hmtnet.storage.trials import Trial

PAGE = "sweep.html"

SHADES = 5
"""Of the style sheet, from the worst fifth of the trials to the best."""

_TOP, _HEIGHT, _STEP, _MARGIN = 34, 220, 150, 90


@dataclass(frozen=True)
class Upright:
    """One of several axes that stand side by side.

    Attributes:
        x: Where it stands.
        name: The setting.
        ticks: Places and texts of its values.
    """

    x: float
    name: str
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Parallel:
    """Trials as lines across upright axes, one per setting, and the objective's at the right."""

    axes: tuple[Upright, ...]
    paths: tuple[Path, ...]
    width: float
    top: float = _TOP
    bottom: float = _TOP + _HEIGHT
    height: float = _TOP + _HEIGHT + 16


def write_sweep(report: SweepReport, folder: File, command: str) -> File:
    """Write the page into a folder, and return it.

    Args:
        report: What to write.
        folder: Made if it does not exist.
        command: Words that train the best setting.

    Raises:
        DataError: It cannot be written.
    """
    text = render(
        "sweep.html.j2",
        report=report,
        command=command,
        table=trials_table(report),
        parallel=parallel(report),
        importance=[
            (axis, percent(share, 0), round(100 * share, 1))
            for axis, share in report.importance.items()
        ],
        curves=curves(report),
    )
    write_files(folder, {PAGE: text})
    return folder / PAGE


def trials_table(report: SweepReport) -> Table:
    """Return all trials, the best ones first."""
    others = [trial for trial in report.trials if trial.state != "complete"]
    settings = report.differing
    columns = (
        Column("trial"),
        *(Column(axis, text=True) for axis in settings),
        Column("validation SRCC", "of the last stage: what the sweep goes by"),
        Column("state", text=True),
        Column("seconds"),
        Column("key", "of the last stage; its run directory ends with it", text=True),
    )
    rows = [_row(trial, settings, trial == report.best) for trial in [*report.complete, *others]]
    return Table("All trials, the best first", columns, tuple(rows))


def _row(trial: Trial, settings: Sequence[str], best: bool) -> TableRow:
    values = [trial.overrides.get(axis, DASH) for axis in settings]
    return TableRow(
        (
            Cell(str(trial.number), trial.number),
            *(Cell(value, value) for value in values),
            Cell(decimals(trial.val_srcc), trial.val_srcc, strong=best),
            Cell(trial.state, trial.state, below=trial.message or ""),
            Cell(decimals(trial.seconds, 1), trial.seconds),
            Cell(trial.key or DASH, trial.key or ""),
        )
    )


def parallel(report: SweepReport) -> Parallel | None:
    """Draw complete trials across their settings; None where there are fewer than two."""
    shown, settings = report.complete[::-1], report.differing
    if len(shown) < 2 or not settings:
        return None
    objective = np.array([trial.val_srcc for trial in shown], dtype=np.float64)
    low, high = limits(objective)
    uprights, places = [], []
    for i, axis in enumerate(settings):
        values = [trial.overrides.get(axis, DASH) for trial in shown]
        at, ticks = _placed(values)
        places.append(at)
        uprights.append(Upright(_MARGIN + i * _STEP, axis, ticks))
    x = _MARGIN + len(settings) * _STEP
    places.append([_y(share) for share in (objective - low) / (high - low)])
    ends = ((_y(0), decimals(low)), (_y(1), decimals(high)))
    uprights.append(Upright(x, "validation SRCC", ends))
    paths = []
    for row, across in enumerate(zip(*places, strict=True)):
        points = [f"{axis.x} {y}" for axis, y in zip(uprights, across, strict=True)]
        shade = min(SHADES * row // len(shown), SHADES - 1)
        best = " first" if row == len(shown) - 1 else ""
        paths.append(Path("M" + "L".join(points), f"trial shade{shade}{best}"))
    return Parallel(tuple(uprights), tuple(paths), x + _MARGIN)


def _placed(values: Sequence[str]) -> tuple[list[float], tuple[tuple[float, str], ...]]:
    """Return places of values on an upright axis, and its ticks; magnitudes stand by logarithm."""
    numbers = as_numbers(values)
    distinct = list(dict.fromkeys(values))
    if numbers is None:
        order = {value: i / max(len(distinct) - 1, 1) for i, value in enumerate(distinct)}
        ticks = tuple((_y(share), value) for value, share in order.items())
        return [_y(order[value]) for value in values], ticks
    ends = float(numbers.min()), float(numbers.max())
    scale = np.log10 if ends[0] > 0 and ends[1] / ends[0] > 30 else np.asarray
    low, high = (float(scale(end)) for end in ends)
    shares = (np.asarray(scale(numbers), dtype=np.float64) - low) / ((high - low) or 1.0)
    at = [_y(float(share)) for share in shares]
    few = len(distinct) <= 6
    marked = zip(at, numbers, strict=True) if few else zip((_y(0), _y(1)), ends, strict=True)
    return at, tuple(dict.fromkeys((place, f"{value:.3g}") for place, value in marked))


def _y(share: float) -> float:
    return round(_TOP + _HEIGHT * (1 - share), 1)


def curves(report: SweepReport) -> Figure | None:
    """Draw the validation SRCC of the best trials over their epochs; None where none has two."""
    found = {n: c for n, c in report.curves.items() if np.isfinite(c.srcc).sum() > 1}
    if not found:
        return None
    known = np.concatenate([c.srcc[np.isfinite(c.srcc)] for c in found.values()])
    last = max(float(c.epochs.max()) for c in found.values())
    first = min(float(c.epochs.min()) for c in found.values())
    x, y = axes(("epoch", first, last), ("validation SRCC", *limits(known)), FLAT)
    kinds = {number: f"run hue{i % 6}" for i, number in enumerate(found)}
    return Figure(
        "Validation SRCC of the last stage, over epochs",
        f"The best {len(found)} trials that trained for several epochs.",
        x,
        y,
        tuple(line(x, y, c.epochs, c.srcc, kinds[number]) for number, c in found.items()),
        legend=legend([(f"trial {number}", kind) for number, kind in kinds.items()], y),
    )
