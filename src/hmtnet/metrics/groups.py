"""Agreement inside groups of images: cells of one SR method and scale, references, any other.

Most of what a plain SRCC rewards is telling SR methods apart, which a table of means does without
looking at a pixel. Inside one (method, scale) cell only the pixels can explain a difference.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from hmtnet.metrics.checks import (
    Floats,
    Integers,
    Values,
    pair,
    require_length,
    require_unmasked,
)
from hmtnet.metrics.correlation import (
    UNDEFINED,
    count_pairs,
    is_constant,
    krcc,
    plcc,
    rmse,
    srcc,
)

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class GroupResult:
    """The numbers of one group; NaN is undefined, as of a group of one image.

    Attributes:
        n: Number of images.
        srcc: Spearman's rank correlation.
        plcc: Pearson's linear correlation, without a fitted mapping.
        krcc: Kendall's τ-b.
        rmse: Root mean squared error, without a fitted mapping.
    """

    n: int
    srcc: float
    plcc: float
    krcc: float
    rmse: float


def by_group(score: Values, mos: Values, keys: Sequence[Key | None]) -> dict[Key, GroupResult]:
    """Return the numbers of each group: per SR method, per scale, per reference.

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.
        keys: (N,) each image's group; None where an image belongs to none: it is left out.

    Returns:
        Group to its numbers, in the order in which groups first appear.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> by_group([1, 2, 3], [1, 3, 5], ["x2", "x2", "x4"])["x2"]
    GroupResult(n=2, srcc=1.0, plcc=1.0, krcc=1.0, rmse=0.7071067811865476)
    """
    score, mos, number = _in_cells(score, mos, keys)
    names = dict.fromkeys(key for key in keys if key is not None)
    return {
        name: GroupResult(
            n=len(rows),
            srcc=srcc(score[rows], mos[rows]),
            plcc=plcc(score[rows], mos[rows]),
            krcc=krcc(score[rows], mos[rows]),
            rmse=rmse(score[rows], mos[rows]),
        )
        for name, rows in zip(names, _members(number), strict=True)
    }


def within_tau(score: Values, mos: Values, cells: Sequence[Hashable]) -> float:
    """Kendall's τ-b, pooled over all pairs of images that share a cell (ours).

    Pairs of all cells are counted together before the ratio is taken, so a large cell weighs by its
    pairs and cells of two already count:
    τ = Σ(C − D) / √(Σ(P − T_score) · Σ(P − T_mos)), sums over cells, with C concordant, D
    discordant, P all and T tied pairs of a cell. Ties therefore count as in τ-b: a pair tied in the
    score earns nothing but stays in the second factor, so being constant in a cell costs.

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.
        cells: (N,) e.g. (method, scale); None where an image belongs to no cell: it is left out.

    Returns:
        In [-1, 1]; NaN (undefined) if no cell has a pair that differs in the score, or none that
        differs in MOS. A predictor that knows only the cell is undefined here.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> within_tau([1, 2, 9, 8], [1, 2, 5, 7], ["a", "a", "b", "b"])  # one agrees, one does not
    0.0
    """
    score, mos, number = _in_cells(score, mos, cells)
    return count_pairs(score, mos, number).tau_b


def within_srcc(score: Values, mos: Values, cells: Sequence[Hashable], minimum: int = 5) -> float:
    """Mean of the cells' SRCC, weighted by their numbers of images (ours).

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.
        cells: (N,) e.g. (method, scale); None where an image belongs to no cell: it is left out.
        minimum: Cells with fewer images are skipped, since their SRCC is mostly noise. So are cells
            whose SRCC is undefined, those with constant scores or MOS.

    Returns:
        In [-1, 1]; NaN (undefined) if no cell remains.

    Raises:
        MetricError: If a value is not finite or the lengths differ.
    """
    score, mos, number = _in_cells(score, mos, cells)
    total, weight = 0.0, 0
    for members in _members(number):
        value = srcc(score[members], mos[members]) if len(members) >= minimum else UNDEFINED
        if not np.isnan(value):
            total += len(members) * value
            weight += len(members)
    return total / weight if weight else UNDEFINED


def within_reference_srcc(
    score: Values, mos: Values, references: Sequence[Hashable], minimum: int = 5
) -> float:
    """Mean of the references' SRCC, weighted by their numbers of images.

    It asks whether the versions of one scene are ordered as people order them, which is what
    choosing an SR method takes; differences between scenes do not count.

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.
        references: (N,) each image's reference; None where it is not known: left out.
        minimum: References with fewer images are skipped, as are those whose SRCC is undefined.

    Returns:
        In [-1, 1]; NaN (undefined) if no reference remains.

    Raises:
        MetricError: If a value is not finite or the lengths differ.
    """
    return within_srcc(score, mos, references, minimum)


def mean_over_datasets(
    statistic: Callable[[Floats, Floats], float],
    score: Values,
    mos: Values,
    dataset: Sequence[Hashable],
) -> float:
    """Mean of a statistic over datasets, each of which counts once; of one, the statistic itself.

    Scores of different datasets are never compared: what one calls good another may call fair. So
    the mean, not a correlation over all images, chooses the epoch where several are trained on.

    Args:
        statistic: Called with the scores and the MOS of one dataset, such as ``srcc``.
        score: (N,) predicted scores.
        mos: (N,) human scores.
        dataset: (N,) each image's dataset, None being one too. Where there are several, those whose
            MOS are all equal, so that no order is known, are passed over.

    Returns:
        NaN (undefined) if it is in one of the datasets that count, or none does.

    Raises:
        MetricError: If a value is not finite or the lengths differ.

    >>> mean_over_datasets(srcc, [1, 2, 9, 8], [1, 2, 5, 7], ["a", "a", "b", "b"])
    0.0
    """
    score, mos, number = _in_cells(score, mos, [(name,) for name in dataset])
    members = _members(number)
    if len(members) > 1:
        members = [rows for rows in members if not is_constant(mos[rows])]
    values = [statistic(score[rows], mos[rows]) for rows in members]
    return float(np.mean(values)) if values else UNDEFINED


def method_scale_cells(
    methods: Sequence[str | None], scales: Sequence[float | None]
) -> list[tuple[str, float | None] | None]:
    """Return each image's (SR method, scale); None where the method is unknown.

    A set of one scale may leave the scale out: its cells are then the methods.
    """
    pairs = zip(methods, scales, strict=True)
    return [None if method is None else (method, scale) for method, scale in pairs]


def numbered(keys: Sequence[Hashable]) -> Integers:
    """Number groups from 0 in the order of their first appearance; -1 for None.

    Keys that are equal are one group, however their types differ (2 and 2.0).
    """
    require_unmasked(keys, "groups")
    numbers: dict[Hashable, int] = {}
    return np.array(
        [-1 if key is None else numbers.setdefault(key, len(numbers)) for key in keys],
        dtype=np.int64,
    )


def _members(number: Integers) -> list[Integers]:
    """Return the rows of each group, groups being numbered from 0 without a gap."""
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number))
    return np.split(order, ends[:-1]) if len(number) else []


def _in_cells(
    score: Values, mos: Values, cells: Sequence[Hashable]
) -> tuple[Floats, Floats, Integers]:
    """Return scores, MOS and cells numbered from 0, of the images that are in a cell."""
    score, mos = pair(score, mos)
    require_length(cells, "cells", len(score), "scores")
    number = numbered(cells)
    inside = number >= 0
    return score[inside], mos[inside], number[inside]
