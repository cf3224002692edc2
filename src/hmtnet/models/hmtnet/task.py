"""The training of the three stages: grading, SFEN, joint."""

import torch
from torch import Tensor, nn

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.losses import gathered, grade_loss, supervised_contrastive
from hmtnet.models.hmtnet.grading import GradingNet, GradingPrediction
from hmtnet.models.hmtnet.network import HMTNet, HMTPrediction
from hmtnet.models.hmtnet.settings import (
    GradingLossSettings,
    GradingStageSettings,
    JointStageSettings,
    SFENStageSettings,
)
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask, ScoreTask


class GradeTerms(nn.Module):
    """The grade and contrastive terms, shared by stage 1 and stage 3.

    Args:
        settings: Weights and kinds.
        inputs: The training labels, for ``contrast_key="method"``.
    """

    methods: Tensor | None

    def __init__(self, settings: GradingLossSettings, inputs: StageInputs) -> None:
        super().__init__()
        self.settings = settings
        by_method = settings.contrast > 0 and settings.contrast_key == "method"
        methods = inputs.training_labels.keys("method") if by_method else None
        # On the device with the task, so that no step waits for a copy; in no checkpoint.
        self.register_buffer("methods", methods, persistent=False)

    def forward(
        self, prediction: GradingPrediction, batch: Batch, crops: Crops
    ) -> dict[str, Tensor]:
        """Return the terms ``grade`` and, if its weight is positive, ``contrast``.

        Only the methods of training images are known, so in validation a contrast by method is 0.
        """
        settings = self.settings
        assert prediction.log_grades is not None and prediction.prior is not None
        grade = grade_loss(
            prediction.log_grades, batch.grades, settings.grade, sigma=settings.sigma
        )
        terms = {"grade": grade}
        if settings.contrast > 0 and settings.contrast_key != "none":
            keys = batch.grades if settings.contrast_key == "grade" else self._methods(batch.rows)
            weighted = settings.contrast_sigma is not None
            repeated, datasets = batch.repeated[crops.image], batch.datasets
            terms["contrast"] = settings.contrast * supervised_contrastive(
                gathered(prediction.prior.embedding, repeated),
                gathered(keys[crops.image], repeated),
                gathered(batch.rows[crops.image], repeated),
                temperature=settings.temperature,
                scores=gathered(batch.unit_mos[crops.image], repeated) if weighted else None,
                sigma=settings.contrast_sigma,
                among=None if datasets is None else gathered(datasets[crops.image], repeated),
            )
        return terms

    def _methods(self, rows: Tensor) -> Tensor:
        assert self.methods is not None
        keys = self.methods[rows]
        # Images of unknown method are not of one method: each gets a key of its own.
        return torch.where(keys < 0, -1 - rows, keys)


class GradingTask(QualityTask):
    """Train a GradingNet on grades and contrast."""

    network: GradingNet

    def __init__(
        self, network: GradingNet, settings: GradingStageSettings, inputs: StageInputs
    ) -> None:
        super().__init__(network, settings, inputs)
        self.terms = GradeTerms(settings.loss, inputs)

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Grade term and contrastive term."""
        assert isinstance(prediction, GradingPrediction)
        terms: dict[str, Tensor] = self.terms(prediction, batch, crops)
        return terms


def kept_priors(batch: Batch, settings: SFENSettings, training: bool) -> Tensor | None:
    """Draw the images whose prior guides the score, (I,) bool; None keeps all.

    Only training hides priors. Each image's ``dropout_draw`` decides, so that resuming repeats it.
    """
    if not training or settings.prior == "none" or settings.prior_dropout == 0:
        return None
    return batch.dropout_draw >= settings.prior_dropout


class SFENTask(ScoreTask):
    """Train the score; the prior is hidden for some images (``prior_dropout``).

    The network is an HMTNet with a frozen grading network, or a bare SFEN.

    Attributes:
        out_of_fold: (records, K) log-probabilities of the training images' grades that guide the
            score in training, instead of what the frozen network says; None leaves it that.

    Raises:
        SettingsError: Priors out of fold are wanted, and none are there.
    """

    fit_settings: SFENStageSettings
    out_of_fold: Tensor | None

    def __init__(
        self, network: QualityNetwork, settings: SFENStageSettings, inputs: StageInputs
    ) -> None:
        super().__init__(network, settings, inputs)
        priors = inputs.out_of_fold.get("grading")
        if settings.folds and priors is None:
            raise SettingsError(
                "prior_source=out_of_fold needs the priors of grading networks that have not seen "
                "the images they judge (StageInputs.out_of_fold); hmtnet train makes them."
            )
        # Not kept in checkpoints: it is made of finished stages.
        self.register_buffer("out_of_fold", priors, persistent=False)

    def judge(self, crops: Crops, batch: Batch) -> Prediction:
        """Score the images; hide the prior of some in training."""
        if self.training and self.out_of_fold is not None:
            crops.prior = self.out_of_fold[batch.rows]
        keep = kept_priors(batch, self.fit_settings.network, self.training)
        if keep is None:
            return super().judge(crops, batch)
        prediction: Prediction = self.network(crops, keep_prior=keep)
        return prediction


class JointTask(QualityTask):
    """Train grading and score at once, on the same crops."""

    network: HMTNet
    fit_settings: JointStageSettings

    def __init__(self, network: HMTNet, settings: JointStageSettings, inputs: StageInputs) -> None:
        super().__init__(network, settings, inputs)
        self.terms = GradeTerms(settings.loss.grading, inputs)

    def judge(self, crops: Crops, batch: Batch) -> Prediction:
        """Grade and score; hide the prior of some images in training, as in stage 2."""
        keep = kept_priors(batch, self.fit_settings.network.sfen, self.training)
        prediction: Prediction = self.network(crops, keep_prior=keep)
        return prediction

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """All terms of both stages."""
        assert isinstance(prediction, HMTPrediction) and prediction.grading is not None
        settings = self.fit_settings.loss
        grading = self.terms(prediction.grading, batch, crops)
        grading["grade"] = settings.alpha * grading["grade"]
        score = score_terms(
            prediction.unit_score,
            batch.unit_mos,
            settings.score,
            repeated=batch.repeated,
            datasets=batch.datasets,
        )
        return {**score, **grading}
