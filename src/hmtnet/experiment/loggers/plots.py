"""Scatter, confusion and calibration of a stage, as pictures that every logger can show.

Drawn with matplotlib's objects, never with pyplot. Import this module only where a stage is logged:
matplotlib takes a second to import.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hmtnet import metrics
from hmtnet.artifact.predictions import Predictions
from hmtnet.experiment.loggers.sink import Picture
from hmtnet.metrics.mapping import fit_mapping

_BINS = 10
_BLUE, _ORANGE = "#0072B2", "#E69F00"  # of Okabe and Ito's palette for colour-blind readers
_SHADES = "cividis"  # made for them


def plots(found: Predictions, mos: str) -> dict[str, Picture]:
    """Draw what a stage says of the test images, or of the validation images without these.

    Args:
        found: A stage's predictions.
        mos: What the labels are called.

    Returns:
        ``scatter`` and, of a network with grades, ``confusion`` and ``calibration``; of several
        datasets, of each, as ``scatter/<dataset>``.
    """
    subset = "test" if "test" in found.subsets else "val"
    drawn = {}
    for dataset, rows in found.select(subset).apart().items():
        ending = "" if dataset is None else f"/{dataset}"
        drawn[f"scatter{ending}"] = _scatter(rows, subset, mos)
        if rows.probabilities.shape[1] and (rows.true_grade >= 0).all():
            drawn[f"confusion{ending}"] = _confusion(rows, subset)
            drawn[f"calibration{ending}"] = _calibration(rows, subset)
    return drawn


def _scatter(rows: Predictions, subset: str, mos: str) -> Picture:
    figure, axes = _axes(f"{len(rows)} {subset} images", "score", mos)
    axes.scatter(rows.score, rows.mos, s=12, color=_BLUE, alpha=0.6, linewidths=0)
    along = np.linspace(rows.score.min(), rows.score.max(), 60)
    axes.plot(along, fit_mapping(rows.score, rows.mos)(along), color=_ORANGE)
    return _pixels(figure)


def _confusion(rows: Predictions, subset: str) -> Picture:
    count = rows.probabilities.shape[1]
    found = metrics.confusion(rows.true_grade, rows.grade, count)
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1)
    right = metrics.accuracy(rows.true_grade, rows.grade)
    title = f"{len(rows)} {subset} images, {right:.0%} of grades right"
    figure, axes = _axes(title, "predicted grade", f"true grade (1 worst, {count} best)")
    axes.imshow(shares, cmap=_SHADES, vmin=0, vmax=1, origin="lower")
    for (row, column), images in np.ndenumerate(found):
        ink = "black" if shares[row, column] > 0.5 else "white"
        axes.text(column, row, str(images), ha="center", va="center", color=ink)
    names = [str(grade + 1) for grade in range(count)]
    axes.set_xticks(range(count), names)
    axes.set_yticks(range(count), names)
    return _pixels(figure)


def _calibration(rows: Predictions, subset: str) -> Picture:
    confidence = rows.probabilities.max(axis=1)
    right = rows.probabilities.argmax(axis=1) == rows.true_grade
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    shares = np.bincount(bins, weights=right, minlength=_BINS) / np.maximum(counts, 1)
    title = f"{len(rows)} {subset} images; faint: few of them"
    figure, axes = _axes(title, "highest probability of a grade", "share that is right")
    strength = 0.25 + 0.75 * np.minimum(1, counts * _BINS / len(rows))
    colours = [(_BLUE, float(alpha)) for alpha in strength]
    axes.bar((np.arange(_BINS) + 0.5) / _BINS, shares, 0.9 / _BINS, color=colours)
    axes.plot([0, 1], [0, 1], color=_ORANGE)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return _pixels(figure)


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4, 4), dpi=100, layout="tight")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=9)
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def _pixels(figure: Figure) -> Picture:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
