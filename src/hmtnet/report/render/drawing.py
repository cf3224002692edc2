"""What a figure is made of, and where it stands; `templates/figure.svg.j2` draws it.

Colours come from a style sheet, so that light and dark both work. Every figure has a title and a
description for those who do not see it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hmtnet.metrics.checks import Floats

WIDTH, TALL, FLAT = 340, 320, 210
"""Width of every figure, and the two heights there are, without a legend."""

_LEFT, _RIGHT, _TOP, _BELOW = 54, 10, 10, 44
_LEGEND_ROW, _LEGEND_COLUMNS = 16, 3


@dataclass(frozen=True)
class Axis:
    """One direction of a figure.

    Attributes:
        name: What it shows.
        low: Value at its start.
        high: Value at its end.
        start: Place of its start in the figure.
        end: Place of its end.
        whole: Whether its values are whole numbers.
    """

    name: str
    low: float
    high: float
    start: float
    end: float
    whole: bool = False

    def at(self, value: float) -> float:
        """Return the place of a value."""
        share = (float(value) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Places of few round numbers, and these."""
        found = ticks_between(self.low, self.high, 10 if self.whole else 5)
        return [(self.at(t), f"{t:g}") for t in found if not self.whole or t == int(t)]


@dataclass(frozen=True)
class Path:
    """A line or a cloud of points: its SVG path, and its classes in the style sheet."""

    d: str
    kind: str


@dataclass(frozen=True)
class Box:
    """A rectangle, as opaque as what it counts is frequent, with a text in it and a hint on it."""

    x: float
    y: float
    width: float
    height: float
    opacity: float
    text: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Label:
    """A name in the legend, with the class of its mark."""

    x: float
    y: float
    text: str
    kind: str


@dataclass(frozen=True)
class Figure:
    """Everything that is drawn.

    Attributes:
        title: What it shows of whom.
        description: What is to be seen, in words.
        x: The horizontal axis.
        y: The vertical axis.
        paths: Drawn last.
        boxes: Drawn first.
        legend: Below the axes.
        ordinal: Whether axes count grades from 1: their numbers stand between grid lines.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    paths: tuple[Path, ...] = ()
    boxes: tuple[Box, ...] = ()
    legend: tuple[Label, ...] = ()
    ordinal: bool = False

    @property
    def width(self) -> float:
        """Of the drawing, in its own units."""
        return WIDTH

    @property
    def height(self) -> float:
        """Of the drawing, with the legend."""
        return max([self.y.start + _BELOW, *(label.y + 8 for label in self.legend)])


def ticks_between(low: float, high: float, most: int = 5) -> list[float]:
    """Return few round numbers within a range.

    >>> ticks_between(0.81, 0.99)
    [0.85, 0.9, 0.95]
    """
    span = high - low
    exponent = np.floor(np.log10(span / most))
    step = next(s for m in (1, 2, 2.5, 5, 10, 20) if span / (s := m * 10.0**exponent) <= most)
    first = int(np.ceil(low / step - 1e-9))
    last = int(np.floor(high / step + 1e-9))
    return [float(f"{i * step:.10g}") for i in range(first, last + 1)]


def axes(
    x: tuple[str, float, float],
    y: tuple[str, float, float],
    height: float = TALL,
    *,
    whole: tuple[bool, bool] = (False, False),
) -> tuple[Axis, Axis]:
    """Place the axes; each is given by its name and the values at its ends."""
    return (
        Axis(*x, _LEFT, WIDTH - _RIGHT, whole[0]),
        Axis(*y, height - _BELOW, _TOP, whole[1]),
    )


def limits(values: Floats) -> tuple[float, float]:
    """Return the ends of an axis, a little outside the values."""
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5 * max(abs(low), 1.0)  # all alike: any range will do
    return low - margin, high + margin


def line(
    x: Axis, y: Axis, along: Sequence[float] | Floats, values: Sequence[float] | Floats, kind: str
) -> Path:
    """Join the points that are known; where one is not, the line goes on behind it."""
    pairs = zip(along, values, strict=True)
    points = [f"{x.at(a)} {y.at(v)}" for a, v in pairs if np.isfinite(v)]
    return Path("M" + "L".join(points) if points else "", kind)


def legend(labels: Sequence[tuple[str, str]], y: Axis) -> tuple[Label, ...]:
    """Place texts, each with the class of its mark, in columns below a figure."""
    width = (WIDTH - _RIGHT) / _LEGEND_COLUMNS
    return tuple(
        Label(
            round(12 + (i % _LEGEND_COLUMNS) * width, 1),
            y.start + _BELOW + 10 + (i // _LEGEND_COLUMNS) * _LEGEND_ROW,
            text,
            kind,
        )
        for i, (text, kind) in enumerate(labels)
    )
