"""The baselines' predictions, beside those of the stages and in the same form."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.predictions import Predictions
from hmtnet.baselines.labels import Baseline, label_only, scale_only
from hmtnet.data.datamodule import Subset
from hmtnet.data.grades import Grades
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import Split
from hmtnet.experiment.predict import tabulate


def write_baselines(
    folder: Path, manifest: Manifest, split: Split, grades: Grades, subsets: Sequence[Subset]
) -> list[tuple[Baseline, Path | None]]:
    """Predict with every baseline and write ``<folder>/<baseline>/predictions.csv``.

    Args:
        folder: The folder of the split's runs.
        manifest: The dataset.
        split: Who trains.
        grades: For grades true and predicted: a baseline's grade is the one its score lies in.
        subsets: Which subsets to predict.

    Returns:
        Each baseline with the file of its predictions; None where the dataset lacks what the
        baseline needs.
    """
    written: list[tuple[Baseline, Path | None]] = []
    for baseline in (scale_only(manifest, split), label_only(manifest, split)):
        path = None
        if baseline.scores is not None:
            path = folder / baseline.name / "predictions.csv"
            parts = []
            for subset in subsets:
                rows = split.subsets[subset]
                score = baseline.scores[np.array(rows, dtype=np.int64)]
                grade = grades.assign(manifest.to_unit(score))
                none = np.zeros((len(rows), 0))
                parts.append(tabulate(manifest, grades, subset, rows, score, grade, none))
            prediction_files.write(path, Predictions.concatenate(parts))
        written.append((baseline, path))
    return written
