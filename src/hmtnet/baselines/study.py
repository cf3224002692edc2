"""How well predictors that are no system do, over all splits of a protocol."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from hmtnet import metrics
from hmtnet.baselines.labels import Source, pixel_free
from hmtnet.baselines.sharpness import sharpness
from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.protocols import make
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError
from hmtnet.terminal import progress


@dataclass(frozen=True)
class Outcome:
    """One baseline on the test images of one split.

    Attributes:
        baseline: Its name, such as ``label-only``.
        split: The split's id.
        seed: The split's seed.
        index: The split's index, for protocols that count by it.
        n: Number of test images.
        srcc: Spearman's rank correlation; NaN where it is undefined.
        plcc: Pearson's linear correlation, without a fitted mapping.
        krcc: Kendall's τ-b.
        rmse: Root mean squared error in the dataset's unit, without a fitted mapping.
        used: How many test images each training mean has predicted.
    """

    baseline: str
    split: str
    seed: int
    index: int
    n: int
    srcc: float
    plcc: float
    krcc: float
    rmse: float
    used: dict[Source, int]


@dataclass(frozen=True)
class Study:
    """Outcomes of all baselines over all splits.

    Attributes:
        outcomes: One per baseline and split.
        reasons: Why a baseline does not apply to the dataset, by its name.
        leaky: Whether a split tests content that it trains on.
    """

    outcomes: tuple[Outcome, ...]
    reasons: dict[str, str]
    leaky: bool


def study(
    labels: Labels, splits: Iterable[SplitSettings], variance: FloatArray | None = None
) -> Study:
    """Predict the test images of every split by training labels, and by sharpness if it is known.

    Args:
        labels: The dataset; its images need not be there.
        splits: As ``data.series.series`` yields them.
        variance: (N,) of each image's Laplacian; None where no image is there.

    Raises:
        DataError: The dataset cannot be split so, or a split tests nothing.
    """
    outcomes: list[Outcome] = []
    reasons: dict[str, str] = {}
    leaky = False
    chosen = list(splits)
    count = len(chosen)
    for settings in progress(
        chosen, total=count, title="comparing", unit="split", hidden=count <= 200
    ):
        split = make(labels, settings)
        if not split.test:
            raise DataError(
                f"split={settings.protocol} tests nothing, so there is nothing to compare. Use "
                "another protocol."
            )
        leaky |= split.leaky
        rows = np.array(split.test, dtype=np.int64)
        truth = labels.mos[rows]
        baselines = pixel_free(labels, split.train, split.test)
        if variance is not None:
            baselines.append(sharpness(labels, split.train, variance))
        for baseline in baselines:
            if baseline.scores is None:
                reasons[baseline.name] = baseline.reason
                continue
            scores = baseline.scores[rows]
            outcomes.append(
                Outcome(
                    baseline.name,
                    split.id,
                    settings.seed,
                    settings.index,
                    len(rows),
                    metrics.srcc(scores, truth),
                    metrics.plcc(scores, truth),
                    metrics.krcc(scores, truth),
                    metrics.rmse(scores, truth),
                    baseline.used(rows),
                )
            )
    return Study(tuple(outcomes), reasons, leaky)
