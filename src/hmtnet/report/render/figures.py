"""The figures of a report: scores, grades and learning curves."""

from collections.abc import Sequence

import numpy as np

from hmtnet import metrics
from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics.checks import Floats, Integers
from hmtnet.metrics.mapping import Mapping
from hmtnet.report.numbers.history import Curves
from hmtnet.report.render.drawing import FLAT, Axis, Box, Figure, Path, axes, legend, limits, line
from hmtnet.report.render.formats import counted, percent

MOST_POINTS = 1000
"""Points of a scatter plot; of more images, evenly spaced ones in the order of MOS are drawn."""

HUES = 7
"""Colours of the style sheet; further groups repeat them with square points."""

_MOST_METHODS = 12
_BINS = 15  # as the expected calibration error


def scatter(rows: Predictions, mapping: Mapping, name: str, mos: str) -> Figure:
    """Plot MOS against score, with the fitted curve.

    Points are coloured by SR method, or by scale where there are more than 12 methods or none.

    Args:
        rows: N ≥ 1 images.
        mapping: The curve from score to MOS.
        name: Of the system.
        mos: What the labels are called.
    """
    shown = thinned(rows.mos)
    x, y = axes(("score", *limits(rows.score)), (mos, *limits(rows.mos)))
    groups = _groups(rows)
    paths = []
    for _, kind, members in groups:
        # One path of zero-length strokes with round ends: a twentieth of as many circles.
        chosen = shown[members[shown]]
        points = zip(rows.score[chosen], rows.mos[chosen], strict=True)
        paths.append(Path("".join(f"M{x.at(s)} {y.at(m)}h0" for s, m in points), f"points {kind}"))
    along = np.linspace(rows.score.min(), rows.score.max(), 60)
    curve = np.clip(mapping(along), y.low, y.high)
    paths.append(line(x, y, along, curve, "curve"))
    thin = f" {len(shown)} of them are drawn." if len(shown) < len(rows) else ""
    return Figure(
        f"{mos} against score of {name}",
        f"{counted(len(rows), 'image')}; the line is the fitted curve ({mapping.status}).{thin}",
        x,
        y,
        tuple(paths),
        legend=legend([(text, f"points {kind}") for text, kind, _ in groups if text], y),
    )


def thinned(mos: Floats) -> Integers:
    """Return the rows to draw: all, or evenly spaced ones in the order of MOS."""
    if len(mos) <= MOST_POINTS:
        return np.arange(len(mos))
    order = np.argsort(mos, kind="stable")
    chosen = np.linspace(0, len(mos) - 1, MOST_POINTS).round().astype(np.int64)
    return np.asarray(order[chosen], dtype=np.int64)


def confusion(rows: Predictions, name: str) -> Figure:
    """Show how often each true grade was predicted as which, shaded by its share of the true grade.

    Args:
        rows: N ≥ 1 images, each with a true and a predicted grade.
        name: Of the system.
    """
    true, predicted = rows.true_grade, rows.grade
    k = max(rows.probabilities.shape[1], int(max(true.max(), predicted.max())) + 1)
    counts = metrics.confusion(true, predicted, k)
    ends = (0.5, k + 0.5)
    x, y = axes(
        ("predicted grade", *ends), (f"true grade (1 worst, {k} best)", *ends), whole=(True, True)
    )
    side = x.at(1.5) - x.at(0.5), y.at(0.5) - y.at(1.5)
    boxes = [
        Box(
            x.at(column + 0.5) + 1,
            y.at(row + 1.5) + 1,
            side[0] - 2,
            side[1] - 2,
            round(0.04 + 0.56 * count / max(int(counts[row].sum()), 1), 2),
            str(count),
        )
        for (row, column), count in np.ndenumerate(counts)
    ]
    return Figure(
        f"Confusion of grades of {name}",
        f"{percent(metrics.accuracy(true, predicted), 0)} of {len(rows)} images lie on the "
        f"diagonal: their grade is right. {percent(metrics.adjacent_accuracy(true, predicted), 0)} "
        "are at most one off.",
        x,
        y,
        boxes=tuple(boxes),
        ordinal=True,
    )


