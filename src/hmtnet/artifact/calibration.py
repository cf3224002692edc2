"""How far a stage's scores were from the labels of its validation images.

Two keys of ``stage.json`` say what a verdict is measured against: ``calibration``, the interval of
a model that comes without its predictions, and ``learned_from``, lowest and highest brightness,
contrast, shorter side and sharpness of its training images (`hmtnet.scoring.familiar`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hmtnet.artifact.description import need, value_at
from hmtnet.artifact.digests import PREDICTIONS_FILE
from hmtnet.artifact.predictions import read

COVERAGE = 0.9
"""Share of images like the validation images whose label an interval holds."""

CALIBRATION = "calibration"
LEARNED_FROM = "learned_from"


@dataclass(frozen=True)
class Calibration:
    """The half-width of an interval around a score.

    Attributes:
        coverage: Which share of labels the interval is to hold.
        half_width: In the unit score.
        images: How many validation images it was taken from.
    """

    coverage: float
    half_width: float
    images: int


def calibrate(folder: Path, meta: Mapping[str, Any]) -> Calibration | None:
    """Return how wide a stage's intervals are; None where too few validation images are known.

    Split conformal prediction (Lei et al., JASA 2018): with n absolute residuals, the
    ⌈(n + 1) · coverage⌉-th smallest. It holds for images drawn as the validation images were. These
    have chosen the epoch, and several may show one photograph, so it is somewhat too narrow.

    Args:
        folder: The run directory, or the folder of a shipped model.
        meta: Its ``stage.json``.

    Raises:
        ArtifactError: Its predictions are damaged, or the description is.
    """
    if meta.get(CALIBRATION) is not None:
        return Calibration(
            coverage=need(folder, meta, float, CALIBRATION, "coverage"),
            half_width=need(folder, meta, float, CALIBRATION, "half_width"),
            images=need(folder, meta, int, CALIBRATION, "images"),
        )
    path = Path(folder) / PREDICTIONS_FILE
    bounds = value_at(meta, "dataset", "mos_range")
    if not path.is_file() or not isinstance(bounds, list):
        return None
    validation = read(path).select("val")
    # Scores of several datasets are in [0, 1] already, and so is the range that is written then.
    residuals = np.sort(np.abs(validation.score - validation.mos)) / (bounds[1] - bounds[0])
    rank = math.ceil((len(residuals) + 1) * COVERAGE)
    if rank > len(residuals):
        return None
    return Calibration(COVERAGE, float(residuals[rank - 1]), len(residuals))
