"""Run directories, found and read; what cannot be used is told, and the others go on."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import (
    META_FILE,
    changed,
    changed_of,
    is_verifiable,
    read_document,
    value_at,
    without_envelope,
)
from hmtnet.artifact.digests import CURVES_FILE, PREDICTIONS_FILE, RECORDED
from hmtnet.baselines import KEPT
from hmtnet.errors import ArtifactError, DataError, listed
from hmtnet.files import is_folder
from hmtnet.report.numbers.reference_rows import flaws_of_what_was_left
from hmtnet.report.numbers.run import Run, by_dataset, run_from
from hmtnet.storage import status as run_status

STATUS_FILE = "status.json"

# Baselines leave predictions of validation and test images; a report recomputes them from the
# training images of the runs beside them, all but that of sharpness (`reference_rows`).
_BASELINE = re.compile(f"({'|'.join(map(re.escape, KEPT))})-[0-9a-f]+")


@dataclass(frozen=True)
class Problem:
    """A run directory that is not in the tables, or not with all that it holds.

    Attributes:
        path: The directory.
        message: Why, and what to do.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True)
class Collection:
    """What was found.

    Attributes:
        runs: Usable runs, ordered by path.
        problems: What is wrong with the others, or left out of usable ones.
    """

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def collect(paths: Sequence[Path]) -> Collection:
    """Find run directories in and under ``paths`` and read them.

    Args:
        paths: Run directories, or folders that hold such at any depth.

    Raises:
        DataError: A path does not exist or is no folder; all such paths are named.
    """
    wrong = [str(path) for path in paths if not is_folder(path)]
    if wrong:
        raise DataError(
            f"No such folder: {listed(wrong)}. Give run directories, or the folder that holds "
            "them, such as runs/."
        )
    runs: list[Run] = []
    problems: list[Problem] = []
    for folder in _run_directories(paths):
        try:
            run = read_run(folder)
            runs += by_dataset(run)
            if run.history.lost:
                problems.append(Problem(folder, run.history.lost))
        except ArtifactError as error:
            problems.append(Problem(folder, str(error)))
    problems += (Problem(folder, why) for folder, why in flaws_of_what_was_left(runs).items())
    kept, contradicting = _consistent(_on_common_images(runs))
    return Collection(tuple(kept), (*problems, *contradicting))


def read_run(folder: Path) -> Run:
    """Read one run directory.

    Raises:
        ArtifactError: The run is unfinished or capped, a file is missing, damaged, old or was
            changed after it was written, or the test images are not all predicted.
    """
    finished = _check_finished(folder)
    document = read_document(folder)
    meta = without_envelope(document)
    if meta.get("debug"):
        raise ArtifactError(
            "it was capped by trainer.debug, so its numbers mean nothing. Train it without the cap."
        )
    reasons = changed_of(folder, document, RECORDED)
    lost = reasons.pop(CURVES_FILE, "")
    if PREDICTIONS_FILE in reasons:
        raise ArtifactError(
            f"{PREDICTIONS_FILE} {reasons[PREDICTIONS_FILE]}. Run the same command again: it "
            "predicts these images anew."
        )
    for name, reason in reasons.items():
        raise changed(folder / name, reason)
    found = prediction_files.read(folder / PREDICTIONS_FILE)
    run = run_from(folder, meta, found, finished)
    run = replace(run, verified=is_verifiable(document))
    if lost:
        told = f"{CURVES_FILE} {lost}: its learning curve is not shown. All else is."
        run = replace(run, history=replace(run.history, curves=None, lost=told))
    count, expected = found.subset.count("test"), value_at(meta, "split", "images", "test")
    if not count:
        raise ArtifactError(
            "it has no predictions of test images: a sweep reads none. Run the configuration that "
            "validation has chosen again, with evaluate.test=true."
        )
    if isinstance(expected, int) and count != expected:
        raise ArtifactError(
            f"{PREDICTIONS_FILE} holds {count} of {expected} test images. Run the same command "
            "again: it predicts what is missing."
        )
    return run


def _run_directories(paths: Sequence[Path]) -> Iterator[Path]:
    seen = set()
    for path in paths:
        for root, folders, files in os.walk(path):
            folders.sort()
            folder = Path(root)
            if not {PREDICTIONS_FILE, STATUS_FILE} & set(files):
                continue
            folders.clear()  # nothing below a run is a run
            if folder.resolve() in seen or (
                META_FILE not in files and _BASELINE.fullmatch(folder.resolve().name)
            ):
                continue
            seen.add(folder.resolve())
            yield folder


def _check_finished(folder: Path) -> str:
    """Return when the run was finished; refuse one that is not."""
    advice = "Run the same command again: it resumes or reuses the run."
    status = run_status.read(folder / STATUS_FILE)
    if status is None:
        raise ArtifactError(
            f"{STATUS_FILE} is missing or damaged: the run may be half done. {advice}"
        )
    if status.state != "finished":
        said = {"running": "still running"}.get(status.state, status.state)
        why = f": {status.message}" if status.message else ""
        raise ArtifactError(f"the run is not finished ({said}{why}). {advice}")
    return status.updated


def _on_common_images(runs: Sequence[Run]) -> list[Run]:
    """Leave out test images that a partial run of the same split has no score of."""
    scored: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for run in runs:
        if run.partial:
            scored[run.fingerprint, run.split].append(set(run.predictions.select("test").image))
    return [_restricted(run, scored.get((run.fingerprint, run.split), ())) for run in runs]


def _restricted(run: Run, scored: Sequence[set[str]]) -> Run:
    """Keep the test images that are in all of some sets."""
    if not scored:
        return run
    rows = run.predictions
    kept = [
        row
        for row, (image, subset) in enumerate(zip(rows.image, rows.subset, strict=True))
        if subset != "test" or all(image in images for images in scored)
    ]
    left_out = len(rows) - len(kept)
    return replace(run, predictions=rows.take(kept), not_compared=left_out) if left_out else run


def _consistent(runs: Sequence[Run]) -> tuple[list[Run], list[Problem]]:
    """Keep runs that agree about the test images of their split; the first one of a split rules."""
    kept, problems = [], []
    first: dict[tuple[str, str], tuple[Run, dict[str, float]]] = {}
    for run in runs:
        test = run.predictions.select("test")
        labels = dict(zip(test.image, test.mos.tolist(), strict=True))
        ruling, expected = first.setdefault((run.fingerprint, run.split), (run, labels))
        if labels == expected:
            kept.append(run)
            continue
        problems.append(
            Problem(
                run.path,
                f"its test images or their MOS are not those of {ruling.path}, which names the "
                f"same dataset and split ({run.split}). One of the two files was changed: train "
                "that run again.",
            )
        )
    return kept, problems
