"""The loss of a score: the same for every system that regresses one, so that they compare."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from hmtnet.losses import gathered, pairwise_ranking, plcc_loss


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


def score_terms(
    unit_score: Tensor, unit_mos: Tensor, settings: ScoreLossSettings
) -> dict[str, Tensor]:
    """Return the terms ``score`` and, unless it is off, ``relation`` for (I,) images.

    Over several processes, the relation is that of all their images.
    """
    if settings.score == "smooth_l1":
        # The MOS spans [0, 1]: the quadratic zone ends at a tenth of the scale, not at 1.
        distance = F.smooth_l1_loss(unit_score, unit_mos, beta=0.1)
    else:
        distance = {"l1": F.l1_loss, "mse": F.mse_loss}[settings.score](unit_score, unit_mos)
    terms = {"score": distance}
    if settings.relation != "none":
        relation = {"ranking": pairwise_ranking, "plcc": plcc_loss}[settings.relation]
        terms["relation"] = settings.relation_weight * relation(
            gathered(unit_score), gathered(unit_mos)
        )
    return terms
