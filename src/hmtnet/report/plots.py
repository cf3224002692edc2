"""Pictures of predictions: scores against MOS, and the confusion of grades.

Drawn with matplotlib's objects, never with pyplot, whose global state and choice of a window system
have no place in a library. Import this module only where a picture is wanted: matplotlib takes a
second to import. Each PNG appears whole or not at all.
"""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hmtnet import metrics
from hmtnet.artifact.predictions import Predictions
from hmtnet.errors import DataError
from hmtnet.files import written_aside
from hmtnet.metrics.checks import Integers

DPI = 150

# The layout in inches: squares of one size, so that plots side by side line up. matplotlib's own
# layouts cut labels off beside axes that must stay square.
_LEFT, _BOTTOM, _SIDE, _HEIGHT = 0.9, 0.75, 4.6, 6.4
_SCATTER_WIDTH, _CONFUSION_WIDTH = 7.6, 6.0

# Okabe & Ito's palette for colour-blind readers, less its yellow, which is faint on white.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
_MARKERS = ("o", "^", "s", "D", "v", "P", "X")
_MOST_METHODS = 12
_INK = "#333333"
_FAINT = "#8a8a8a"


def mos_label(label_kind: str, low: float, high: float) -> str:
    """Name the axis of MOS, saying plainly when no human gave it.

    Args:
        label_kind: ``human`` or ``pseudo``.
        low: Lower end of the dataset's range.
        high: Upper end.

    >>> mos_label("pseudo", 0, 1)
    'pseudo-MOS (not human), range 0 to 1'
    """
    name = "pseudo-MOS (not human)" if label_kind == "pseudo" else "MOS"
    return f"{name}, range {low:g} to {high:g}"


def scatter(predictions: Predictions, path: Path, title: str, label: str = "MOS") -> None:
    """Plot the score of each image against its MOS, with SRCC and PLCC.

    Points are coloured by SR method, or by scale where there are more than 12 methods or none.

    Args:
        predictions: What to show: select a subset first.
        path: The PNG to write, 1140 × 960 pixels.
        title: A line above.
        label: The axis of MOS, e.g. from :func:`mos_label`.

    Raises:
        DataError: If there are no predictions.
    """
    _require_rows(predictions)
    figure = Figure(figsize=(_SCATTER_WIDTH, _HEIGHT), dpi=DPI)
    _draw_scatter(_square(figure, _LEFT), predictions, label)
    _finish(figure, path, title)


def confusion_plot(
    predictions: Predictions, path: Path, title: str, count: int | None = None
) -> None:
    """Plot how true grades are predicted: counts, shaded by their share of the true grade.

    Args:
        predictions: What to show, with grades: select a subset first.
        path: The PNG to write, 900 × 960 pixels.
        title: A line above.
        count: K, the number of grades; by default as many as there are probabilities or, without
            these, up to the highest grade that occurs.

    Raises:
        DataError: If there are no predictions, or an image has no grade or true grade.
    """
    _require_rows(predictions)
    figure = Figure(figsize=(_CONFUSION_WIDTH, _HEIGHT), dpi=DPI)
    _draw_confusion(_square(figure, _LEFT), predictions, count)
    _finish(figure, path, title)


def result_picture(
    predictions: Predictions,
    path: Path,
    title: str,
    label: str = "MOS",
    count: int | None = None,
) -> None:
    """Plot a system's result in one picture: the scatter on the left, its grades on the right.

    Args, raises as :func:`scatter` and :func:`confusion_plot`; the PNG has 2040 × 960 pixels.
    """
    _require_rows(predictions)
    figure = Figure(figsize=(_SCATTER_WIDTH + _CONFUSION_WIDTH, _HEIGHT), dpi=DPI)
    _draw_scatter(_square(figure, _LEFT), predictions, label)
    _draw_confusion(_square(figure, _SCATTER_WIDTH + _LEFT), predictions, count)
    _finish(figure, path, title)


def _square(figure: Figure, left: float) -> Axes:
    width, height = figure.get_size_inches()
    return figure.add_axes((left / width, _BOTTOM / height, _SIDE / width, _SIDE / height))


def _draw_scatter(axes: Axes, predictions: Predictions, label: str) -> None:
    low = min(predictions.mos.min(), predictions.score.min())
    high = max(predictions.mos.max(), predictions.score.max())
    margin = 0.04 * (high - low) or 0.5  # all alike: any range will do
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=_FAINT, linewidth=1, linestyle=(0, (5, 4)), zorder=1)
    title, groups = _groups(predictions)
    for name, colour, marker, rows in groups:
        axes.scatter(
            predictions.mos[rows],
            predictions.score[rows],
            s=48 if marker in "PX" else 32,  # crosses cover less of their box
            color=colour,
            marker=marker,
            alpha=0.85,
            linewidth=0.4,
            edgecolor="white",
            label=name,
            zorder=2,
        )
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set_xlabel(label, color=_INK)
    axes.set_ylabel("predicted score, same unit", color=_INK)
    _caption(axes, "each point is an image\ndashed: the score equals the MOS")
    axes.grid(color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)
    _plain(axes)
    axes.text(
        0.03,
        0.97,
        f"SRCC  {_number(metrics.srcc(predictions.score, predictions.mos))}\n"
        f"PLCC  {_number(metrics.plcc(predictions.score, predictions.mos))}\n"
        f"{len(predictions)} image{'' if len(predictions) == 1 else 's'}",
        transform=axes.transAxes,
        verticalalignment="top",
        linespacing=1.4,
        color=_INK,
        bbox={"facecolor": "white", "edgecolor": "#cccccc", "boxstyle": "round,pad=0.45"},
    )
    if title:
        legend = axes.legend(
            title=title,
            loc="upper left",
            bbox_to_anchor=(1.02, 1.0),
            borderaxespad=0,
            frameon=False,
            fontsize=9,
            handletextpad=0.3,
            labelcolor=_INK,
            alignment="left",
        )
        legend.get_title().set_color(_INK)


