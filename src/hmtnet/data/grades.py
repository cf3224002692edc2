"""Quality grades: intervals of the score, cut by the training images' MOS."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hmtnet.data.labels import FloatArray, Labels
from hmtnet.errors import DataError, SettingsError

IntArray = npt.NDArray[np.int64]
GradeRule = Literal["kmeans", "quantile", "width"]


@dataclass(frozen=True, kw_only=True)
class GradesSettings:
    """How scores are cut into grades.

    Attributes:
        count: K, the number of grades.
        rule: ``kmeans``: the K groups of least squared distance; ``quantile``: equally many images
            per grade; ``width``: equal parts of the declared range.
    """

    count: int = 5
    rule: GradeRule = "kmeans"

    def __post_init__(self) -> None:
        if self.count < 2:
            raise ValueError(f"count: expected at least 2 grades, found {self.count}")


@dataclass(frozen=True)
class Grades:
    """K grades, 0 = worst to K - 1 = best, as adjoining intervals of the unit score.

    Attributes:
        edges: The K - 1 borders between them, ascending, in (0, 1).

    Raises:
        SettingsError: The edges do not ascend, or lie outside (0, 1).
    """

    edges: tuple[float, ...]

    def __post_init__(self) -> None:
        borders = (0.0, *self.edges, 1.0)
        if not all(
            isinstance(above, float) and below < above
            for below, above in itertools.pairwise(borders)
        ):
            raise SettingsError(
                f"Grade edges must ascend strictly between 0 and 1; found {list(self.edges)}."
            )

    @classmethod
    def fit(cls, unit_mos: npt.ArrayLike, settings: GradesSettings | None = None) -> "Grades":
        """Cut grades by the training images' unit scores; see ``edges``."""
        settings = settings or GradesSettings()
        return cls(edges(unit_mos, settings.count, settings.rule))

    @property
    def count(self) -> int:
        """K, the number of grades."""
        return len(self.edges) + 1

    @property
    def midpoints(self) -> FloatArray:
        """(K,) middles of the intervals; the outer ones reach 0 and 1."""
        borders = np.array([0.0, *self.edges, 1.0])
        middles: FloatArray = (borders[1:] + borders[:-1]) / 2
        return middles

    @property
    def halfwidths(self) -> FloatArray:
        """(K,) half widths of the intervals."""
        halves: FloatArray = np.diff([0.0, *self.edges, 1.0]) / 2
        return halves

    def assign(self, unit: npt.ArrayLike) -> IntArray:
        """Return the grade of each unit score; a score on an edge belongs to the better grade."""
        return np.searchsorted(self.edges, np.asarray(unit), side="right").astype(np.int64)

    def of(self, labels: Labels) -> IntArray:
        """Return the grade of each image's MOS, (records,); assigned here and nowhere else."""
        return self.assign(labels.unit_mos)

    def in_unit_of(self, labels: Labels) -> tuple[float, ...]:
        """Return the edges in the dataset's own unit, from worst to best.

        They ascend where a higher MOS is better and descend where a lower one is.
        """
        return tuple(labels.from_unit(self.edges).tolist())


def edges(unit_mos: npt.ArrayLike, count: int, rule: GradeRule) -> tuple[float, ...]:
    """Cut the unit scores of the *training* images into grades.

    Args:
        unit_mos: (N,) in [0, 1], 1 = best.
        count: K, at least 2.
        rule: See ``GradesSettings``.

    Returns:
        K - 1 ascending edges in (0, 1).

    Raises:
        DataError: There are fewer than K different scores, or a grade has no training image.
    """
    scores = np.asarray(unit_mos, dtype=np.float64)
    distinct = len(np.unique(scores))
    if distinct < count:
        raise DataError(
            f"{count} grades need at least {count} different training scores, found {distinct} in "
            f"{len(scores)} images. Set system.grades.count to {max(2, distinct)} or less."
        )
    cut = {"kmeans": _kmeans_edges, "quantile": _quantile_edges, "width": _width_edges}[rule]
    found = cut(scores, count)
    # Scores on an edge belong to the better grade: the same rule as in Grades.assign.
    sizes = np.bincount(np.searchsorted(found, scores, side="right"), minlength=count)
    empty = [str(grade + 1) for grade in range(count) if sizes[grade] == 0]
    if empty:
        other = "kmeans" if rule == "quantile" else "quantile"
        raise DataError(
            f"system.grades.rule={rule} leaves grade {', '.join(empty)} of {count} (1 = worst) "
            f"without a training image; images per grade: {', '.join(map(str, sizes))}. "
            f"Use fewer grades (system.grades.count) or system.grades.rule={other}."
        )
    return tuple(found.tolist())


