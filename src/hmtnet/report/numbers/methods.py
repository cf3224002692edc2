"""SR methods compared by the scores of their images, on the same contents.

A method that was asked to enlarge easy photographs scores high, so only images of one content are
put beside each other, and what is resampled are contents: another dozen of photographs is what a
reader wants to know about.
"""

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hmtnet.errors import DataError, listed
from hmtnet.metrics.checks import Floats
from hmtnet.metrics.correlation import krcc, srcc
from hmtnet.metrics.groups import numbered
from hmtnet.metrics.resampling import Interval, bootstrap
from hmtnet.metrics.significance import FEWEST_FOLDS, holm, rank_stability, wilcoxon
from hmtnet.report.numbers.intervals import RESAMPLES

MOST_DISPUTED = 6
"""Contents that are shown because methods differ most on them."""


@dataclass(frozen=True)
class Method:
    """One SR method over all contents.

    Attributes:
        name: Its name.
        mean: Mean quality of its images, in [0, 1], 1 is best.
        low: Lower end of the mean's 95 % interval over groups of contents; NaN below 10 groups.
        high: Upper end.
        rank: Mean rank among the methods, 1 is best.
        first: Share of contents on which it is the best; ties share.
        mos: Mean MOS of its images by the dataset's labels, in [0, 1]; NaN where there are none.
    """

    name: str
    mean: float
    low: float
    high: float
    rank: float
    first: float
    mos: float


@dataclass(frozen=True)
class Pair:
    """One method less another.

    Attributes:
        point: Mean difference in quality over contents.
        low: Lower end of its 95 % interval; NaN below 10 groups of contents.
        high: Upper end.
        p: Two-sided, of Wilcoxon's signed-rank test over groups, adjusted by Holm for all pairs;
            NaN below 6 groups.
        wins: Contents on which the first is better.
        losses: Contents on which the second is better.
    """

    point: float
    low: float
    high: float
    p: float
    wins: int
    losses: int

    def turned(self) -> "Pair":
        """Return the second less the first."""
        return Pair(-self.point, -self.high, -self.low, self.p, self.losses, self.wins)


@dataclass(frozen=True)
class People:
    """How far a model orders methods as people do.

    Attributes:
        order: Kendall's τ-b of the methods' mean scores with their mean MOS; NaN if undefined.
        within: Mean SRCC of scores with MOS within a content, with its interval over groups.
        top: Share of contents whose best method by score is one of the best by MOS.
        pseudo: Whether the labels are a pseudo-MOS, and no people's.
    """

    order: float
    within: Interval
    top: float
    pseudo: bool


@dataclass(frozen=True)
class MethodComparison:
    """All that is said of methods compared on the same contents.

    Attributes:
        methods: The best first.
        pairs: (first, second) to first less second, both ways round.
        contents: Number of contents.
        groups: Number of independent groups of contents; fewer, where a photograph comes at several
            scales.
        agreement: Kendall's W of the contents' orders of methods: 1 = all contents order them
            alike, 0 = any order; NaN if undefined.
        disputed: Rows of the contents on which methods differ most, the most first.
        people: Beside labels; None where there are none.
    """

    methods: tuple[Method, ...]
    pairs: Mapping[tuple[str, str], Pair]
    contents: int
    groups: int
    agreement: float
    disputed: tuple[int, ...]
    people: People | None = None