def calibration(rows: Predictions, name: str) -> Figure:
    """Compare how probable the most probable grades are with how often they are right.

    Args:
        rows: N ≥ 1 images with true grades and the probabilities of grades.
        name: Of the system.
    """
    confidence = rows.probabilities.max(axis=1)
    right = rows.probabilities.argmax(axis=1) == rows.true_grade
    bins = np.clip(np.ceil(confidence * _BINS).astype(np.int64) - 1, 0, _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    accuracy = np.bincount(bins, weights=right, minlength=_BINS) / np.maximum(counts, 1)
    x, y = axes(("highest probability of a grade", 0, 1), ("share that is right", 0, 1))
    boxes = [
        Box(
            x.at(i / _BINS) + 1,
            y.at(share),
            x.at(1 / _BINS) - x.at(0) - 2,
            round(y.at(0) - y.at(share), 1),
            # Bars of few images are faint: their height says little.
            round(0.25 + 0.6 * min(1.0, count * _BINS / len(rows)), 2),
            hint=f"{counted(count, 'image')}, {percent(share, 0)} right",
        )
        for i, (count, share) in enumerate(zip(counts.tolist(), accuracy.tolist(), strict=True))
        if count
    ]
    return Figure(
        f"Calibration of grades of {name}",
        f"{counted(len(rows), 'image')} in {_BINS} bins of confidence; the height is how often the "
        "most probable grade is right, the line is perfect calibration, faint bars hold few "
        "images.",
        x,
        y,
        (line(x, y, [0, 1], [0, 1], "ideal"),),
        tuple(boxes),
    )


def srcc_curves(runs: Sequence[Curves], name: str) -> Figure | None:
    """Plot validation SRCC over epochs, one line per run, a dot where it is highest."""
    kept = [run for run in runs if np.isfinite(run.srcc).any()]
    if not kept:
        return None
    x, y = _epochs(kept, [run.srcc for run in kept], "validation SRCC")
    paths = [line(x, y, run.epochs, run.srcc, "run") for run in kept]
    best = [int(np.nanargmax(run.srcc)) for run in kept]
    dots = [f"M{x.at(r.epochs[i])} {y.at(r.srcc[i])}h0" for r, i in zip(kept, best, strict=True)]
    return Figure(
        f"Validation SRCC of {name}",
        f"{counted(len(kept), 'run')}; the dot is the best epoch.",
        x,
        y,
        (*paths, Path("".join(dots), "best")),
        legend=legend([("a run", "run"), ("best epoch", "best")], y),
    )


def loss_curves(runs: Sequence[Curves], name: str) -> Figure | None:
    """Plot the losses over epochs: of the training images, and of the validation images."""
    shown = {"training": [r.train_loss for r in runs], "validation": [r.val_loss for r in runs]}
    values = [loss for losses in shown.values() for loss in losses]
    if not any(np.isfinite(loss).any() for loss in values):
        return None
    x, y = _epochs(runs, values, "loss")
    paths = [
        line(x, y, run.epochs, loss, f"run {kind}")
        for kind, losses in shown.items()
        for run, loss in zip(runs, losses, strict=True)
    ]
    labels = legend([(kind, f"run {kind}") for kind in shown], y)
    title = f"Losses of {name}"
    return Figure(title, f"{counted(len(runs), 'run')}.", x, y, tuple(paths), legend=labels)


def _epochs(runs: Sequence[Curves], values: Sequence[Floats], name: str) -> tuple[Axis, Axis]:
    known = np.concatenate(values)
    epochs = np.concatenate([run.epochs for run in runs])
    return axes(
        ("epoch", float(epochs.min()), float(epochs.max())),
        (name, *limits(known[np.isfinite(known)])),
        FLAT,
        whole=(True, False),
    )


def _groups(rows: Predictions) -> list[tuple[str, str, np.ndarray]]:
    """Divide the rows for the legend: each group's name, its class, and (N,) whether in it."""
    methods = sorted({method for method in rows.method if method is not None})
    scales = sorted({scale for scale in rows.scale if scale is not None})
    column: Sequence[str | float | None]
    names: dict[str | float, str]
    if 1 < len(methods) <= _MOST_METHODS:
        column, names = rows.method, {method: _shortened(method) for method in methods}
    elif len(scales) > 1:
        column, names = rows.scale, {scale: f"×{scale}" for scale in scales}
    else:
        return [("", "hue0", np.ones(len(rows), dtype=bool))]
    groups = [
        (text, f"hue{i % HUES}" + " square" * (i >= HUES), np.array([v == key for v in column]))
        for i, (key, text) in enumerate(names.items())
    ]
    unknown = np.array([value is None for value in column])
    return [*groups, *([("unknown", "unknown", unknown)] if unknown.any() else [])]


def _shortened(name: str, length: int = 15) -> str:
    # Both ends stay: what tells two versions of a method apart is often the last letter.
    half = length // 2
    return name if len(name) <= length else f"{name[:half]}…{name[-half:]}"
