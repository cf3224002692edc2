"""Stage 2: train an SFEN, guided by a finished grading network or by none."""

import torch.nn.functional as F
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.losses import pairwise_ranking, plcc_loss
from hmtnet.models.quality import Opinion
from hmtnet.models.sfen.network import SFENSettings
from hmtnet.models.sfen.settings import ScoreLossSettings, SFENStageSettings
from hmtnet.models.task import QualityTask


def score_terms(score: Tensor, mos: Tensor, settings: ScoreLossSettings) -> dict[str, Tensor]:
    """Return the terms ``score`` and, unless it is off, ``relation`` for (I,) images."""
    if settings.score == "smooth_l1":
        # The MOS spans [0, 1]: the quadratic zone ends at a tenth of the scale, not at 1.
        distance = F.smooth_l1_loss(score, mos, beta=0.1)
    else:
        distance = {"l1": F.l1_loss, "mse": F.mse_loss}[settings.score](score, mos)
    terms = {"score": distance}
    if settings.relation == "ranking":
        terms["relation"] = settings.relation_weight * pairwise_ranking(score, mos)
    elif settings.relation == "plcc":
        terms["relation"] = settings.relation_weight * plcc_loss(score, mos)
    return terms


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
    """

    fit_settings: SFENStageSettings

    def judge(self, crops: Crops, batch: Batch) -> Opinion:
        """Score the images; hide the prior of some in training."""
        keep = kept_priors(batch, self.fit_settings.network, self.training)
        if keep is None:
            return super().judge(crops, batch)
        opinion: Opinion = self.network(crops, keep_prior=keep)
        return opinion

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and relation term."""
        del crops
        return score_terms(opinion.score, batch.mos, self.fit_settings.loss)
