"""What needs no network: rows that every system must be compared with, recomputed from its runs.

They are the baselines, made of the training labels that stand in ``predictions.csv``: label-only
and scale-only never look at a pixel, oracle-grade knows the true grade of a test image and nothing
else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hmtnet.artifact.predictions import Predictions
from hmtnet.baselines.labels import PIXEL_FREE, Baseline, oracle_grade
from hmtnet.metrics.checks import Floats, Integers
from hmtnet.report.numbers.run import Run

LABEL_ONLY = "label-only"


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
        scale-only, label-only and oracle-grade; where runs were graded by different rules, one
        oracle-grade for each number of grades and rule.
    """
    rows = [_row(predict, runs) for predict in PIXEL_FREE]
    rules = sorted({_rule(run) for run in runs if _graded(run)})
    if len(rules) < 2:
        return [*rows, _row(oracle_grade, runs)]
    for count, name in rules:
        row = _row(oracle_grade, [run for run in runs if _rule(run) == (count, name)])
        rows.append(replace(row, name=f"{row.name} ({count} {name})"))
    return rows


def _row(
    predict: Callable[[Predictions, Sequence[int]], Baseline], runs: Sequence[Run]
) -> ReferenceRow:
    found: dict[str, Baseline] = {}
    tests: dict[str, Predictions] = {}
    fallbacks: list[float] = []
    for run in runs:
        if run.split in tests:
            continue
        train = _rows(run, "train") if _has_training(run) else []
        found[run.split] = baseline = predict(run.predictions, train)
        if baseline.scores is not None:
            rows = _rows(run, "test")
            graded = predict is not oracle_grade
            tests[run.split] = _predicted(run, baseline.scores[rows], graded=graded)
            fallbacks.append(baseline.fallback(rows))
    reasons = [baseline.reason for baseline in found.values() if baseline.reason]
    reason = "; ".join(dict.fromkeys(reasons))
    if reasons and tests:
        reason += f" in {len(reasons)} of {len(found)} splits"
    any_one = next(iter(found.values()))
    fallback = float(np.mean(fallbacks)) if fallbacks else np.nan
    return ReferenceRow(any_one.name, any_one.explanation, tests, reason, fallback)


def _rows(run: Run, subset: str) -> list[int]:
    return [row for row, name in enumerate(run.predictions.subset) if name == subset]


def _predicted(run: Run, score: Floats, *, graded: bool) -> Predictions:
    """Return the test images with another score, and with the grade that this score lies in."""
    test, edges = run.predictions.select("test"), run.grades[0]
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
