"""Predictions as a table that is looked at."""

import numpy as np

from hmtnet.artifact.predictions import Predictions

COLUMNS = ("image", "subset", "mos", "score", "error", "grade", "true grade", "method", "scale")
SHOWN = ("val", "test")
"""The subsets whose images are shown; what was trained on says little."""


def table_rows(found: Predictions) -> list[list[object]]:
    """Return validation and test images as rows of ``COLUMNS``, the largest error first."""
    error = found.score - found.mos
    shown = [i for i in np.argsort(-abs(error), kind="stable") if found.subset[i] in SHOWN]
    return [
        [
            *(found.image[i], found.subset[i], float(found.mos[i]), float(found.score[i])),
            *(float(error[i]), _grade(found.grade[i]), _grade(found.true_grade[i])),
            *(found.method[i], None if found.scale[i] is None else float(found.scale[i] or 0)),
        ]
        for i in shown
    ]


def _grade(grade: int) -> int | None:
    """Count grades from 1, as ``predictions.csv`` does; None where there is none."""
    return None if grade < 0 else int(grade) + 1
