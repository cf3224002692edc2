"""What a finished stage says of the test images, beside what needs no system to say it."""

from collections.abc import Mapping

import numpy as np
import torch

from hmtnet.artifact.predictions import Predictions
from hmtnet.data.labels import FloatArray, IntArray
from hmtnet.experiment.baseline import baselines_of
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.loggers.sink import Picture, Table
from hmtnet.metrics.groups import numbered
from hmtnet.metrics.quality import QualityMetrics

Judged = dict[str, dict[str, float]]
"""SRCC, PLCC, KRCC and RMSE by who predicts."""

COLUMNS = ("image", "subset", "mos", "score", "error", "grade", "true grade", "method", "scale")
SHOWN = ("val", "test")
"""The subsets whose images are shown; what was trained on says little."""


def test_numbers(context: RunContext, found: Predictions) -> Judged:
    """Judge the stage and the baselines on the same test images.

    Args:
        context: What the chain shares.
        found: What the stage has predicted.

    Returns:
        SRCC, PLCC, KRCC and RMSE at image level, with scores in [0, 1], of ``stage`` and of each
        baseline by its name, of several datasets the mean over them; nothing where no test image
        was predicted.
    """
    tested = found.select("test")
    if not len(tested):
        return {}
    manifest, split = context.manifest, context.split
    row_of = {manifest.records[row].image: row for row in split.test}
    rows = np.array([row_of[image] for image in tested.image], dtype=np.int64)
    baselines = baselines_of(manifest, split.train, rows.tolist())
    scores = {"stage": tested.score}
    scores |= {b.name: b.scores[rows] for b in baselines if b.scores is not None}
    mos, dataset = manifest.to_unit(tested.mos), numbered(manifest.datasets)[rows]
    return {
        name: _quality(manifest.to_unit(score), mos, rows, dataset)
        for name, score in scores.items()
        if np.isfinite(score).all()  # one of several datasets may lack what a baseline needs
    }


def predictions_table(found: Predictions, pictures: Mapping[str, Picture]) -> Table:
    """Return validation and test images as a table, the largest error first.

    Args:
        found: A stage's predictions.
        pictures: Thumbnails, by image.
    """
    error = found.score - found.mos
    shown = by_error(found)
    rows = [
        [
            *(found.image[i], found.subset[i], float(found.mos[i]), float(found.score[i])),
            *(float(error[i]), _grade(found.grade[i]), _grade(found.true_grade[i])),
            *(found.method[i], None if found.scale[i] is None else float(found.scale[i] or 0)),
        ]
        for i in shown
    ]
    names = [found.image[i] for i in shown]
    beside = {row: pictures[name] for row, name in enumerate(names) if name in pictures}
    return Table(COLUMNS, rows, beside)


def by_error(found: Predictions) -> list[int]:
    """Return the rows of the validation and test images, the largest error first."""
    order = np.argsort(-abs(found.score - found.mos), kind="stable")
    return [int(i) for i in order if found.subset[i] in SHOWN]


def compared_table(judged: Judged) -> Table:
    """Return what the stage and the baselines reach on the same test images."""
    rows = [[name, *numbers.values()] for name, numbers in judged.items()]
    return Table(("predicted by", *judged["stage"]), rows, {})


def _quality(
    score: FloatArray, mos: FloatArray, rows: IntArray, dataset: IntArray
) -> dict[str, float]:
    metric = QualityMetrics()
    metric.update(*(torch.from_numpy(np.asarray(c)) for c in (score, mos, rows, dataset)))
    return {name: float(value) for name, value in metric.compute().items()}


def _grade(grade: int) -> int | None:
    """Count grades from 1, as ``predictions.csv`` does; None where there is none."""
    return None if grade < 0 else int(grade) + 1
