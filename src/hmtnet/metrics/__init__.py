"""Agreement between predictions and human scores: a functional core in NumPy, float64.

Everything exported here is a pure function without torch. The classes that gather batches, also
over processes, are imported from :mod:`hmtnet.metrics.quality`, since they need torchmetrics.
"""

from hmtnet.metrics.checks import MetricError
from hmtnet.metrics.correlation import krcc, plcc, rmse, srcc
from hmtnet.metrics.grading import (
    accuracy,
    adjacent_accuracy,
    confusion,
    expected_calibration_error,
    quadratic_kappa,
)
from hmtnet.metrics.groups import within_srcc, within_tau

__all__ = [
    "MetricError",
    "accuracy",
    "adjacent_accuracy",
    "confusion",
    "expected_calibration_error",
    "krcc",
    "plcc",
    "quadratic_kappa",
    "rmse",
    "srcc",
    "within_srcc",
    "within_tau",
]