def _groups(predictions: Predictions) -> tuple[str, list[tuple[str, str, str, list[int]]]]:
    """Divide the rows for the legend.

    Returns:
        The legend's title (empty: no legend) and each group's name, colour, marker and rows.
    """
    methods = sorted({method for method in predictions.method if method is not None})
    scales = sorted({scale for scale in predictions.scale if scale is not None})
    everything = list(range(len(predictions)))
    title: str
    keys: Sequence[str | int]
    column: Sequence[str | int | None]
    if 1 < len(methods) <= _MOST_METHODS:
        title, keys, column = "SR method", methods, predictions.method
        names = [_shortened(method) for method in methods]
    elif len(scales) > 1:
        title, keys, column = "scale", scales, predictions.scale
        names = [f"× {scale}" for scale in scales]
    else:
        return "", [("", _COLOURS[0], _MARKERS[0], everything)]
    groups = []
    for index, (key, name) in enumerate(zip(keys, names, strict=True)):
        turn, place = divmod(index, len(_COLOURS))
        # A second turn through the colours pairs each with another marker.
        marker = _MARKERS[(place + 3 * turn) % len(_MARKERS)]
        rows = [row for row in everything if column[row] == key]
        groups.append((name, _COLOURS[place], marker, rows))
    unknown = [row for row in everything if column[row] is None]
    if unknown:
        groups.append(("unknown", _FAINT, "o", unknown))
    return title, groups


def _draw_confusion(axes: Axes, predictions: Predictions, count: int | None) -> None:
    true, predicted = predictions.true_grade, predictions.grade
    without = int(((true < 0) | (predicted < 0)).sum())
    if without:
        raise DataError(
            f"Grades: expected a true and a predicted one for each image, found {without} of "
            f"{len(predictions)} images without. Show predictions of a stage that grades."
        )
    if count is None:
        count = predictions.probabilities.shape[1] or int(max(true.max(), predicted.max())) + 1
    counts = metrics.confusion(true, predicted, count)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    _write_counts(axes, counts, shares)
    names = [str(grade + 1) for grade in range(count)]
    names[0], names[-1] = f"{names[0]}\nworst", f"{names[-1]}\nbest"
    axes.set_xticks(range(count), names)
    axes.set_yticks(range(count), names)
    axes.set_xticks(np.arange(count - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(count - 1) + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted grade", color=_INK)
    axes.set_ylabel("true grade", color=_INK)
    _caption(
        axes,
        f"{metrics.accuracy(true, predicted):.0%} right, "
        f"{metrics.adjacent_accuracy(true, predicted):.0%} at most one off\n"
        "in each cell: images, and their share of the true grade",
    )
    _plain(axes)


def _write_counts(axes: Axes, counts: Integers, shares: np.ndarray) -> None:
    large = 14 if len(counts) <= 6 else 9
    for row, column in np.ndindex(*counts.shape):
        share = float(shares[row, column])
        colour = "white" if share > 0.55 else _INK
        if counts[row, column] == 0:
            axes.text(column, row, "0", ha="center", va="center", color="#b5b5b5", size=large)
            continue
        axes.annotate(
            str(counts[row, column]),
            (column, row),
            (0, 0.35 * large),
            textcoords="offset points",
            ha="center",
            va="center",
            color=colour,
            size=large,
        )
        axes.annotate(
            f"{share:.0%}",
            (column, row),
            (0, -0.75 * large),
            textcoords="offset points",
            ha="center",
            va="center",
            color=colour,
            size=0.65 * large,
        )


def _caption(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10, color=_INK, linespacing=1.4, loc="left")


def _plain(axes: Axes) -> None:
    axes.spines[:].set_visible(False)
    axes.tick_params(colors=_INK, length=0)


def _shortened(name: str, length: int = 22) -> str:
    # Both ends stay: what tells two versions of a method apart is often the last letter.
    half = length // 2
    return name if len(name) <= length else f"{name[: half - 1]}…{name[-half:]}"


def _number(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def _require_rows(predictions: Predictions) -> None:
    if len(predictions) == 0:
        raise DataError("Predictions: expected at least one image to plot, found none.")


def _finish(figure: Figure, path: Path, title: str) -> None:
    """Set the title and write the PNG, whole or not at all."""
    width, height = figure.get_size_inches()
    lines = textwrap.fill(title, int((width - _LEFT) * 8))  # 8 letters to the inch
    bottom = (_BOTTOM + _SIDE + 0.55) / height
    figure.text(_LEFT / width, bottom, lines, fontsize=13, weight="bold", color=_INK, va="bottom")
    with written_aside(path) as aside:
        figure.savefig(aside, format="png")
