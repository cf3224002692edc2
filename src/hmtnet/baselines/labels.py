"""Predictors that know an image's labels, and never look at a pixel.

On the usual split by reference the training mean of the (method, scale) pair ranks the images of
QADS as well as published networks do. So a network's correlation means nothing without these
beside it (ours; see the README on what a number means).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from hmtnet.data.labels import FloatArray, IntArray
from hmtnet.metrics.groups import method_scale_cells

Source = Literal[
    "true grade", "method, scale and reference", "method and scale", "scale", "method", "all"
]
SOURCES: tuple[Source, ...] = (
    "true grade",
    "method, scale and reference",
    "method and scale",
    "scale",
    "method",
    "all",
)
"""The groups of training images whose mean can be a prediction, from fine to coarse."""

LABEL_ONLY, SCALE_ONLY = "label-only", "scale-only"
LABEL_AND_REFERENCE = "label+reference"

_ROUNDS = 10  # of fitting means and offsets in turn; two already give the third digit of SRCC


class Labelled(Protocol):
    """N images' labels: a dataset's, or those in a table of predictions."""

    @property
    def mos(self) -> FloatArray:
        """(N,) MOS in the dataset's own unit."""

    @property
    def method(self) -> Sequence[str | None]:
        """(N,) SR methods."""

    @property
    def scale(self) -> Sequence[float | None]:
        """(N,) scale factors."""

    @property
    def reference(self) -> Sequence[str | None]:
        """(N,) references, or what else tells what an image shows."""


class Graded(Labelled, Protocol):
    """N images' labels, their true grades among them."""

    @property
    def true_grade(self) -> IntArray:
        """(N,) grades of the MOS, 0 … K-1; -1 where unknown."""


@dataclass(frozen=True)
class Baseline:
    """Predictions of something that is no system.

    Attributes:
        name: What it is called, such as ``label-only``.
        explanation: What it predicts, in a few words.
        sources: The training means that it knows, from the one it prefers to the last resort; none
            if it predicts by something else.
        scores: (N,) predicted MOS of every image, in the dataset's own unit; None where the labels
            that the predictor needs are not there.
        source: (N,) position in ``sources`` of the training mean that each prediction is.
        reason: Why there are no scores; empty where there are.
    """

    name: str
    explanation: str
    sources: tuple[Source, ...]
    scores: FloatArray | None
    source: IntArray
    reason: str = ""

    def used(self, rows: npt.ArrayLike) -> dict[Source, int]:
        """Count which means predict some rows: how often the predictor had to fall back."""
        size = len(self.sources)
        if self.scores is None or not size:
            return dict.fromkeys(self.sources, 0)
        counts = np.bincount(self.source[np.asarray(rows, dtype=np.int64)], minlength=size)
        return dict(zip(self.sources, counts.tolist(), strict=True))

    def fallback(self, rows: npt.ArrayLike) -> float:
        """Return the share of some rows that a coarser mean had to predict; NaN of no rows."""
        counts = [*self.used(rows).values()]
        return sum(counts[1:]) / sum(counts) if sum(counts) else float("nan")


def label_only(images: Labelled, train: Sequence[int]) -> Baseline:
    """Predict each image's MOS by the training mean of its (method, scale) pair.

    A pair without a training image falls back to its scale's mean, a scale without one to its
    method's, and what knows neither to the mean of all training images.

    Args:
        images: All images, those to train on and those to predict.
        train: Rows of the training images; the MOS of others is not looked at.
    """
    return _by_method_and_scale(images, images.mos, train)


