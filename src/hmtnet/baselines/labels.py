"""Predictors that know an image's SR method and scale, and never look at a pixel.

On the usual split by reference the training mean of the (method, scale) pair ranks the images of
QADS as well as published networks do. So a network's correlation means nothing without these
beside it (ours; see the README on what a number means).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hmtnet.data.labels import FloatArray, IntArray, Labels
from hmtnet.data.split import Split

Source = Literal["method and scale", "scale", "method", "all"]
SOURCES: tuple[Source, ...] = ("method and scale", "scale", "method", "all")


@dataclass(frozen=True)
class Baseline:
    """Predictions made of training labels.

    Attributes:
        name: ``label-only`` or ``scale-only``.
        scores: (N,) predicted MOS of every record, in the dataset's own unit; None where the
            dataset lacks the labels that the predictor needs.
        source: (N,) position in ``SOURCES`` of the training mean that each prediction is.
        reason: Why there are no scores; empty where there are.
    """

    name: str
    scores: FloatArray | None
    source: IntArray
    reason: str = ""

    def used(self, rows: npt.ArrayLike) -> dict[Source, int]:
        """Count which means predict some rows: how often the predictor had to fall back."""
        if self.scores is None:
            return dict.fromkeys(SOURCES, 0)
        counts = np.bincount(self.source[np.asarray(rows, dtype=np.int64)], minlength=len(SOURCES))
        return dict(zip(SOURCES, counts.tolist(), strict=True))


def label_only(labels: Labels, split: Split) -> Baseline:
    """Predict each image's MOS by the training mean of its (method, scale) pair.

    A pair without a training image falls back to its scale's mean, a scale without one to its
    method's, and what knows neither to the mean of all training images.
    """
    if all(record.method is None for record in labels.records):
        return _inapplicable("label-only", labels, "SR methods")
    records = labels.records
    levels: dict[Source, Sequence[object]] = {
        "method": [record.method for record in records],
        "scale": [record.scale for record in records],
        "method and scale": [None if r.method is None else (r.method, r.scale) for r in records],
    }
    return _predict("label-only", labels, split, levels)


def scale_only(labels: Labels, split: Split) -> Baseline:
    """Predict each image's MOS by the training mean of its scale, else of all training images."""
    if all(record.scale is None for record in labels.records):
        return _inapplicable("scale-only", labels, "scales")
    return _predict("scale-only", labels, split, {"scale": [r.scale for r in labels.records]})


def _inapplicable(name: str, labels: Labels, lacking: str) -> Baseline:
    return Baseline(
        name=name,
        scores=None,
        source=np.full(len(labels), SOURCES.index("all")),
        reason=f"dataset '{labels.name}' names no {lacking}",
    )


def _predict(
    name: str, labels: Labels, split: Split, levels: Mapping[Source, Sequence[object]]
) -> Baseline:
    """Predict by training means; each level, from coarse to fine, replaces the last where it is."""
    mos, train = labels.mos, np.asarray(split.train, dtype=np.int64)
    scores = np.full(len(labels), mos[train].mean())
    source = np.full(len(labels), SOURCES.index("all"))
    for level, values in levels.items():
        means = _training_means(_codes(values), mos, train)
        exists = np.isfinite(means)
        scores[exists] = means[exists]
        source[exists] = SOURCES.index(level)
    return Baseline(name=name, scores=scores, source=source)


def _training_means(codes: IntArray, mos: FloatArray, train: IntArray) -> FloatArray:
    """Return for each record the mean MOS of the training records of its code, NaN without one."""
    known = train[codes[train] >= 0]
    size = int(codes.max(initial=-1)) + 1
    count = np.bincount(codes[known], minlength=size)
    total = np.bincount(codes[known], weights=mos[known], minlength=size)
    means = np.full(size + 1, np.nan)  # the last one is for records without a code (-1)
    np.divide(total, count, out=means[:size], where=count > 0)
    return means[codes]


def _codes(values: Sequence[object]) -> IntArray:
    """Number values by first appearance; -1 where there is none."""
    number: dict[object, int] = {}
    return np.array(
        [-1 if x is None else number.setdefault(x, len(number)) for x in values], dtype=np.int64
    )
