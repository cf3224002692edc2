"""Stage 3: train both networks together."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.grading.task import GradeTerms
from hmtnet.models.hmtnet.network import HMTNet, HMTOpinion
from hmtnet.models.hmtnet.settings import JointStageSettings
from hmtnet.models.quality import Opinion
from hmtnet.models.score_loss import score_terms
from hmtnet.models.sfen.task import kept_priors
from hmtnet.models.task import QualityTask


class JointTask(QualityTask):
    """Train grading and score at once, on the same crops."""

    network: HMTNet
    fit_settings: JointStageSettings

    def __init__(self, network: HMTNet, settings: JointStageSettings, terms: GradeTerms) -> None:
        super().__init__(network, settings, terms.grades)
        self.terms = terms

    def judge(self, crops: Crops, batch: Batch) -> Opinion:
        """Grade and score; hide the prior of some images in training, as in stage 2."""
        keep = kept_priors(batch, self.fit_settings.network.sfen, self.training)
        opinion: Opinion = self.network(crops, keep_prior=keep)
        return opinion

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """All terms of both stages."""
        assert isinstance(opinion, HMTOpinion) and opinion.grading is not None
        settings = self.fit_settings.loss
        grading = self.terms(opinion.grading, batch, crops)
        grading["grade"] = settings.alpha * grading["grade"]
        return {**score_terms(opinion.score, batch.mos, settings.score), **grading}
