"""All numbers about one set of predictions, recomputed from the predictions alone."""

from dataclasses import dataclass

from hmtnet import metrics
from hmtnet.artifact.predictions import Predictions
from hmtnet.errors import DataError, listed
from hmtnet.metrics.correlation import UNDEFINED
from hmtnet.metrics.groups import method_scale_cells


@dataclass(frozen=True)
class Summary:
    """The numbers of one subset, at the level of images.

    NaN means undefined (a constant prediction, too few images) or not applicable (no grades, no SR
    method known).

    Attributes:
        n: Number of images.
        srcc: Spearman's rank correlation.
        plcc: Pearson's linear correlation, without a fitted mapping.
        krcc: Kendall's τ-b.
        rmse: Root mean squared error in the dataset's unit, without a fitted mapping.
        within_tau: Kendall's τ-b pooled over the pairs of one (SR method, scale) cell.
        within_srcc: Mean SRCC of the cells with at least 5 images, weighted by their size.
        accuracy: Share of images whose grade is right, in [0, 1].
        adjacent_accuracy: Share of images whose grade is at most one off, in [0, 1].
        kappa: Quadratic-weighted kappa of the grades.
        ece: Expected calibration error of the grade probabilities, in [0, 1].
    """

    n: int
    srcc: float
    plcc: float
    krcc: float
    rmse: float
    within_tau: float
    within_srcc: float
    accuracy: float
    adjacent_accuracy: float
    kappa: float
    ece: float


def summarise(predictions: Predictions, subset: str) -> Summary:
    """Compute every number of one subset.

    Numbers about grades are given only where every image of the subset has what they need: an
    accuracy over a part of the images would stand beside correlations over all of them.

    Args:
        predictions: What a stage or a baseline has predicted.
        subset: ``train``, ``val`` or ``test``.

    Returns:
        The numbers.

    Raises:
        DataError: If the subset has no predictions.
    """
    rows = predictions.select(subset)
    if len(rows) == 0:
        raise DataError(
            f"subset: expected one that has predictions ({listed(predictions.subsets) or 'none'}), "
            f"found {subset!r}. Predict it first."
        )
    cells = method_scale_cells(rows.method, rows.scale)
    known = bool((rows.true_grade >= 0).all())
    graded = known and bool((rows.grade >= 0).all())
    likely = known and rows.probabilities.shape[1] > 0
    grades = (rows.true_grade, rows.grade)
    return Summary(
        n=len(rows),
        srcc=metrics.srcc(rows.score, rows.mos),
        plcc=metrics.plcc(rows.score, rows.mos),
        krcc=metrics.krcc(rows.score, rows.mos),
        rmse=metrics.rmse(rows.score, rows.mos),
        within_tau=metrics.within_tau(rows.score, rows.mos, cells),
        within_srcc=metrics.within_srcc(rows.score, rows.mos, cells),
        accuracy=metrics.accuracy(*grades) if graded else UNDEFINED,
        adjacent_accuracy=metrics.adjacent_accuracy(*grades) if graded else UNDEFINED,
        kappa=metrics.quadratic_kappa(*grades) if graded else UNDEFINED,
        ece=(
            metrics.expected_calibration_error(rows.probabilities, rows.true_grade)
            if likely
            else UNDEFINED
        ),
    )
