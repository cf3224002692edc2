"""Agreement between predictions and human scores: a functional core in NumPy, float64.

Everything exported here is a pure function without torch. The classes that gather batches, also
over processes, are imported from :mod:`hmtnet.metrics.quality` and its two neighbours, since they
need torchmetrics.
"""

from hmtnet.metrics.checks import MetricError
from hmtnet.metrics.correlation import krcc, plcc, rmse, srcc
from hmtnet.metrics.grading import (
    accuracy,
    adjacent_accuracy,
    confusion,
    expected_calibration_error,
    median_grade,
    quadratic_kappa,
)
from hmtnet.metrics.groups import (
    GroupResult,
    by_group,
    within_reference_srcc,
    within_srcc,
    within_tau,
)
from hmtnet.metrics.mapping import Mapped, Mapping, fit_mapping, mapped_plcc, mapped_rmse
from hmtnet.metrics.outliers import outlier_ratio
from hmtnet.metrics.resampling import (
    Difference,
    Interval,
    average_seeds,
    bootstrap,
    paired_bootstrap,
)
from hmtnet.metrics.significance import (
    Comparison,
    RankStability,
    TTest,
    Wilcoxon,
    compare_systems,
    corrected_t_test,
    holm,
    rank_stability,
    wilcoxon,
)

__all__ = [
    "Comparison",
    "Difference",
    "GroupResult",
    "Interval",
    "Mapped",
    "Mapping",
    "MetricError",
    "RankStability",
    "TTest",
    "Wilcoxon",
    "accuracy",
    "adjacent_accuracy",
    "average_seeds",
    "bootstrap",
    "by_group",
    "compare_systems",
    "confusion",
    "corrected_t_test",
    "expected_calibration_error",
    "fit_mapping",
    "holm",
    "krcc",
    "mapped_plcc",
    "mapped_rmse",
    "median_grade",
    "outlier_ratio",
    "paired_bootstrap",
    "plcc",
    "quadratic_kappa",
    "rank_stability",
    "rmse",
    "srcc",
    "wilcoxon",
    "within_reference_srcc",
    "within_srcc",
    "within_tau",
]