def _quantile_edges(scores: FloatArray, count: int) -> FloatArray:
    """Return the borders midway between the scores on both sides of each quantile.

    Equal scores stay together, above the border.
    """
    values = np.unique(scores)
    above = np.quantile(scores, np.arange(1, count) / count, method="higher")
    place = np.searchsorted(values, above)
    middle: FloatArray = (values[np.maximum(place - 1, 0)] + values[place]) / 2
    return middle


def _width_edges(scores: FloatArray, count: int) -> FloatArray:
    """Return the borders of equal parts of the declared range, wherever the scores lie in it."""
    del scores
    # Not linspace, which rounds 3/5 to another number than a MOS of 6 out of 10 is.
    borders: FloatArray = np.arange(1, count) / count
    return borders


def _kmeans_edges(scores: FloatArray, count: int) -> FloatArray:
    """Return the borders midway between the means of neighbouring clusters.

    The clusters are optimal, and these borders are the ones by which each score lies nearest to
    its own cluster's mean.
    """
    values, weights = np.unique(scores, return_counts=True)
    bounds = _optimal_bounds(values, weights, count)
    means = np.array(
        [
            np.average(values[start:end], weights=weights[start:end])
            for start, end in itertools.pairwise(bounds)
        ]
    )
    middle: FloatArray = (means[1:] + means[:-1]) / 2
    return middle


def _optimal_bounds(values: FloatArray, weights: IntArray, count: int) -> list[int]:
    """Cut sorted values into the runs of least squared distance to their means, exactly.

    In one dimension the optimal clusters are runs of the sorted values, and dynamic programming
    over where the last run starts finds them (Wang & Song, Ckmeans.1d.dp, The R Journal 3(2),
    2011): there is no random start to be unlucky with.

    Returns:
        K + 1 bounds: run k is ``values[bounds[k]:bounds[k + 1]]``.
    """
    # Centred, so that the differences of prefix sums below do not cancel.
    centred = values - np.average(values, weights=weights)
    mass, first, second = (
        np.concatenate([[0.0], np.cumsum(weights * centred**power)]) for power in range(3)
    )

    def cost(start: IntArray, end: IntArray) -> FloatArray:
        """Squared distance of the runs ``values[start:end]`` to their means."""
        total, size = first[end] - first[start], mass[end] - mass[start]
        distance: FloatArray = second[end] - second[start] - total**2 / size
        return distance

    ends = np.arange(1, len(values) + 1)
    least = np.concatenate([[0.0], cost(np.zeros_like(ends), ends)])  # by one run
    last_starts = []
    for runs in range(2, count + 1):
        least, last_start = _add_run(least, runs, cost)
        last_starts.append(last_start)
    bounds = [len(values)]
    for last_start in reversed(last_starts):
        bounds.append(int(last_start[bounds[-1]]))
    return [0, *reversed(bounds)]


def _add_run(
    least: FloatArray, runs: int, cost: Callable[[IntArray, IntArray], FloatArray]
) -> tuple[FloatArray, IntArray]:
    """From the least cost of the first i values by ``runs - 1`` runs, find that by ``runs``.

    The best start of the last run never moves left as its end moves right. So the middle end is
    solved first, and its answer bounds the candidates of both sides: O(n log n).

    Returns:
        (n + 1,) least costs and (n + 1,) starts of the last run, by end.
    """
    extended = np.full_like(least, np.inf)
    last_start = np.zeros(len(least), dtype=np.int64)
    pending = [(runs, len(least) - 1, runs - 1, len(least) - 2)]
    while pending:
        low, high, leftmost, rightmost = pending.pop()
        if low > high:
            continue
        end = (low + high) // 2
        starts = np.arange(leftmost, min(rightmost, end - 1) + 1)
        totals = least[starts] + cost(starts, np.full_like(starts, end))
        best = int(totals.argmin())
        extended[end], last_start[end] = totals[best], starts[best]
        pending.append((low, end - 1, leftmost, int(starts[best])))
        pending.append((end + 1, high, int(starts[best]), rightmost))
    return extended, last_start
