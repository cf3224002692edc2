"""The loss of a score: the same for every system that regresses one, so that they compare."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from hmtnet.losses import gathered, pairwise_ranking, plcc_loss
from hmtnet.models.optimisation import FitSettings


@dataclass(frozen=True, kw_only=True)
class ScoreLossSettings:
    """The loss of a score.

    Attributes:
        score: Distance to the MOS in [0, 1].
        relation: What compares the images of a batch: a pairwise ranking hinge, (1 - PLCC) / 2,
            or none.
        relation_weight: Its weight.
    """

    score: Literal["l1", "smooth_l1", "mse"] = "l1"
    relation: Literal["ranking", "plcc", "none"] = "ranking"
    relation_weight: float = 0.5

    def __post_init__(self) -> None:
        if self.relation_weight < 0:
            raise ValueError(f"relation_weight: expected at least 0, found {self.relation_weight}")

    def idle(self) -> set[str]:
        """Name what has no effect: a weight of nothing, and what is weighted by 0."""
        if self.relation == "none":
            return {"relation_weight"}
        return {"relation"} if self.relation_weight == 0 else set()


@dataclass(frozen=True, kw_only=True)
class ScoreFitSettings(FitSettings):
    """Settings of a stage that learns a score, as a ``ScoreTask`` does."""

    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)


def score_terms(
    unit_score: Tensor,
    unit_mos: Tensor,
    settings: ScoreLossSettings,
    weight: Tensor | None = None,
    repeated: Tensor | None = None,
    datasets: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return the terms ``score`` and, unless it is off, ``relation``.

    Over several processes, the relation is that of all their images; of several datasets, the mean
    of their own, each weighted by its images: images of two datasets are not compared.

    Args:
        unit_score: (I,).
        unit_mos: (I,) in [0, 1].
        settings: Which terms.
        weight: (I,) at least 0: what each image's distance is multiplied by before the mean over
            the batch, so weights of mean 1 keep its size. The relation has no weights.
        repeated: (I,) bool, ``Batch.repeated``: what several processes leave out of the relation.
        datasets: (I,) whole numbers, ``Batch.datasets``; None where there is one dataset.
    """
    reduction = "mean" if weight is None else "none"
    if settings.score == "smooth_l1":
        # The MOS spans [0, 1]: the quadratic zone ends at a tenth of the scale, not at 1.
        distance = F.smooth_l1_loss(unit_score, unit_mos, reduction=reduction, beta=0.1)
    else:
        loss = {"l1": F.l1_loss, "mse": F.mse_loss}[settings.score]
        distance = loss(unit_score, unit_mos, reduction=reduction)
    terms = {"score": distance if weight is None else (weight * distance).mean()}
    if settings.relation != "none":
        again = torch.zeros_like(unit_mos, dtype=torch.bool) if repeated is None else repeated
        relation = {"ranking": pairwise_ranking, "plcc": plcc_loss}[settings.relation]
        score, mos = gathered(unit_score, again), gathered(unit_mos, again)
        if datasets is None:
            found = relation(score, mos)
        else:
            found = _within(relation, score, mos, gathered(datasets, again))
        terms["relation"] = settings.relation_weight * found
    return terms


def _within(
    relation: Callable[[Tensor, Tensor], Tensor], score: Tensor, mos: Tensor, datasets: Tensor
) -> Tensor:
    """Return the mean relation of datasets; an image that is alone in the batch counts nothing."""
    total, images = 0 * score.sum(), 0
    for dataset in sorted(set(datasets.tolist())):
        rows = datasets == dataset
        count = int(rows.sum())
        if count > 1:
            total = total + count * relation(score[rows], mos[rows])
            images += count
    return total / max(images, 1)