def label_and_reference(images: Labelled, train: Sequence[int]) -> Baseline:
    """Predict as :func:`label_only`, plus how much better than that the image's reference scores.

    The means of (method, scale) and the references' offsets are those of least squares on the
    training images. A reference without a training image has no offset.

    Args:
        images: As in :func:`label_only`.
        train: As in :func:`label_only`.
    """
    rows, codes = np.asarray(train, dtype=np.int64), _codes(images.reference)
    means = label_only(images, train)
    own, scores = np.full(len(codes), np.nan), means.scores
    for _ in range(_ROUNDS):
        if scores is None:
            break
        own = _training_means(codes, images.mos - scores, rows)
        scores = _by_method_and_scale(images, images.mos - np.nan_to_num(own), train).scores
    return replace(
        means,
        name=LABEL_AND_REFERENCE,
        explanation=(
            "the same, and by how much the image's reference is above or below it in training; "
            "never looks at a pixel"
        ),
        sources=("method, scale and reference", *means.sources),
        scores=None if scores is None else scores + np.nan_to_num(own),
        source=np.where(np.isfinite(own) & (means.source == 0), 0, means.source + 1),
    )


def pixel_free(images: Labelled, train: Sequence[int], judged: Sequence[int]) -> list[Baseline]:
    """Return the predictors that never look at a pixel and stand beside every result.

    Args:
        images: As in :func:`label_only`.
        train: As in :func:`label_only`.
        judged: Rows of the images that are judged.

    Returns:
        scale-only, label-only and, where training shows the reference of a judged image,
        label+reference.
    """
    found = [scale_only(images, train), label_only(images, train)]
    if found[-1].scores is not None and knows_references(images, train, judged):
        found.append(label_and_reference(images, train))
    return found


def knows_references(images: Labelled, train: Sequence[int], judged: Sequence[int]) -> bool:
    """Whether training images show the reference of an image that is judged."""
    references = images.reference
    trained = {references[row] for row in train} - {None}
    return any(references[row] in trained for row in judged)


def _by_method_and_scale(images: Labelled, mos: FloatArray, train: Sequence[int]) -> Baseline:
    methods, scales = images.method, images.scale
    return _predict(
        LABEL_ONLY,
        "the training mean of the image's SR method and scale, else of its scale, else of its "
        "method, else of all images; never looks at a pixel",
        mos,
        train,
        {
            "method and scale": method_scale_cells(methods, scales),
            "scale": scales,
            "method": methods,
        },
        lacking="" if any(m is not None for m in methods) else "no SR method is named",
    )


def scale_only(images: Labelled, train: Sequence[int]) -> Baseline:
    """Predict each image's MOS by the training mean of its scale, else of all training images.

    Args:
        images: As in :func:`label_only`.
        train: As in :func:`label_only`.
    """
    return _predict(
        SCALE_ONLY,
        "the training mean of the image's scale, else of all images; never looks at a pixel",
        images.mos,
        train,
        {"scale": images.scale},
        lacking="" if any(s is not None for s in images.scale) else "no scale is named",
    )


def oracle_grade(images: Graded, train: Sequence[int]) -> Baseline:
    """Predict each image's MOS by the training mean of its true grade, else of all training images.

    Args:
        images: As in :func:`label_only`.
        train: As in :func:`label_only`.
    """
    return _predict(
        "oracle-grade",
        "the training mean of the image's TRUE grade: what perfect grades alone give",
        images.mos,
        train,
        {"true grade": [None if grade < 0 else grade for grade in images.true_grade.tolist()]},
        lacking="" if (images.true_grade >= 0).all() else "not every true grade is known",
    )


def _predict(
    name: str,
    explanation: str,
    mos: FloatArray,
    train: Sequence[int],
    levels: Mapping[Source, Sequence[object]],
    lacking: str,
) -> Baseline:
    """Predict by training means; each level, from coarse to fine, replaces the last where it is."""
    rows = np.asarray(train, dtype=np.int64)
    sources: tuple[Source, ...] = (*levels, "all")
    source = np.full(len(mos), len(levels))
    reason = lacking or ("" if len(rows) else "not all training images are known")
    if reason:
        return Baseline(name, explanation, sources, None, source, reason)
    scores = np.full(len(mos), mos[rows].mean())
    for level, values in reversed(list(levels.items())):
        means = _training_means(_codes(values), mos, rows)
        exists = np.isfinite(means)
        scores[exists] = means[exists]
        source[exists] = sources.index(level)
    return Baseline(name, explanation, sources, scores, source)


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
