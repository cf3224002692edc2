"""What a finished stage says of the test images, beside what needs no system to say it."""

import numpy as np
import torch

from hmtnet.artifact.predictions import Predictions
from hmtnet.baselines import pixel_free, sharpness
from hmtnet.data.labels import FloatArray, IntArray
from hmtnet.data.sharpness import sharpness_of
from hmtnet.experiment.context import RunContext
from hmtnet.metrics.quality import QualityMetrics


def test_numbers(context: RunContext, found: Predictions) -> dict[str, dict[str, float]]:
    """Judge the stage and the baselines on the same test images.

    Args:
        context: What the chain shares.
        found: What the stage has predicted.

    Returns:
        SRCC, PLCC, KRCC and RMSE at image level, with scores in [0, 1], of ``stage`` and of each
        baseline by its name; nothing where no test image was predicted.
    """
    tested = found.select("test")
    if not len(tested):
        return {}
    manifest, split = context.manifest, context.split
    row_of = {manifest.records[row].image: row for row in split.test}
    rows = np.array([row_of[image] for image in tested.image], dtype=np.int64)
    variance = sharpness_of(manifest, (*split.train, *rows.tolist()))
    baselines = [
        *pixel_free(manifest, split.train, rows.tolist()),
        sharpness(manifest, split.train, variance),
    ]
    scores = {"stage": tested.score}
    scores |= {b.name: b.scores[rows] for b in baselines if b.scores is not None}
    mos = manifest.to_unit(tested.mos)
    return {name: _quality(manifest.to_unit(score), mos, rows) for name, score in scores.items()}


def _quality(score: FloatArray, mos: FloatArray, rows: IntArray) -> dict[str, float]:
    metric = QualityMetrics()
    metric.update(*(torch.from_numpy(np.asarray(column)) for column in (score, mos, rows)))
    return {name: float(value) for name, value in metric.compute().items()}
