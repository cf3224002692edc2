"""Train an AHIQ."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.ahiq.network import AHIQStageSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask


class AHIQTask(QualityTask):
    """Train the score of an image beside its reference."""

    fit_settings: AHIQStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and, if it is on, relation term."""
        del crops
        return score_terms(
            prediction.unit_score, batch.unit_mos, self.fit_settings.loss, repeated=batch.repeated
        )
