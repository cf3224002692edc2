"""What needs no network: rows that every system must be compared with, recomputed from its runs.

They are the baselines, made of the training labels that stand in ``predictions.csv``: scale-only,
label-only and label+reference never look at a pixel, oracle-grade knows the true grade of a test
image and nothing else. Sharpness, which a report cannot see, is read from where training left it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import META_FILE
from hmtnet.artifact.digests import CHANGED, PREDICTIONS_FILE, is_as_recorded_beside
from hmtnet.artifact.predictions import Predictions
from hmtnet.baselines.labels import (
    Baseline,
    knows_references,
    label_and_reference,
    label_only,
    oracle_grade,
    scale_only,
)
from hmtnet.baselines.sharpness import EXPLANATION, SHARPNESS
from hmtnet.errors import ArtifactError
from hmtnet.metrics.checks import Floats, Integers
from hmtnet.report.numbers.run import Run


@dataclass(frozen=True, eq=False)
class ReferenceRow:
    """One predictor that is no system.

    Attributes:
        name: What it is called, such as ``label-only``.
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
        scale-only, label-only, label+reference where training shows references of test images,
        sharpness where training has left it, and oracle-grade; where runs were graded by different
        rules, one oracle-grade for each number of grades and rule.
    """
    # What was adopted knows no grades, and may lack training images.
    runs = sorted(runs, key=lambda run: (not _graded(run), -run.predictions.subset.count("train")))
    rows = [_row(scale_only, runs), _row(label_only, runs)]
    if rows[-1].tests and any(_shows_references(run) for run in runs):
        rows.append(_row(label_and_reference, runs))
    rows += _sharpness(runs)
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


def _sharpness(runs: Sequence[Run]) -> list[ReferenceRow]:
    """Return the row of sharpness, or none where no split has it."""
    first = {run.split: run for run in reversed(runs)}
    scores = {split: _left_scores(run) for split, run in first.items()}
    tests = {
        split: _predicted(first[split], score, graded=True)
        for split, score in scores.items()
        if score is not None
    }
    absent = len(scores) - len(tests)
    reason = f"not measured in {absent} of {len(scores)} splits" if absent else ""
    return [ReferenceRow(SHARPNESS, EXPLANATION, tests, reason, np.nan)] if tests else []


def _left_scores(run: Run) -> Floats | None:
    """Read what training has left of sharpness beside a run, if it is of the same test images."""
    test = run.predictions.select("test")
    for folder in _left_beside(run):
        try:
            found = _read_left(folder).select("test")
        except ArtifactError:  # see `flaws_of_what_was_left`
            continue
        labels = dict(zip(found.image, zip(found.mos, found.score, strict=True), strict=True))
        known = [labels.get(image, (np.nan, np.nan)) for image in test.image]
        if np.array_equal([mos for mos, _ in known], test.mos):
            return np.array([score for _, score in known])
    return None


def flaws_of_what_was_left(runs: Sequence[Run]) -> dict[Path, str]:
    """Return why what training has left of sharpness cannot be shown, by its folder."""
    flaws = {}
    for folder in dict.fromkeys(folder for run in runs for folder in _left_beside(run)):
        try:
            _read_left(folder)
        except ArtifactError as error:
            flaws[folder] = str(error)
    return flaws


def _left_beside(run: Run) -> list[Path]:
    """Return the folders of sharpness beside a run, of other labels and grades too."""
    folders = sorted(Path(run.path).resolve().parent.glob(f"{SHARPNESS}-*"))
    # A system may have that name.
    return [folder for folder in folders if folder.is_dir() and not (folder / META_FILE).exists()]


def _read_left(folder: Path) -> Predictions:
    path = folder / PREDICTIONS_FILE
    try:
        if is_as_recorded_beside(path) is False:
            raise ArtifactError(f"{PREDICTIONS_FILE} {CHANGED}.")
        return prediction_files.read(path)
    except ArtifactError as error:
        raise ArtifactError(
            f"{error} Its row is left out. Run the same command again: it is measured anew."
        ) from error


def _shows_references(run: Run) -> bool:
    return _has_training(run) and knows_references(
        run.predictions, _rows(run, "train"), _rows(run, "test")
    )


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
