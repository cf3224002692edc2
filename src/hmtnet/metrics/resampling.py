"""Intervals and differences by the bootstrap over groups of images, never over images.

Images of one reference, or of one scene, go wrong together: a dataset of 20 references says far
less about a new reference than its thousand images suggest. So whole groups are drawn, with
replacement, as many as there are (the cluster bootstrap; Davison and Hinkley, "Bootstrap methods
and their application", 1997, §3.8), and intervals are the percentiles of the statistic over the
resamples (Efron, 1979).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from hmtnet.metrics import resample_statistics
from hmtnet.metrics.checks import (
    Floats,
    Integers,
    MetricError,
    Values,
    pair,
    require_length,
    vector,
)
from hmtnet.metrics.correlation import UNDEFINED, count_pairs, plcc, rmse, srcc
from hmtnet.metrics.groups import numbered
from hmtnet.metrics.resample_statistics import Many

Statistic: TypeAlias = (
    Literal["srcc", "plcc", "krcc", "rmse", "mean", "within_tau"]
    | Callable[[Floats, Floats], float]
)
"""A name, or any function of scores and MOS. ``mean`` is that of the scores.

A name takes seconds; a function is called for each resample (PLCC after mapping: minutes).
"""

FEWEST_GROUPS = 10
"""Below, resamples are too much alike for their percentiles to mean anything."""

_MOST_UNDEFINED = 0.01  # share of resamples; with more, the others are too select
_LARGEST_FORM = 2000  # groups; with more, counting anew costs less than comparing all pairs of them


@dataclass(frozen=True)
class Interval:
    """A statistic and its interval.

    Attributes:
        low: Lower end; NaN if there is no interval.
        high: Upper end; NaN if there is no interval.
        point: The statistic of the images themselves; NaN if undefined.
        groups: Number of groups.
        resamples: Number of resamples that had a value; 0 if none was drawn.
        reason: Why there is none, or what is to be known about it; else empty. Below 10 groups
            show the range over them (or over splits) instead.
    """

    low: float
    high: float
    point: float
    groups: int
    resamples: int
    reason: str


@dataclass(frozen=True)
class Difference:
    """The difference of two systems' statistics, first less second, and its interval.

    Attributes:
        low: Lower end; NaN if there is no interval.
        high: Upper end; NaN if there is no interval.
        point: The difference on the images themselves; NaN if undefined.
        p: Two-sided p-value of no difference, 2 (1 + the fewer of resamples at most and at least 0)
            / (resamples + 1), at most 1; NaN if there is no interval.
        groups: Number of groups.
        resamples: Number of resamples that had a value; 0 if none was drawn.
        reason: As in :class:`Interval`.
    """

    low: float
    high: float
    point: float
    p: float
    groups: int
    resamples: int
    reason: str


def bootstrap(
    score: Values,
    mos: Values,
    groups: Sequence[Hashable],
    statistic: Statistic,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    cells: Sequence[Hashable] | None = None,
) -> Interval:
    """Return a statistic with its percentile interval over resamples of groups.

    Args:
        score: (N,) predicted scores.
        mos: (N,) human scores.
        groups: (N,) each image's reference or content group.
        statistic: See :data:`Statistic`.
        resamples: How many to draw.
        seed: Of the draws. The same seed, images and order give the same interval.
        level: Share of resamples inside, between 0 and 1.
        cells: (N,) for ``within_tau`` alone: (method, scale), None where an image has none.

    Raises:
        MetricError: If a value is not finite, lengths differ, an image has no group, or a setting
            makes no sense.
    """
    score, mos = pair(score, mos)
    group = _groups(groups, len(score))
    quantiles = _quantiles(resamples, level)
    single, many = _statistic(statistic, score, mos, group, cells)
    point, count = single(), int(group.max(initial=-1)) + 1
    worth_it = _worth_drawing(count, point)
    values = many()(_draw(count, resamples, seed)) if worth_it else np.empty(0)
    low, high, defined, reason = _interval(values, quantiles, count, point)
    return Interval(low, high, point, count, len(defined), reason)


def paired_bootstrap(
    score_a: Values,
    score_b: Values,
    mos: Values,
    groups: Sequence[Hashable],
    statistic: Statistic,
    resamples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    cells: Sequence[Hashable] | None = None,
) -> Difference:
    """Compare two systems on the same images and the same resamples of groups.

    It tells what other images would change. For training runs take each system's mean over seeds
    first (:func:`average_seeds`), for splits :func:`~hmtnet.metrics.corrected_t_test`.

    Args:
        score_a: (N,) predicted scores of the first system.
        score_b: (N,) predicted scores of the second, of the same images in the same order.
        mos: (N,) human scores.
        groups: (N,) each image's reference or content group.
        statistic: See :data:`Statistic`. Of an error, as RMSE, less is better.
        resamples: How many to draw.
        seed: Of the draws.
        level: Share of resamples inside, between 0 and 1.
        cells: As in :func:`bootstrap`.

    Raises:
        MetricError: As :func:`bootstrap`.
    """
    score_a, mos = pair(score_a, mos)
    score_b, _ = pair(score_b, mos)
    group = _groups(groups, len(mos))
    quantiles = _quantiles(resamples, level)
    single_a, many_a = _statistic(statistic, score_a, mos, group, cells)
    single_b, many_b = _statistic(statistic, score_b, mos, group, cells)
    point, count = single_a() - single_b(), int(group.max(initial=-1)) + 1
    drawn = _draw(count, resamples, seed) if _worth_drawing(count, point) else None
    values = np.empty(0) if drawn is None else many_a()(drawn) - many_b()(drawn)
    low, high, defined, reason = _interval(values, quantiles, count, point)
    p = UNDEFINED
    if not np.isnan(low):
        fewer = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
        p = min(1.0, 2 * (1 + fewer) / (1 + len(defined)))
    return Difference(low, high, point, p, count, len(defined), reason)


def average_seeds(scores: Sequence[Values]) -> Floats:
    """Return the mean of the scores that training runs of one system give to the same images.

    Args:
        scores: One (N,) for each seed, of the same images in the same order.

    Returns:
        (N,) float64.

    Raises:
        MetricError: If there is no seed, lengths differ, or a score is not finite.
    """
    if len(scores) == 0:
        raise MetricError("scores: expected those of one seed at least, found none.")
    runs = [vector(run, f"score of run {number}") for number, run in enumerate(scores)]
    for number, run in enumerate(runs):
        require_length(run, f"score of run {number}", len(runs[0]), "images of run 0")
    return np.asarray(np.mean(np.stack(runs), axis=0))


def _statistic(
    statistic: Statistic,
    score: Floats,
    mos: Floats,
    group: Integers,
    cells: Sequence[Hashable] | None,
) -> tuple[Callable[[], float], Callable[[], Many]]:
    """Return the statistic of the images, and, to be made when needed, that of resamples."""
    if (cells is not None) != (statistic == "within_tau"):
        raise MetricError(
            "cells: expected with the statistic 'within_tau', and with no other, found "
            f"{'none' if cells is None else 'some'} with {statistic!r}."
        )
    cell = np.zeros(len(score), dtype=np.int64) if cells is None else _cells(cells, len(score))
    if callable(statistic):
        of = statistic
        return lambda: float(of(score, mos)), lambda: resample_statistics.many_of_rows(
            lambda rows: float(of(score[rows], mos[rows])), group
        )
    if statistic in ("krcc", "within_tau"):

        def tau(rows: Integers) -> float:
            return count_pairs(score[rows], mos[rows], cell[rows]).tau_b

        def many() -> Many:
            if group.max(initial=-1) < _LARGEST_FORM:
                return resample_statistics.many_tau(score, mos, group, cell)
            return resample_statistics.many_of_rows(tau, group)

        return lambda: tau(np.arange(len(score))), many
    if statistic not in _NAMED:
        raise MetricError(
            f"statistic: expected a function or one of {', '.join(_NAMED)}, krcc, within_tau, "
            f"found {statistic!r}."
        )
    one, several = _NAMED[statistic]
    return lambda: one(score, mos), lambda: several(score, mos, group)


_NAMED: dict[str, tuple[Callable[[Values, Values], float], Callable[..., Many]]] = {
    "srcc": (srcc, resample_statistics.many_srcc),
    "plcc": (plcc, resample_statistics.many_plcc),
    "rmse": (rmse, resample_statistics.many_rmse),
    "mean": (lambda score, _: float(np.mean(score)), resample_statistics.many_mean),
}


def _groups(groups: Sequence[Hashable], images: int) -> Integers:
    require_length(groups, "groups", images, "scores")
    group = numbered(groups)
    if (group < 0).any():
        raise MetricError(
            f"groups: expected a reference or content group for each image, found "
            f"{int((group < 0).sum())} of {images} without. Leave those images out, or give each "
            "a group of its own."
        )
    return group


def _cells(cells: Sequence[Hashable], images: int) -> Integers:
    """Number the cells; an image without one gets a cell of its own, where it has no pair."""
    require_length(cells, "cells", images, "scores")
    cell = numbered(cells)
    alone = cell < 0
    cell[alone] = cell.max(initial=0) + 1 + np.arange(alone.sum())
    return cell


def _quantiles(resamples: int, level: float) -> tuple[float, float]:
    if resamples < 1 or not 0 < level < 1:
        raise MetricError(
            "bootstrap: expected at least 1 resample and a level between 0 and 1, found "
            f"{resamples} and {level}."
        )
    return (1 - level) / 2, (1 + level) / 2


def _worth_drawing(groups: int, point: float) -> bool:
    return groups >= FEWEST_GROUPS and not np.isnan(point)


def _draw(groups: int, resamples: int, seed: int) -> Integers:
    """Return (R, G): how often each resample draws each group."""
    numbers = np.random.default_rng(seed).integers(groups, size=(resamples, groups))
    numbers += groups * np.arange(resamples)[:, None]
    counts = np.bincount(numbers.ravel(), minlength=resamples * groups)
    return counts.reshape(resamples, groups)


def _interval(
    values: Floats, quantiles: tuple[float, float], groups: int, point: float
) -> tuple[float, float, Floats, str]:
    """Return low, high, the values that are defined, and the reason."""
    defined = values[~np.isnan(values)]
    without = len(values) - len(defined)
    if groups < FEWEST_GROUPS:
        reason = f"{groups} groups: an interval needs at least {FEWEST_GROUPS}; show the range"
    elif np.isnan(point):
        reason = "undefined for the images themselves"
    elif without > _MOST_UNDEFINED * len(values):
        reason = f"undefined for {without} of {len(values)} resamples"
    else:
        low, high = np.quantile(defined, quantiles).tolist()
        reason = f"{without} resamples without a value are left out" if without else ""
        return low, high, defined, reason
    return UNDEFINED, UNDEFINED, defined, reason
