"""Images to look at: what a system judges best and worst, and where two systems disagree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from hmtnet.artifact.predictions import Predictions
from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name
from hmtnet.baselines.labels import LABEL_ONLY
from hmtnet.metrics.checks import Floats
from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.run import Run

EXTREMES = 6
"""How many best and how many worst cases are shown."""

LEVELS = ("low", "middle", "high")
"""Thirds of the images by the score that calls a pair equal; one pair is shown of each."""

_EQUAL = 0.01  # of the spread of mapped scores: pairs at most that far apart are called equal
_MOST_IMAGES = 3000  # pairs grow with the square; of more images, evenly spaced ones are searched


@dataclass(frozen=True, eq=False)
class Case:
    """One image and what is said of it; scores are mapped to the unit of MOS.

    Attributes:
        image: Its name.
        mos: The label.
        score: Of the system that the case is about.
        other: Of the second system; None where there is none or it lacks the image.
        true_grade: 0 = worst; None where unknown.
        grade: Predicted; None where there is none.
        thumbnail: WebP; None where no file was found.
    """

    image: str
    mos: float
    score: float
    other: float | None
    true_grade: int | None
    grade: int | None
    thumbnail: bytes | None


@dataclass(frozen=True)
class Duel:
    """A pair of images that one system calls equal and the other most different (gMAD).

    Attributes:
        equal: The system that calls them equal; ``Case.score`` is its score.
        different: The other one; ``Case.other`` is its score.
        level: Low, middle or high scores.
        better: The image that ``different`` calls better.
        worse: The other one.
        verdict: Which of the two the labels support.
    """

    equal: str
    different: str
    level: str
    better: Case
    worse: Case
    verdict: str


@dataclass(frozen=True)
class Casebook:
    """The images that tell most about one system.

    Attributes:
        name: The system.
        other: The system whose score stands beside; empty where there is none.
        best: Smallest errors first.
        worst: Largest errors first.
        duels: Pairs of images on which the two disagree.
    """

    name: str
    other: str
    best: tuple[Case, ...]
    worst: tuple[Case, ...]
    duels: tuple[Duel, ...]


def casebooks(entries: Sequence[Entry], higher_is_better: bool) -> tuple[Casebook, ...]:
    """Choose the cases of every system of a table.

    Each stands beside the best other system of its block, a lone one beside label-only.

    Args:
        entries: The rows of the table, in each block the best one first.
        higher_is_better: The direction of the labels.
    """
    viewed = [entry for entry in entries if entry.view is not None]
    found = []
    for entry in (e for e in viewed if e.kind == "system"):
        others = [e for e in viewed if e.kind == "system" and e is not entry]
        rivals = [e for e in others if e.block == entry.block]
        rival = next(iter([*rivals, *(e for e in viewed if e.name == LABEL_ONLY)]), None)
        best, worst = extremes(entry, rival)
        pairs = duels(entry, rival, higher_is_better) if rival else []
        if best or pairs:
            name = rival.name if rival else ""
            found.append(Casebook(entry.name, name, best, worst, tuple(pairs)))
    return tuple(found)


def extremes(
    entry: Entry, other: Entry | None, count: int = EXTREMES
) -> tuple[tuple[Case, ...], tuple[Case, ...]]:
    """Choose the images on which a system errs least and most, by |mapped score − MOS|.

    Returns:
        Smallest errors first, and largest errors first; both empty below two images.
    """
    view = entry.view
    if view is None or len(view) < 2:
        return (), ()
    count = min(count, len(view) // 2)
    score = entry.mapping(view.score)
    second = {} if other is None else _by_image(other)
    order = np.argsort(np.abs(score - view.mos), kind="stable")
    folders = _Thumbnails(entry.runs)
    best, worst = (
        tuple(
            _case(view, row, float(score[row]), second.get(view.image[row]), folders)
            for row in rows[:count].tolist()
        )
        for rows in (order, order[::-1])
    )
    return best, worst


def duels(first: Entry, second: Entry, higher_is_better: bool = True) -> list[Duel]:
    """Find the pairs that tell two systems apart (gMAD; Ma et al., CVPR 2016).

    Each system in turn calls images equal, in each third of its scores; among these the pair is
    shown that the other system holds most different. Thus a few images say more than averages: at
    most one of the two systems can be right about each pair.

    Args:
        first: A system.
        second: Another one.
        higher_is_better: The direction of the labels.

    Returns:
        At most three pairs for each of the two directions; none without at least 6 shared images.
    """
    view = first.view
    if view is None or second.view is None:
        return []
    a, b = _by_image(first), _by_image(second)
    rows = [row for row, image in enumerate(view.image) if image in b]
    if len(rows) > _MOST_IMAGES:
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, _MOST_IMAGES).astype(int)]
    if len(rows) < 2 * len(LEVELS):
        return []
    images = [view.image[row] for row in rows]
    scores = np.array([[a[i] for i in images], [b[i] for i in images]])
    folders = _Thumbnails([*first.runs, *second.runs])
    found = []
    for own, (equal, different) in enumerate([(first, second), (second, first)]):
        held, judged = scores[own], scores[1 - own]
        for level, members in zip(LEVELS, _thirds(held), strict=True):
            pair = _farthest(held, judged, members)
            if pair is None:
                continue
            better, worse = pair if higher_is_better else pair[::-1]
            cases = [
                _case(view, rows[i], float(held[i]), float(judged[i]), folders)
                for i in (better, worse)
            ]
            difference = abs(float(judged[better] - judged[worse]))
            verdict = _verdict(cases, difference, equal.name, different.name, higher_is_better)
            found.append(Duel(equal.name, different.name, level, cases[0], cases[1], verdict))
    return found


class _Thumbnails:
    """The pictures beside some runs."""

    def __init__(self, runs: Iterable[Run]) -> None:
        self.folders = list(dict.fromkeys(run.path.parent / THUMBNAILS for run in runs))

    def read(self, image: str) -> bytes | None:
        """Return the picture of an image; None without a file that can be read."""
        for folder in self.folders:
            try:
                return (folder / thumbnail_name(image)).read_bytes()
            except OSError:
                continue
        return None


def _case(
    view: Predictions, row: int, score: float, other: float | None, pictures: _Thumbnails
) -> Case:
    true, grade = int(view.true_grade[row]), int(view.grade[row])
    return Case(
        image=view.image[row],
        mos=float(view.mos[row]),
        score=score,
        other=other,
        true_grade=None if true < 0 else true,
        grade=None if grade < 0 else grade,
        thumbnail=pictures.read(view.image[row]),
    )


def _by_image(entry: Entry) -> dict[str, float]:
    """Return the mapped score of each image of the view."""
    if entry.view is None:
        return {}
    return dict(zip(entry.view.image, entry.mapping(entry.view.score).tolist(), strict=True))


def _thirds(scores: Floats) -> list[Sequence[int]]:
    order = np.argsort(scores, kind="stable")
    return [part.tolist() for part in np.array_split(order, len(LEVELS))]


def _farthest(held: Floats, judged: Floats, members: Sequence[int]) -> tuple[int, int] | None:
    """Return the pair that ``held`` calls equal and ``judged`` most different, higher one first."""
    rows = np.array(members)
    near = np.abs(held[rows, None] - held[rows]) <= _EQUAL * max(float(np.ptp(held)), 1e-12)
    gap = np.where(near, judged[rows, None] - judged[rows], 0.0)
    higher, lower = np.unravel_index(int(gap.argmax()), gap.shape)
    if not gap[higher, lower] > 0:
        return None
    return int(rows[higher]), int(rows[lower])


def _verdict(
    cases: Sequence[Case], difference: float, equal: str, different: str, higher_is_better: bool
) -> str:
    """Say whose opinion the labels are nearer to: no difference, or the one that was predicted."""
    found = cases[0].mos - cases[1].mos
    found = found if higher_is_better else -found
    return different if found > difference / 2 else equal
