"""Fine-tune a PlainNet."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.plain.network import PlainStageSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask


class PlainTask(QualityTask):
    """Train the score, and nothing else."""

    fit_settings: PlainStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(
            prediction.unit_score, batch.unit_mos, self.fit_settings.loss, repeated=batch.repeated
        )
