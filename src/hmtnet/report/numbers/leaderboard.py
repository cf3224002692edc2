"""The rows of a table: every configuration and reference row, measured on each of its splits."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics import median_grade
from hmtnet.metrics.mapping import Mapping, fit_mapping
from hmtnet.metrics.resampling import Interval, average_seeds
from hmtnet.report.numbers.intervals import extent, interval
from hmtnet.report.numbers.quantities import QUANTITIES, Measured, Spread, measure, spread
from hmtnet.report.numbers.reference_rows import ReferenceRow, reference_rows
from hmtnet.report.numbers.run import Run
from hmtnet.report.numbers.sections import FULL_REFERENCE, Configuration, Grounds, natural


@dataclass(frozen=True, eq=False)
class Outcome:
    """One row on one split.

    Attributes:
        split: The split's id.
        seed: Of the training; None for rows without any.
        test: The predictions of its test images.
        measured: All numbers about them.
    """

    split: str
    seed: int | None
    test: Predictions
    measured: Measured


@dataclass(frozen=True)
class View:
    """The test images that intervals, figures and cases are about.

    Attributes:
        splits: One split, or the folds of one k-fold division, whose test images are disjoint.
        label: Which, in words.
    """

    splits: tuple[str, ...]
    label: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One row.

    Attributes:
        name: What it is called.
        kind: ``system``, or ``reference`` for what needs no network.
        outcomes: One per split and seed.
        spreads: Each number over splits, seeds averaged before; by key of ``QUANTITIES``.
        view: Predictions of the view's test images, seeds averaged, split by split; None where
            there are none.
        sizes: How many of these images are of each split.
        view_label: Which images these are.
        interval: Of SRCC over these; None where there are none.
        extent: Lowest and highest SRCC within one reference of the view, what is shown where there
            are too few references for an interval; None where no reference has 5 images.
        explanation: What a reference row predicts; empty for systems.
        marks: What a reader must see beside the name.
        reason: Why there are no numbers, or not on all splits.
        configuration: The runs behind it; None for reference rows.
    """

    name: str
    kind: Literal["system", "reference"]
    outcomes: tuple[Outcome, ...]
    spreads: dict[str, Spread]
    view: Predictions | None
    sizes: tuple[int, ...]
    view_label: str
    interval: Interval | None
    extent: tuple[float, float] | None = None
    explanation: str = ""
    marks: tuple[str, ...] = ()
    reason: str = ""
    configuration: Configuration | None = None

    @property
    def splits(self) -> tuple[str, ...]:
        """Ids of the splits it was measured on."""
        return tuple(dict.fromkeys(outcome.split for outcome in self.outcomes))

    def mean_at(self, split: str, key: str) -> float:
        """Return one number (a key of ``QUANTITIES``) on one split, seeds averaged."""
        return spread([o.measured.values[key] for o in self.outcomes if o.split == split]).mean

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds it was trained with."""
        return tuple(sorted({o.seed for o in self.outcomes if o.seed is not None}))

    @property
    def fits(self) -> dict[str, int]:
        """How the fits of the mapping went: how many of which status, without the reasons."""
        return dict(
            Counter(
                o.measured.mapping.status.partition(":")[0] for o in self.outcomes
            ).most_common()
        )

    @property
    def told(self) -> str:
        """What must be said beside its name: marks, and why numbers lack."""
        return "; ".join([*self.marks, *([self.reason] if self.reason else [])])

    @cached_property
    def mapping(self) -> Mapping:
        """The curve from score to MOS, fitted to the view's test images."""
        assert self.view is not None
        return fit_mapping(self.view.score, self.view.mos)

    @property
    def reference(self) -> str:
        """When it looks at reference images, as its runs say; empty for reference rows."""
        return self.runs[0].reference if self.runs else ""

    @property
    def block(self) -> str:
        """The part of the table that it stands in: ``FULL_REFERENCE``, or empty for all others."""
        return FULL_REFERENCE if self.configuration and self.configuration.full_reference else ""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs behind it."""
        return () if self.configuration is None else self.configuration.runs


def entries(
    grounds: Grounds, configurations: Sequence[Configuration], runs: Sequence[Run]
) -> tuple[list[Entry], View]:
    """Measure every row of a table.

    Args:
        grounds: What the rows have in common.
        configurations: Its systems.
        runs: All its runs, from whose training labels the reference rows are computed.

    Returns:
        Rows, full-reference systems below all others, in each of the two blocks the best median
        SRCC first; and the view that intervals are about.
    """
    view = choose_view(configurations)
    marks = ("leaky split",) if grounds.leaky else ()
    own_unit = grounds.protocol != "cross"
    found = [_of_system(configuration, view, own_unit) for configuration in configurations]
    found += [_of_reference(row, view, marks) for row in reference_rows(runs)]
    return sorted(found, key=_rank), view


def choose_view(configurations: Sequence[Configuration]) -> View:
    """Choose the test images that most rows share: pooled folds, or the first of such splits."""
    rows_with: Counter[str] = Counter()
    folds: dict[str, dict[int, str]] = {}
    family: dict[str, str] = {}
    for configuration in configurations:
        for run in {run.split: run for run in configuration.runs}.values():
            rows_with[run.split] += 1
            if run.fold is not None:
                name, number = run.fold
                folds.setdefault(name, {})[number] = run.split
                family[run.split] = name
    best = min(rows_with, key=lambda split: (-rows_with[split], natural(split)))
    if best not in family:
        return View((best,), f"split {best}")
    members = folds[family[best]]
    splits = tuple(members[number] for number in sorted(members))
    count = f"{len(splits)} folds" if len(splits) > 1 else "1 fold"
    return View(splits, f"{count} of {family[best]}")


def averaged(parts: Sequence[Predictions]) -> Predictions:
    """Average the predictions that several seeds make of the same images.

    Scores and grade probabilities are averaged; the grade is then their median. Without
    probabilities there is no grade, except from a single seed.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    places = [{image: row for row, image in enumerate(part.image)} for part in parts]
    orders = [[place[image] for image in first.image] for place in places]
    score = average_seeds([p.score[o] for p, o in zip(parts, orders, strict=True)])
    if len({part.probabilities.shape[1] for part in parts}) == 1:
        p = np.mean([q.probabilities[o] for q, o in zip(parts, orders, strict=True)], axis=0)
    else:
        p = np.zeros((len(first), 0))
    none = np.full(len(first), -1, dtype=np.int64)
    grade = median_grade(p) if p.shape[1] else none
    return replace(first, score=score, probabilities=p, grade=grade)