def compare_methods(
    scores: Mapping[str, Sequence[float]],
    groups: Sequence[Hashable] | None = None,
    mos: Mapping[str, Sequence[float]] | None = None,
    pseudo: bool = False,
) -> MethodComparison:
    """Compare methods by the scores of their images of the same contents.

    Args:
        scores: Of each method, one quality in [0, 1] per content (N,), 1 is best, all in the same
            order of contents.
        groups: (N,) what contents are resampled by: the photograph, where it comes at several
            scales. None for the contents themselves.
        mos: Of each method, the labels in [0, 1], as ``scores``.
        pseudo: Whether these labels are a pseudo-MOS.

    Raises:
        DataError: There are fewer than two methods, or no content, or methods differ in how many.
    """
    names = list(scores)
    counts = {len(values) for values in scores.values()}
    if len(counts) > 1:
        raise DataError(
            f"Methods have scores of {listed(sorted(counts))} contents. Give each one score per "
            "content, all in the same order."
        )
    groups = range(max(counts, default=0)) if groups is None else groups
    if len(names) < 2 or len(groups) == 0:
        raise DataError(
            "A comparison needs two SR methods, and a content of which all have a score; found "
            f"{len(names)} methods ({listed(names)}) and {len(groups)} contents."
        )
    table = np.array([scores[name] for name in names], dtype=np.float64)
    labels = None if mos is None else np.array([mos[name] for name in names], dtype=np.float64)
    ranks = rank_stability(table)
    order = sorted(range(len(names)), key=lambda i: (-table[i].mean(), names[i]))
    spread = np.ptp(table, axis=0)
    means = [bootstrap(row, row, groups, "mean", RESAMPLES) for row in table]
    return MethodComparison(
        methods=tuple(
            Method(
                names[i],
                *(float(table[i].mean()), means[i].low, means[i].high),
                *(float(ranks.mean_rank[i]), float(ranks.best[i])),
                math.nan if labels is None else float(labels[i].mean()),
            )
            for i in order
        ),
        pairs=_pairs([names[i] for i in order], table[order], groups),
        contents=len(groups),
        groups=len(set(groups)),
        agreement=ranks.concordance,
        disputed=tuple(np.argsort(-spread, kind="stable")[:MOST_DISPUTED].tolist()),
        people=None if labels is None else _people(table, labels, groups, pseudo),
    )


def _pairs(
    names: Sequence[str], table: Floats, groups: Sequence[Hashable]
) -> dict[tuple[str, str], Pair]:
    """Compare the rows of (M, N) in pairs.

    The p-value is no bootstrap's: of 2,000 resamples none is below .001, which Holm's correction
    for the pairs of a dozen methods makes .07.
    """
    number = numbered(groups)
    sizes = np.bincount(number)
    folds = [[i] for i in range(len(sizes))]
    found = {}
    for a, b in itertools.combinations(range(len(names)), 2):
        apart = table[a] - table[b]
        interval = bootstrap(apart, apart, groups, "mean", RESAMPLES)
        by_group = np.bincount(number, weights=apart) / sizes
        p = wilcoxon(by_group, folds).p if len(folds) >= FEWEST_FOLDS else math.nan
        wins, losses = int((apart > 0).sum()), int((apart < 0).sum())
        pair = Pair(interval.point, interval.low, interval.high, p, wins, losses)
        found[names[a], names[b]] = pair
    known = {key: pair.p for key, pair in found.items() if not math.isnan(pair.p)}
    adjusted = dict(zip(known, holm(list(known.values())).tolist(), strict=True))
    found = {key: replace(pair, p=adjusted.get(key, math.nan)) for key, pair in found.items()}
    return found | {(b, a): pair.turned() for (a, b), pair in found.items()}


def _people(table: Floats, labels: Floats, groups: Sequence[Hashable], pseudo: bool) -> People:
    """Hold the scores (M, N) against labels (M, N)."""
    each = np.array([srcc(scores, mos) for scores, mos in zip(table.T, labels.T, strict=True)])
    known = np.flatnonzero(~np.isnan(each)).tolist()
    within = bootstrap(each[known], each[known], [groups[i] for i in known], "mean", RESAMPLES)
    best = table.argmax(axis=0)
    top = labels[best, np.arange(table.shape[1])] == labels.max(axis=0)
    return People(krcc(table.mean(axis=1), labels.mean(axis=1)), within, float(top.mean()), pseudo)
