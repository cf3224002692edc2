"""Agreement inside cells of images that share their SR method and scale.

Most of what a plain SRCC rewards is telling SR methods apart, which a table of means does without
looking at a pixel. Inside one (method, scale) cell only the pixels can explain a difference.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from hmtnet.metrics.checks import Floats, Integers, Values, pair, require_length
from hmtnet.metrics.correlation import UNDEFINED, count_pairs, srcc


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
    order = np.argsort(number, kind="stable")
    ends = np.cumsum(np.bincount(number))
    total, weight = 0.0, 0
    for members in np.split(order, ends[:-1]):
        value = srcc(score[members], mos[members]) if len(members) >= minimum else UNDEFINED
        if not np.isnan(value):
            total += len(members) * value
            weight += len(members)
    return total / weight if weight else UNDEFINED


def _in_cells(
    score: Values, mos: Values, cells: Sequence[Hashable]
) -> tuple[Floats, Floats, Integers]:
    """Return scores, MOS and cells numbered from 0, of the images that are in a cell."""
    score, mos = pair(score, mos)
    require_length(cells, "cells", len(score), "scores")
    numbers: dict[Hashable, int] = {}
    number = np.array(
        [-1 if cell is None else numbers.setdefault(cell, len(numbers)) for cell in cells],
        dtype=np.int64,
    )
    inside = number >= 0
    return score[inside], mos[inside], number[inside]
