"""Fine-tune a PlainNet."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.plain.settings import PlainStageSettings
from hmtnet.models.quality import Opinion
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask


class PlainTask(QualityTask):
    """Train the score, and nothing else."""

    fit_settings: PlainStageSettings

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(opinion.score, batch.mos, self.fit_settings.loss)
