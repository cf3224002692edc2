"""Train a SharpnessNet. Imported late: scoring needs no Lightning."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.quality import Opinion
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask
from sharpness.settings import SharpnessStageSettings


class SharpnessTask(QualityTask):
    """Train the score by the loss that all systems share."""

    fit_settings: SharpnessStageSettings

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(opinion.score, batch.mos, self.fit_settings.loss)
