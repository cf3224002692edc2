"""Stage 2: train an SFEN, guided by a finished grading network or by none."""

from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.models.quality import Opinion, QualityNetwork
from hmtnet.models.score_loss import score_terms
from hmtnet.models.sfen.network import SFENSettings
from hmtnet.models.sfen.settings import SFENStageSettings
from hmtnet.models.task import QualityTask


def kept_priors(batch: Batch, settings: SFENSettings, training: bool) -> Tensor | None:
    """Draw the images whose prior guides the score, (I,) bool; None keeps all.

    Only training hides priors. The draw is each image's ``luck``, so that resuming repeats it.
    """
    if not training or settings.prior == "none" or settings.prior_dropout == 0:
        return None
    return batch.luck >= settings.prior_dropout


class SFENTask(QualityTask):
    """Train the score; the prior is hidden for some images (``prior_dropout``).

    The network is an HMTNet with a frozen grading network, or a bare SFEN.

    Args:
        network: The network.
        fit_settings: Its stage's settings.
        grades: The grades.
        out_of_fold: (records, K) log-probabilities of the training images' grades that guide the
            score in training, instead of what the frozen network says; None leaves it that.
    """

    fit_settings: SFENStageSettings
    out_of_fold: Tensor | None

    def __init__(
        self,
        network: QualityNetwork,
        fit_settings: SFENStageSettings,
        grades: Grades,
        out_of_fold: Tensor | None = None,
    ) -> None:
        super().__init__(network, fit_settings, grades)
        # Not kept in checkpoints: it is made of finished stages.
        self.register_buffer("out_of_fold", out_of_fold, persistent=False)

    def judge(self, crops: Crops, batch: Batch) -> Opinion:
        """Score the images; hide the prior of some in training."""
        if self.training and self.out_of_fold is not None:
            crops.prior = self.out_of_fold[batch.rows]
        keep = kept_priors(batch, self.fit_settings.network, self.training)
        if keep is None:
            return super().judge(crops, batch)
        opinion: Opinion = self.network(crops, keep_prior=keep)
        return opinion

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(opinion.score, batch.mos, self.fit_settings.loss)
