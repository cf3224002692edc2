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

from hmtnet.artifact.description import META_FILE, need
from hmtnet.artifact.digests import PREDICTIONS_FILE
from hmtnet.artifact.predictions import read
from hmtnet.errors import ArtifactError

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
    if not path.is_file():
        return None
    validation = read(path).select("val")
    # Scores of several datasets are in [0, 1] already, and so is the range that is written then.
    low, high = _ends(folder, meta, "dataset", "mos_range")
    residuals = np.sort(np.abs(validation.score - validation.mos)) / (high - low)
    rank = math.ceil((len(residuals) + 1) * COVERAGE)
    if rank > len(residuals):
        return None
    return Calibration(COVERAGE, float(residuals[rank - 1]), len(residuals))


def learned_from(folder: Path, meta: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return the ranges of statistics of the training images by name; none of an older model.

    Raises:
        ArtifactError: The description is damaged.
    """
    if meta.get(LEARNED_FROM) is None:
        return {}
    names = need(folder, meta, dict, LEARNED_FROM)
    return {name: _ends(folder, meta, LEARNED_FROM, name) for name in names}


def _ends(folder: Path, meta: Mapping[str, Any], *where: str) -> tuple[float, float]:
    given = need(folder, meta, list, *where)
    try:
        low, high = map(float, given)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not low <= high:
        raise ArtifactError(
            f"{folder / META_FILE}: expected the ends of a range in '{'.'.join(where)}', found "
            f"{given}. Train the stage again."
        )
    return low, high