def _of_system(configuration: Configuration, view: View, own_unit: bool) -> Entry:
    outcomes = []
    for run in configuration.runs:
        test = run.predictions.select("test")
        own = own_unit and run.trained_on == run.dataset
        outcomes.append(Outcome(run.split, run.seed, test, measure(test, own_unit=own)))
    # A median over the runs that went well must not hide the one that ended in a constant.
    lost = sum(math.isnan(outcome.measured.values["srcc"]) for outcome in outcomes)
    undefined = (f"SRCC undefined in {lost} of {len(outcomes)} runs",) if lost else ()
    return _entry(
        view,
        outcomes,
        name=configuration.name,
        kind="system",
        marks=(*configuration.marks, *undefined),
        configuration=configuration,
    )


def _of_reference(row: ReferenceRow, view: View, marks: tuple[str, ...]) -> Entry:
    outcomes = [Outcome(split, None, test, measure(test)) for split, test in row.tests.items()]
    reason = row.reason
    if row.fallback > 0:
        fallback = f"{100 * row.fallback:.1f} % of test images had to fall back to a coarser mean"
        reason = f"{reason}; {fallback}" if reason else fallback
    return _entry(
        view,
        sorted(outcomes, key=lambda outcome: natural(outcome.split)),
        name=row.name,
        kind="reference",
        explanation=row.explanation,
        marks=marks,
        reason=reason,
    )


def _entry(view: View, outcomes: Sequence[Outcome], **facts: Any) -> Entry:
    spreads = {q.key: spread(_by_split(outcomes, q.key)) for q in QUANTITIES}
    parts, label = _viewed(outcomes, view)
    rows = _pooled(parts) if parts else None
    sizes = tuple(len(part) for part in parts)
    return Entry(
        outcomes=tuple(outcomes),
        spreads=spreads,
        view=rows,
        view_label=label,
        sizes=sizes,
        interval=None if rows is None else interval(rows, sizes),
        extent=None if rows is None else extent(rows),
        **facts,
    )


def _viewed(outcomes: Sequence[Outcome], view: View) -> tuple[list[Predictions], str]:
    """Return the predictions of each of the view's splits, or of the first split there is."""
    if not outcomes:
        return [], ""
    splits = [outcome.split for outcome in outcomes]
    own = [split for split in view.splits if split in splits]
    label = view.label
    if len(own) < len(view.splits):
        label = f"{len(own)} of {label}" if own else f"split {splits[0]}"
    return [at_split(outcomes, split) for split in own or splits[:1]], label


def at_split(outcomes: Sequence[Outcome], split: str) -> Predictions:
    """Return the predictions of one split's test images, seeds averaged."""
    return averaged([outcome.test for outcome in outcomes if outcome.split == split])


def _pooled(parts: Sequence[Predictions]) -> Predictions:
    if len({part.probabilities.shape[1] for part in parts}) > 1:
        parts = [replace(p, probabilities=np.zeros((len(p), 0))) for p in parts]
    return Predictions.concatenate(parts)


def _by_split(outcomes: Sequence[Outcome], key: str) -> list[float]:
    """Return one number per split: the mean over seeds, of those where it is defined."""
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        found.setdefault(outcome.split, []).append(outcome.measured.values[key])
    return [spread(values).mean for values in found.values()]


def _rank(entry: Entry) -> tuple[str, bool, float, str]:
    median = entry.spreads["srcc"].median
    known = not np.isnan(median)
    return (entry.block, not known, -median if known else 0.0, entry.name)
