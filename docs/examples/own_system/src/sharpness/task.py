"""Train a SharpnessNet. Imported late: scoring needs no Lightning."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.quality import Prediction
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask
from sharpness.settings import SharpnessStageSettings


class SharpnessTask(QualityTask):
    """Train the score by the loss that all systems share."""

    fit_settings: SharpnessStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(prediction.unit_score, batch.unit_mos, self.fit_settings.loss)
