"""What a score must be compared with: predictors that are no system."""

from hmtnet.baselines.labels import (
    LABEL_AND_REFERENCE,
    LABEL_ONLY,
    SCALE_ONLY,
    Baseline,
    label_and_reference,
    label_only,
    oracle_grade,
    pixel_free,
    scale_only,
)
from hmtnet.baselines.sharpness import SHARPNESS, sharpness

KEPT = (SCALE_ONLY, LABEL_ONLY, LABEL_AND_REFERENCE, SHARPNESS)
"""Names of those whose predictions lie beside the stages' in a run folder."""

__all__ = [
    "KEPT",
    "SHARPNESS",
    "Baseline",
    "label_and_reference",
    "label_only",
    "oracle_grade",
    "pixel_free",
    "scale_only",
    "sharpness",
]
