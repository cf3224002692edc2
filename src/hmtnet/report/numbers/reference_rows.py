"""What needs no network: rows that every system must be compared with, recomputed from its runs.

They are made of the training labels that stand in ``predictions.csv``: label-only and scale-only
never look at a pixel, oracle-grade knows the true grade of a test image and nothing else.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics.checks import Floats, Integers
from hmtnet.report.numbers.run import Run

LABEL_ONLY, SCALE_ONLY, ORACLE_GRADE = "label-only", "scale-only", "oracle-grade"

Keys = list[Hashable]
_LABELS = {
    LABEL_ONLY: "the training mean of the image's SR method and scale; never looks at a pixel",
    SCALE_ONLY: "the training mean of the image's scale; never looks at a pixel",
    ORACLE_GRADE: "the training mean of the image's TRUE grade: what perfect grades alone give",
}


@dataclass(frozen=True, eq=False)
class ReferenceRow:
    """One predictor that has no parameters.

    Attributes:
        name: ``label-only``, ``scale-only`` or ``oracle-grade``.
        explanation: What it predicts.
        tests: Its predictions of the test images, by split id.
        reason: Why there are none, or why some splits lack; empty where all are there.
        fallback: Share of test images whose own mean did not exist in training; NaN without any.
    """

    name: str
    explanation: str
    tests: Mapping[str, Predictions]
    reason: str
    fallback: float


def reference_rows(runs: Sequence[Run]) -> list[ReferenceRow]:
    """Compute the rows for every split that the runs of one table have.

    Args:
        runs: Runs of one table.

    Returns:
        label-only, scale-only and oracle-grade; where runs were graded by different rules, one
        oracle-grade for each number of grades and rule.
    """
    by_split: dict[str, list[Run]] = {}
    for run in runs:
        by_split.setdefault(run.split, []).append(run)
    rows = [
        _row(LABEL_ONLY, by_split, (_pairs, _scales), "no SR method is named"),
        _row(SCALE_ONLY, by_split, (_scales,), "no scale is named"),
    ]
    rules = sorted({_rule(run) for run in runs if _graded(run)})
    for rule in rules:
        own = {s: [r for r in members if _rule(r) == rule] for s, members in by_split.items()}
        row = _row(ORACLE_GRADE, own, (_true_grades,), "no true grade is known")
        count, name = rule
        rows.append(replace(row, name=f"{row.name} ({count} {name})") if len(rules) > 1 else row)
    if not rules:
        reason = "no run has the true grade of every image"
        rows.append(ReferenceRow(ORACLE_GRADE, _LABELS[ORACLE_GRADE], {}, reason, np.nan))
    return rows


def training_means(train_keys: Keys, mos: Floats, keys: Keys) -> Floats:
    """Return for each key the mean MOS of the training images with that key, NaN without one.

    Args:
        train_keys: (M,) of the training images; None where there is none.
        mos: (M,) their MOS.
        keys: (N,) of the images to predict.

    Returns:
        (N,) in the unit of MOS.
    """
    members: dict[Hashable, list[float]] = {}
    for key, value in zip(train_keys, mos.tolist(), strict=True):
        if key is not None:
            members.setdefault(key, []).append(value)
    means = {key: float(np.mean(values)) for key, values in members.items()}
    return np.array([means.get(key, np.nan) for key in keys], dtype=np.float64)


def _row(
    name: str,
    by_split: Mapping[str, Sequence[Run]],
    levels: Sequence[Callable[[Predictions], Keys]],
    lacking: str,
) -> ReferenceRow:
    tests: dict[str, Predictions] = {}
    reasons: list[str] = []
    fallen = []
    for split, runs in by_split.items():
        run = next((r for r in runs if _has_training(r)), None)
        if run is None:
            reasons.append("predictions.csv holds no (or not all) training images")
            continue
        train, test = run.predictions.select("train"), run.predictions.select("test")
        first = levels[0](test)
        if all(key is None for key in first) or (
            name.startswith(ORACLE_GRADE) and any(key is None for key in first)
        ):
            reasons.append(lacking)
            continue
        score = np.full(len(test), train.mos.mean())
        for level in reversed(levels):  # from the coarsest mean to the finest
            means = training_means(level(train), train.mos, level(test))
            score = np.where(np.isfinite(means), means, score)
        fallen.append(float(np.mean(~np.isfinite(means))))
        tests[split] = _predicted(run, test, score, graded=name != ORACLE_GRADE)
    reason = ""
    if reasons:
        where = f" in {len(reasons)} of {len(by_split)} splits" if tests else ""
        reason = "; ".join(dict.fromkeys(reasons)) + where
    return ReferenceRow(
        name, _LABELS[name], tests, reason, float(np.mean(fallen)) if fallen else np.nan
    )


def _predicted(run: Run, test: Predictions, score: Floats, *, graded: bool) -> Predictions:
    """Return the test images with another score, and with the grade that this score lies in."""
    edges = run.grades[0]
    none: Integers = np.full(len(test), -1, dtype=np.int64)
    low, high = run.mos_range
    unit = (score - low if run.higher_is_better else high - score) / (high - low)
    # A score on an edge belongs to the better grade, as in training.
    grade = np.searchsorted(edges, unit, side="right") if edges and graded else none
    return replace(
        test,
        score=score,
        grade=grade.astype(np.int64),
        probabilities=np.zeros((len(test), 0)),
    )


def _has_training(run: Run) -> bool:
    found = run.predictions.subset.count("train")
    return found > 0 and (run.train_images is None or found == run.train_images)


def _graded(run: Run) -> bool:
    return bool(run.grades[0]) and bool((run.predictions.true_grade >= 0).all())


def _rule(run: Run) -> tuple[int, str]:
    return len(run.grades[0]) + 1, run.grades[1]


def _pairs(rows: Predictions) -> Keys:
    return [None if m is None else (m, s) for m, s in zip(rows.method, rows.scale, strict=True)]


def _scales(rows: Predictions) -> Keys:
    return list(rows.scale)


def _true_grades(rows: Predictions) -> Keys:
    return [None if grade < 0 else grade for grade in rows.true_grade.tolist()]
