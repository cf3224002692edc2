"""Train a SharpnessNet. Imported late: scoring needs no Lightning."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import Prediction
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask
from sharpness.network import SharpnessNet, SharpnessStageSettings

TYPICAL_STD = 0.1  # of unit scores: a label this uncertain counts half of a certain one


class SharpnessTask(QualityTask):
    """Train the score by the loss that all systems share."""

    fit_settings: SharpnessStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(
            prediction.unit_score,
            batch.unit_mos,
            self.fit_settings.loss,
            repeated=batch.repeated,
            datasets=batch.datasets,
        )


class WeightedTask(SharpnessTask):
    """The same, but images on whose score people disagree count less.

    Attributes:
        weight: (records,) with mean 1 over the training images whose deviation is known; 1 for
            those where it is not, and for validation images, whose labels no stage is given.
    """

    weight: Tensor

    def __init__(
        self, network: SharpnessNet, settings: SharpnessStageSettings, inputs: StageInputs
    ) -> None:
        super().__init__(network, settings, inputs)
        weight = certainty(inputs.training_labels.column("mos_std"))
        # A buffer moves to the device with the task. In no checkpoint: it is the dataset's.
        self.register_buffer("weight", weight, persistent=False)

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Weighted score term, and relation term."""
        del crops
        score, mos, settings = prediction.unit_score, batch.unit_mos, self.fit_settings.loss
        return score_terms(
            score,
            mos,
            settings,
            weight=self.weight[batch.rows],
            repeated=batch.repeated,
            datasets=batch.datasets,
        )


def certainty(mos_std: Tensor) -> Tensor:
    """Return a weight per label, 1 / (s² + typical s²) over its mean.

    Args:
        mos_std: (N,) deviations of unit scores; NaN where unknown.

    Returns:
        (N,), above 0; 1 where unknown.
    """
    weight = 1 / (mos_std.square() + TYPICAL_STD**2)
    return (weight / weight.nanmean()).nan_to_num(1.0)
