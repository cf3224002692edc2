"""Small figures as inline SVG: colours come from the page, so that light and dark both work.

Every figure has a title and a description for those who do not see it.
"""

from collections.abc import Callable

import numpy as np

from hmtnet.metrics.checks import Floats, Integers
from hmtnet.metrics.mapping import Mapping
from hmtnet.report.markup import Markup, element, joined

MOST_POINTS = 1000
"""Points of a scatter plot; of more images, evenly spaced ones in the order of MOS are drawn."""

_WIDTH, _HEIGHT = 340, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 44
_BINS = 15  # as the expected calibration error


def scatter(
    score: Floats, mos: Floats, mapping: Mapping, name: str, labels: tuple[str, str]
) -> Markup:
    """Plot score against MOS, with the fitted curve.

    Args:
        score: (N,), N ≥ 1.
        mos: (N,).
        mapping: The curve from score to MOS.
        name: Of the system.
        labels: Of the horizontal and vertical axis: score and MOS.
    """
    shown = thinned(mos)
    x, y = _frame(_limits(score), _limits(mos))
    # One path of zero-length strokes with round ends: a twentieth of as many circles.
    dots = "".join(
        f"M{x(s):.1f} {y(m):.1f}h0" for s, m in zip(score[shown], mos[shown], strict=True)
    )
    along = np.linspace(score.min(), score.max(), 60)
    curve = np.clip(mapping(along), *_limits(mos))
    line = "L".join(f"{x(s):.1f} {y(m):.1f}" for s, m in zip(along, curve, strict=True))
    thin = "" if len(shown) == len(mos) else f" {len(shown)} of {len(mos)} points are drawn."
    return _figure(
        f"{labels[1]} against {labels[0]} of {name}",
        f"{len(mos)} images; the line is the fitted curve ({mapping.status}).{thin}",
        _axes(_limits(score), _limits(mos), labels),
        element("path", d=dots, class_="points"),
        element("path", d=f"M{line}", class_="curve"),
    )


def thinned(mos: Floats) -> Integers:
    """Return the rows to draw: all, or evenly spaced ones in the order of MOS."""
    if len(mos) <= MOST_POINTS:
        return np.arange(len(mos))
    order = np.argsort(mos, kind="stable")
    chosen = np.linspace(0, len(mos) - 1, MOST_POINTS).round().astype(np.int64)
    return np.asarray(order[chosen], dtype=np.int64)


def confusion(counts: Integers, name: str) -> Markup:
    """Show how often each true grade was predicted as which, shaded by the share of the row.

    Args:
        counts: (K, K), row = true grade, column = predicted grade, 0 = worst.
        name: Of the system.
    """
    k = len(counts)
    side = (_HEIGHT - _TOP - _BOTTOM) / k
    cells = []
    for true, row in enumerate(counts):
        total = max(int(row.sum()), 1)
        for predicted, count in enumerate(row.tolist()):
            left, top = _LEFT + predicted * side, _TOP + (k - 1 - true) * side
            cells += [
                element(
                    "rect",
                    x=f"{left + 1:.1f}",
                    y=f"{top + 1:.1f}",
                    width=f"{side - 2:.1f}",
                    height=f"{side - 2:.1f}",
                    class_="cell",
                    fill_opacity=f"{0.04 + 0.56 * count / total:.2f}",
                ),
                _text(str(count), left + side / 2, top + side / 2 + 4, "middle", "value"),
            ]
    for grade in range(k):
        middle = (grade + 0.5) * side
        cells.append(_text(str(grade + 1), _LEFT + middle, _TOP + k * side + 16, "middle"))
        cells.append(_text(str(grade + 1), _LEFT - 8, _TOP + (k * side - middle) + 4, "end"))
    cells += _axis_names("predicted grade", f"true grade (1 worst, {k} best)")
    right = int(np.trace(counts))
    return _figure(
        f"Confusion of grades of {name}",
        f"{right} of {int(counts.sum())} images lie on the diagonal: their grade is right.",
        *cells,
    )


