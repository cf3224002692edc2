"""Which figures a section of the page has, and of whom."""

import math
from dataclasses import dataclass

import numpy as np

from hmtnet.baselines.labels import LABEL_ONLY
from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.model import Section
from hmtnet.report.render import figures
from hmtnet.report.render.drawing import Figure, ticks_between
from hmtnet.report.render.formats import counted, decimals

MOST_FIGURES = 3
"""Systems that have figures of their own, the best ones."""


@dataclass(frozen=True)
class Panel:
    """A figure and the text below it."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Strip:
    """One row's SRCC on the scale that all rows share; places are percentages of its width.

    Attributes:
        entry: The row.
        dots: One place per split and seed.
        interval: Where the 95 % interval starts and ends; None where there is none.
        median: The place of the median.
        value: The median.
    """

    entry: Entry
    dots: tuple[str, ...]
    interval: tuple[str, str] | None
    median: str
    value: str


@dataclass(frozen=True)
class Glance:
    """Every row's SRCC on one scale, and the numbers of that scale with their places."""

    strips: tuple[Strip, ...]
    ticks: tuple[tuple[str, str], ...]


def glance(section: Section) -> Glance | None:
    """Show every row's SRCC on one scale; None where it is undefined for all."""
    rows = [entry for entry in section.entries if entry.spreads["srcc"].defined]
    values = {entry.name: _per_split(entry) for entry in rows}
    ends = {entry.name: _interval(entry) for entry in rows}
    everything = [value for found in (*values.values(), *ends.values()) for value in found]
    if not everything:
        return None
    margin = 0.05 * (max(everything) - min(everything)) or 0.05
    low, high = min(everything) - margin, max(everything) + margin

    def at(value: float) -> str:
        return f"{2 + 96 * (value - low) / (high - low):.2f}%"

    strips = []
    for entry in rows:
        median, interval = entry.spreads["srcc"].median, ends[entry.name]
        places = (at(interval[0]), at(interval[1])) if interval else None
        dots = tuple(at(value) for value in values[entry.name])
        strips.append(Strip(entry, dots, places, at(median), decimals(median)))
    ticks = tuple((at(tick), f"{tick:g}") for tick in ticks_between(low, high))
    return Glance(tuple(strips), ticks)


def scatter_plots(section: Section) -> list[Panel]:
    """Show scores against labels: the best systems, and label-only beside them."""
    label_only = [entry for entry in section.entries if entry.name == LABEL_ONLY]
    found = []
    for entry in [*section.systems[:MOST_FIGURES], *label_only]:
        if entry.view is None or len(entry.view) == 0:
            continue
        figure = figures.scatter(entry.view, entry.mapping, entry.name, section.grounds.mos)
        drawn = len(figures.thinned(entry.view.mos))
        thin = f", {drawn} of them drawn" if drawn < len(entry.view) else ""
        text = f"{entry.name}: {_images(entry)}{thin}; fit {entry.mapping.status}"
        found.append(Panel(figure, text))
    return found


def grade_plots(section: Section) -> list[Panel]:
    """Show confusion and calibration of the best systems that predict grades."""
    found = []
    graded = [
        (entry, entry.view)
        for entry in section.systems
        if entry.view is not None
        and not ((entry.view.true_grade < 0).any() or (entry.view.grade < 0).any())
    ]
    for entry, rows in graded[:MOST_FIGURES]:
        text = f"{entry.name}: grades of {_images(entry)}"
        found.append(Panel(figures.confusion(rows, entry.name), text))
        if rows.probabilities.shape[1]:
            text = f"{entry.name}: accuracy of grades by their confidence"
            found.append(Panel(figures.calibration(rows, entry.name), text))
    return found


def learning_curves(section: Section) -> list[Panel]:
    """Show each system's validation SRCC and losses over epochs, of the runs that have several."""
    found: list[Panel] = []
    for entry in section.systems:
        read = [run.history.curves for run in entry.runs]
        runs = [curves for curves in read if curves is not None and np.ptp(curves.epochs) > 0]
        if not runs:
            continue
        count = "" if len(runs) == len(read) else f" ({len(runs)} of {counted(len(read), 'run')})"
        drawn = (
            (figures.srcc_curves(runs, entry.name), f"{entry.name}: validation SRCC{count}"),
            (figures.loss_curves(runs, entry.name), f"{entry.name}: loss{count}"),
        )
        found += [Panel(figure, text) for figure, text in drawn if figure is not None]
    return found


def _images(entry: Entry) -> str:
    return f"{counted(len(entry.view or ()), 'image')} of {entry.view_label}"


def _per_split(entry: Entry) -> list[float]:
    found = [outcome.measured.values["srcc"] for outcome in entry.outcomes]
    return [value for value in found if not math.isnan(value)]


def _interval(entry: Entry) -> list[float]:
    found = entry.interval
    return [] if found is None or math.isnan(found.low) else [found.low, found.high]
