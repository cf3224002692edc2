"""SRCC within one SR method or one scale, where knowing the method helps less."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics.groups import GroupResult, by_group
from hmtnet.report.numbers.leaderboard import Entry, View, at_split
from hmtnet.report.numbers.sections import natural


@dataclass(frozen=True)
class Breakdown:
    """SRCC of every row in groups of the view's images.

    Attributes:
        title: Of the table.
        names: Rows.
        kinds: Of the rows, ``system`` or ``reference``.
        blocks: Of the rows; see ``Entry.block``.
        groups: Columns.
        images: How many images a group has.
        values: (row, column) to SRCC, NaN where undefined.
        note: Which images these are.
    """

    title: str
    names: tuple[str, ...]
    kinds: Mapping[str, str]
    blocks: Mapping[str, str]
    groups: tuple[str, ...]
    images: Mapping[str, int]
    values: Mapping[tuple[str, str], float]
    note: str


def by_method(entries: Sequence[Entry], view: View) -> Breakdown | None:
    """Return SRCC by SR method; None where fewer than two methods are named."""
    return _breakdown(entries, view, "SRCC by SR method", _methods, natural)


def by_scale(entries: Sequence[Entry], view: View) -> Breakdown | None:
    """Return SRCC by scale; None where fewer than two scales are named."""
    return _breakdown(entries, view, "SRCC by scale", _factors, lambda name: float(name[1:]))


def _breakdown(
    entries: Sequence[Entry],
    view: View,
    title: str,
    keys: Callable[[Predictions], Sequence[str | None]],
    order: Callable[[str], Any],
) -> Breakdown | None:
    values: dict[tuple[str, str], float] = {}
    images: dict[str, int] = {}
    kept = [e for e in entries if e.view is not None and e.view_label == view.label]
    for entry in kept:
        found: dict[str, list[GroupResult]] = {}
        for split in view.splits:
            rows = at_split(entry.outcomes, split)
            for group, result in by_group(rows.score, rows.mos, keys(rows)).items():
                found.setdefault(group, []).append(result)
        for group, results in found.items():
            values[entry.name, group] = _mean(results)
            images[group] = sum(result.n for result in results)
    if len(images) < 2:
        return None
    folds = ", weighted mean over folds" if len(view.splits) > 1 else ""
    return Breakdown(
        title,
        tuple(entry.name for entry in kept),
        {entry.name: entry.kind for entry in kept},
        {entry.name: entry.block for entry in kept},
        tuple(sorted(images, key=order)),
        images,
        values,
        f"On {view.label}{folds}; in brackets, numbers of images.",
    )


def _mean(results: Sequence[GroupResult]) -> float:
    known = [result for result in results if not math.isnan(result.srcc)]
    if not known:
        return math.nan
    return sum(r.n * r.srcc for r in known) / sum(r.n for r in known)


def _methods(rows: Predictions) -> Sequence[str | None]:
    return rows.method


def _factors(rows: Predictions) -> list[str | None]:
    return [None if scale is None else f"×{scale}" for scale in rows.scale]