def calibration(probabilities: Floats, true: Integers, name: str) -> Markup:
    """Compare how probable the most probable grades are with how often they are right.

    Args:
        probabilities: (N, K), rows sum to 1.
        true: (N,) true grades.
        name: Of the system.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    accuracy = np.bincount(bins, weights=right, minlength=_BINS) / np.maximum(counts, 1)
    x, y = _frame((0.0, 1.0), (0.0, 1.0))
    bars = [
        element(
            "rect",
            element("title", f"{count} images, {100 * share:.0f} % right"),
            x=f"{x(i / _BINS) + 1:.1f}",
            y=f"{y(share):.1f}",
            width=f"{x(1 / _BINS) - x(0) - 2:.1f}",
            height=f"{y(0) - y(share):.1f}",
            class_="bar",
            # Bars of few images are faint: their height says little.
            fill_opacity=f"{0.25 + 0.6 * min(1.0, count * _BINS / len(true)):.2f}",
        )
        for i, (count, share) in enumerate(zip(counts.tolist(), accuracy.tolist(), strict=True))
        if count
    ]
    diagonal = element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="ideal")
    return _figure(
        f"Calibration of grades of {name}",
        f"{len(true)} images in {_BINS} bins of confidence; the height is how often the "
        "most probable grade is right, the line is perfect calibration, faint bars hold few "
        "images.",
        _axes((0.0, 1.0), (0.0, 1.0), ("highest probability of a grade", "share that is right")),
        *bars,
        diagonal,
    )


def strip(
    values: list[float],
    median: float,
    interval: tuple[float, float] | None,
    limits: tuple[float, float],
) -> Markup:
    """Draw one row of a dot plot as wide as its place: splits as dots, the median as a bar.

    Args:
        values: One a split.
        median: Of these.
        interval: A 95 % interval or a range, if there is one.
        limits: Values at the left and the right end.
    """
    at = _share(limits)
    marks = [element("line", x1="0%", x2="100%", y1="50%", y2="50%", class_="rail")]
    if interval is not None:
        marks.append(
            element(
                "line",
                x1=at(interval[0]),
                x2=at(interval[1]),
                y1="50%",
                y2="50%",
                class_="interval",
            )
        )
    marks += [element("circle", cx=at(value), cy="50%", r=3, class_="dot") for value in values]
    marks.append(element("line", x1=at(median), x2=at(median), y1="15%", y2="85%", class_="median"))
    return element("svg", *marks, class_="strip", aria_hidden="true", focusable="false")


def rule(limits: tuple[float, float]) -> Markup:
    """Draw the axis that stands below the strips."""
    at = _share(limits)
    labels = [
        element("text", f"{tick:g}", x=at(tick), y="70%", text_anchor="middle")
        for tick in ticks_between(*limits)
    ]
    return element("svg", *labels, class_="strip rule", aria_hidden="true", focusable="false")


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


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    factor = (end - start) / (high - low)
    return lambda value: round(start + (float(value) - low) * factor, 2)


def _frame(
    xs: tuple[float, float], ys: tuple[float, float]
) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Return the functions from values to places in a figure."""
    x = _scale(*xs, _LEFT, _WIDTH - _RIGHT)
    return x, _scale(*ys, _HEIGHT - _BOTTOM, _TOP)


def _share(limits: tuple[float, float]) -> Callable[[float], str]:
    """Return the function from a value to its place in a strip of any width."""
    place = _scale(*limits, 2, 98)
    return lambda value: f"{place(value):.2f}%"


def _limits(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5 * max(abs(low), 1.0)  # all alike: any range will do
    return low - margin, high + margin


def _axes(xs: tuple[float, float], ys: tuple[float, float], labels: tuple[str, str]) -> Markup:
    x, y = _frame(xs, ys)
    left, right, bottom, top = x(xs[0]), x(xs[1]), y(ys[0]), y(ys[1])
    parts: list[Markup] = []
    for tick in ticks_between(*xs):
        parts.append(element("line", x1=x(tick), x2=x(tick), y1=bottom, y2=top, class_="grid"))
        parts.append(_text(f"{tick:g}", x(tick), _HEIGHT - _BOTTOM + 15, "middle"))
    for tick in ticks_between(*ys):
        parts.append(element("line", x1=left, x2=right, y1=y(tick), y2=y(tick), class_="grid"))
        parts.append(_text(f"{tick:g}", _LEFT - 6, y(tick) + 4, "end"))
    return joined([*parts, *_axis_names(*labels)])


def _axis_names(horizontal: str, vertical: str) -> list[Markup]:
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    return [
        _text(horizontal, (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 8, "middle", "name"),
        element(
            "text",
            vertical,
            transform=f"translate(12 {middle}) rotate(-90)",
            text_anchor="middle",
            class_="name",
        ),
    ]


def _text(text: str, x: float, y: float, anchor: str, kind: str = "tick") -> Markup:
    return element("text", text, x=f"{x:.1f}", y=f"{y:.1f}", text_anchor=anchor, class_=kind)


def _figure(title: str, description: str, *parts: Markup) -> Markup:
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        class_="plot",
    )
