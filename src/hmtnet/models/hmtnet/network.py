"""HMTNet: the grade first, then the score that it guides."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.export import register_dataclass

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.hmtnet.grading import GradingNet, GradingPrediction
from hmtnet.models.hmtnet.sfen import SFEN, Prior
from hmtnet.models.quality import Means, Prediction, QualityNetwork, RunPass


@dataclass
class HMTPrediction(Prediction):
    """A score with the grading that guided it.

    Attributes:
        grading: The grading network's prediction of the same crops.
    """

    grading: GradingPrediction | None = None


register_dataclass(HMTPrediction)


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
        self.shows = {**sfen.shows, **grading.shows}
        self.reads_labels = sfen.settings.prior_source == "oracle"
        self.mixes_images = sfen.settings.prior_source == "shuffled"
        if grading_frozen:
            grading.requires_grad_(False).eval()

    def forward(self, crops: Crops, keep_prior: Tensor | None = None) -> HMTPrediction:
        """Grade, then score.

        Args:
            crops: The crops of I images. Their ``prior``, if they carry one, takes the place of
                what the grading network says, but only in guiding the score.
            keep_prior: (I,) bool: images whose prior guides the score; the others get the
                uninformed one (prior dropout in training). None keeps all.

        Raises:
            SettingsError: The prior is the true grade (``prior_source: oracle``), and the crops do
                not carry it.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.grading_frozen):
            grading = self.grading(crops)
        prior = self.prior(grading, crops.prior)
        if keep_prior is not None:
            nothing = self.sfen.uninformed(crops.images, prior.log_grades)
            keep = keep_prior[:, None]
            prior = Prior(
                torch.where(keep, prior.log_grades, nothing.log_grades),
                torch.where(keep, prior.embedding, nothing.embedding),
            )
        prediction = self.sfen(crops, prior)
        return HMTPrediction(
            unit_score=prediction.unit_score,
            log_grades=grading.log_grades,
            maps={**grading.maps, **prediction.maps},
            grading=grading,
        )

    def in_passes(self, run_pass: RunPass) -> Means:
        """Grade all crops, then score them, guided by the prior of the image as a whole."""
        graded = run_pass(self.grading)
        device = self.grading.midpoints.device
        grading = GradingPrediction(
            unit_score=graded["unit_score"].float()[None].to(device),
            log_grades=graded["probabilities"].log().float()[None].to(device),
            embedding=graded["embedding"].float()[None].to(device),
        )
        prior = self.prior(grading)

        def score(crops: Crops) -> Prediction:
            prediction: Prediction = self.sfen(crops, prior.repeated(crops.images))
            return prediction

        return {**run_pass(score), "probabilities": graded["probabilities"]}

    def prior(self, grading: GradingPrediction, given: Tensor | None = None) -> Prior:
        """Return the prior that ``prior_source`` means.

        Args:
            grading: What the grading network makes of I images: (I, K) and (I, D).
            given: (I, K) what stands in for its log-probabilities (``Crops.prior``), or None.

        Raises:
            SettingsError: The prior is the true grade, and it is not given.
        """
        assert grading.log_grades is not None and grading.embedding is not None
        source = self.sfen.settings.prior_source
        if source == "shuffled" and len(grading.log_grades) == 1:
            return self.sfen.uninformed(1, grading.log_grades)  # there is no other image
        if source == "shuffled":
            # Batches are random samples (mixes_images), so the neighbour is a random image.
            return Prior(grading.log_grades.roll(1, 0), grading.embedding.roll(1, 0))
        if source == "oracle" and given is None:
            raise SettingsError(
                "This network was trained with prior_source=oracle: it reads the true grade of "
                "each image, so it cannot judge images without labels. Take one that was trained "
                "with prior_source=frozen."
            )
        log_grades = grading.log_grades if given is None else given
        if source == "frozen":
            return Prior(log_grades, grading.embedding)
        return Prior(log_grades, torch.zeros_like(grading.embedding))

    def parts(self) -> dict[str, QualityNetwork]:
        """Return the networks that are its own: a frozen grading network is another stage's."""
        grading = {} if self.grading_frozen else self.grading.parts()
        return {**grading, **self.sfen.parts()}

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
