"""The numbers of a leaderboard: their names and what they mean."""

import math
from dataclasses import asdict, dataclass

import numpy as np

from hmtnet import metrics
from hmtnet.artifact.predictions import Predictions
from hmtnet.metrics.mapping import Mapping, fit_mapping
from hmtnet.report.numbers.summary import summarise


@dataclass(frozen=True)
class Quantity:
    """One column.

    Attributes:
        key: Its name for programs.
        title: Its name for people.
        meaning: How it is computed, one sentence; ``{mos}`` stands for what the labels are called.
        higher_is_better: Its direction.
        share: Whether it is a share in [0, 1], which people read in percent.
    """

    key: str
    title: str
    meaning: str
    higher_is_better: bool
    share: bool = False


@dataclass(frozen=True)
class Spread:
    """One number over splits; NaN where it is undefined.

    Attributes:
        median: Of the splits.
        mean: Of the splits.
        sd: Standard deviation over splits, n − 1 in the denominator; NaN below two splits.
        defined: On how many splits it is defined.
        splits: How many splits there are.
    """

    median: float
    mean: float
    sd: float
    defined: int
    splits: int


SKILL = (
    Quantity("srcc", "SRCC", "Spearman's rank correlation of score and {mos}.", True),
    Quantity("plcc", "PLCC", "Pearson's correlation of raw score and {mos}.", True),
    Quantity("krcc", "KRCC", "Kendall's τ-b of score and {mos}.", True),
    Quantity(
        "rmse",
        "RMSE",
        "Root mean squared difference of raw score and {mos}, in the dataset's unit.",
        False,
    ),
    Quantity(
        "plcc_mapped",
        "PLCC mapped",
        "PLCC after a monotone logistic curve with 4 parameters was fitted to the test images: an "
        "upper bound of what a fixed curve would give.",
        True,
    ),
    Quantity("rmse_mapped", "RMSE mapped", "RMSE after the same curve.", False),
    Quantity(
        "within_tau",
        "within-τ",
        "Kendall's τ-b over all pairs of images of one SR method and scale: the part of a score "
        "that only pixels can explain.",
        True,
    ),
    Quantity(
        "within_srcc",
        "within-SRCC",
        "Mean SRCC within one SR method and scale, cells of 5 images or more, weighted by images.",
        True,
    ),
)
FURTHER = (
    Quantity(
        "within_reference",
        "within-reference",
        "Mean SRCC within one reference, references of 5 images or more, weighted by images: are "
        "the versions of one scene ordered as their {mos} orders them?",
        True,
    ),
    Quantity(
        "outlier_ratio",
        "outliers",
        "Share of images whose mapped score is further from the {mos} than twice the standard "
        "deviation of the image's opinions, of those where it is known.",
        False,
        share=True,
    ),
)
"""Shown where they are defined for some row."""

GRADES = (
    Quantity("accuracy", "accuracy", "Share of images whose grade is right.", True, share=True),
    Quantity(
        "adjacent_accuracy",
        "±1 accuracy",
        "Share whose grade is at most one off.",
        True,
        share=True,
    ),
    Quantity("kappa", "kappa", "Cohen's kappa with quadratic weights.", True),
    Quantity(
        "ece",
        "ECE",
        "Expected calibration error of the grade probabilities, 15 bins; 0 is best.",
        False,
    ),
)
QUANTITIES = (*SKILL, *FURTHER, *GRADES)


@dataclass(frozen=True, eq=False)
class Measured:
    """All numbers about one set of test images.

    Attributes:
        values: By key of ``QUANTITIES``; NaN where undefined or not applicable.
        mapping: The fitted curve; its status says how the fit went.
        n: Number of images.
    """

    values: dict[str, float]
    mapping: Mapping
    n: int


def measure(test: Predictions, *, own_unit: bool = True) -> Measured:
    """Compute every number of one set of test images.

    Args:
        test: Rows of the test subset.
        own_unit: Whether scores are in the unit of the MOS. Across datasets they are not, so that
            raw RMSE means nothing and is left out.
    """
    found = asdict(summarise(test, "test"))
    n = int(found.pop("n"))
    mapping = fit_mapping(test.score, test.mos)
    mapped = mapping(test.score)
    found["plcc_mapped"] = metrics.plcc(mapped, test.mos)
    found["rmse_mapped"] = metrics.rmse(mapped, test.mos)
    found["within_reference"] = metrics.within_reference_srcc(test.score, test.mos, test.reference)
    found["outlier_ratio"] = metrics.outlier_ratio(mapped, test.mos, test.mos_std)
    if not own_unit:
        found["rmse"] = math.nan
    return Measured(found, mapping, n)


def spread(values: list[float]) -> Spread:
    """Summarise one number over splits, over those where it is defined."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Spread(math.nan, math.nan, math.nan, 0, len(values))
    sd = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    return Spread(float(np.median(known)), float(np.mean(known)), sd, len(known), len(values))
