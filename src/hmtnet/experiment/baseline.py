"""The baselines' predictions, beside those of the stages and in the same form."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.digests import record_beside
from hmtnet.artifact.predictions import Predictions
from hmtnet.baselines import SHARPNESS, Baseline, pixel_free, sharpness
from hmtnet.data.grades import Grades
from hmtnet.data.join import Together
from hmtnet.data.manifest import Manifest
from hmtnet.data.sharpness import sharpness_of
from hmtnet.data.split import Split, Subset
from hmtnet.experiment.predict import tabulate
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.key import digest_of

SUBSETS: tuple[Subset, ...] = ("val", "test")


def baselines_of(manifest: Manifest, train: Sequence[int], judged: Sequence[int]) -> list[Baseline]:
    """Return every predictor that is no system and stands beside a result.

    Args:
        manifest: The dataset.
        train: Rows of the training images.
        judged: Rows of the images that are judged.

    Raises:
        DataError: An image cannot be decoded.
    """
    if isinstance(manifest, Together):
        return _by_dataset(manifest, train, judged)
    variance = sharpness_of(manifest, (*train, *judged))
    return [*pixel_free(manifest, train, judged), sharpness(manifest, train, variance)]


def _by_dataset(manifest: Together, train: Sequence[int], judged: Sequence[int]) -> list[Baseline]:
    """Return the predictors, which know of each dataset's images only those of that dataset.

    Scores are NaN where a dataset lacks what a predictor needs.
    """
    apart: list[tuple[range, Manifest, dict[str, Baseline]]] = []
    start = 0
    for part in manifest.parts:
        rows = range(start, start := start + len(part))
        trained, asked = ([r - rows.start for r in some if r in rows] for some in (train, judged))
        own = baselines_of(part, trained, asked) if asked else []
        apart.append((rows, part, {baseline.name: baseline for baseline in own}))
    found = []
    for name in dict.fromkeys(name for _, _, own in apart for name in own):
        scores = np.full(len(manifest), np.nan)
        source = np.zeros(len(manifest), dtype=np.int64)
        shown = [(rows, part, own[name]) for rows, part, own in apart if name in own]
        for rows, part, baseline in shown:
            if baseline.scores is not None:
                scores[rows], source[rows] = part.to_unit(baseline.scores), baseline.source
        known = None if np.isnan(scores).all() else scores
        reason = "" if known is not None else shown[0][2].reason
        found.append(replace(shown[0][2], scores=known, source=source, reason=reason))
    return found


def write_baselines(
    runs: Path, manifest: Manifest, split: Split, grades: Grades
) -> list[tuple[Baseline, Path | None]]:
    """Predict validation and test images with every baseline, and write the predictions.

    They lie beside the stages', under a key of their own: other labels or grades, another file.

    Args:
        runs: The folder of all run directories.
        manifest: The dataset.
        split: Who trains.
        grades: For grades true and predicted: a baseline's grade is the one its score lies in.

    Returns:
        Each baseline with the file of its predictions; None where the dataset lacks what the
        baseline needs.

    Raises:
        DataError: An image cannot be decoded.
    """
    key = digest_of({"dataset": manifest.fingerprint, "edges": grades.edges})
    written: list[tuple[Baseline, Path | None]] = []
    for baseline in baselines_of(manifest, split.train, (*split.val, *split.test)):
        path = None
        if baseline.scores is not None:
            directory = RunDirectory.locate(runs, manifest.name, split.id, baseline.name, key)
            path = directory.predictions
            parts = []
            for subset in SUBSETS:
                rows = [r for r in split.subsets[subset] if np.isfinite(baseline.scores[r])]
                if not rows:  # a final fit has no test images
                    continue
                score = baseline.scores[rows]
                grade = grades.assign(manifest.to_unit(score))
                none = np.zeros((len(rows), 0))
                parts.append(tabulate(manifest, grades, subset, rows, score, grade, none))
            prediction_files.write(path, Predictions.concatenate(parts))
            if baseline.name == SHARPNESS:  # a report reads it, and computes the others itself
                record_beside(path)
        written.append((baseline, path))
    return written
