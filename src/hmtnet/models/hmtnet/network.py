"""HMTNet: the grade first, then the score that it guides."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hmtnet.data.crops import Crops
from hmtnet.models.grading.network import GradingNet, GradingOpinion
from hmtnet.models.quality import Opinion, QualityNetwork
from hmtnet.models.sfen.network import SFEN, Prior


@dataclass
class HMTOpinion(Opinion):
    """A score with the grading that guided it.

    Attributes:
        grading: The grading network's opinion of the same crops.
    """

    grading: GradingOpinion | None = None


class HMTNet(QualityNetwork):
    """GradingNet and SFEN, coarse to fine.

    Args:
        grading: Gives the prior.
        sfen: Gives the score.
        grading_frozen: Stage 2 trains the SFEN on a finished grading network: no gradient reaches
            it and it stays in evaluation mode.
    """

    graded = True

    def __init__(self, grading: GradingNet, sfen: SFEN, grading_frozen: bool = False) -> None:
        super().__init__()
        self.grading = grading
        self.sfen = sfen
        self.grading_frozen = grading_frozen
        self.saliency_operator = sfen.saliency_operator
        if grading_frozen:
            grading.requires_grad_(False).eval()

    def forward(self, crops: Crops, keep_prior: Tensor | None = None) -> HMTOpinion:
        """Grade, then score.

        Args:
            crops: The crops of I images.
            keep_prior: (I,) bool: images whose prior guides the score; the others get the
                uninformed one (prior dropout in training). None keeps all.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.grading_frozen):
            grading = self.grading(crops)
        assert grading.log_grades is not None and grading.embedding is not None
        prior = Prior(grading.log_grades, grading.embedding)
        if keep_prior is not None:
            nothing = self.sfen.uninformed(crops.images, prior.log_grades)
            keep = keep_prior[:, None]
            prior = Prior(
                torch.where(keep, prior.log_grades, nothing.log_grades),
                torch.where(keep, prior.embedding, nothing.embedding),
            )
        opinion = self.sfen(crops, prior)
        return HMTOpinion(
            score=opinion.score,
            log_grades=grading.log_grades,
            maps={**grading.maps, **opinion.maps},
            grading=grading,
        )

    def own_state(self) -> dict[str, Tensor]:
        """Leave a frozen grading network to its own artifact."""
        state = super().own_state()
        if self.grading_frozen:
            return {k: v for k, v in state.items() if not k.startswith("grading.")}
        return state

    def train(self, mode: bool = True) -> "HMTNet":
        """Switch the mode; a frozen grading network stays in evaluation mode."""
        super().train(mode)
        if self.grading_frozen:
            self.grading.eval()
        return self
