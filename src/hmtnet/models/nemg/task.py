"""Train a NEMGNet on scores and on the errors that references show."""

import torch.nn.functional as F
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.losses import ssim_loss
from hmtnet.models.nemg.network import NEMGNet, NEMGStageSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.task import QualityTask


class NEMGTask(QualityTask):
    """Train score, coarse error map and fine error map at once."""

    network: NEMGNet
    fit_settings: NEMGStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term, and of crops with their reference the two error terms."""
        settings = self.fit_settings.loss
        terms = {"score": settings.score * F.smooth_l1_loss(prediction.unit_score, batch.unit_mos)}
        if crops.reference is not None:
            true = self.network.true_error(crops)
            found = prediction.maps
            terms["error_mse"] = settings.mse * F.mse_loss(found["error_mse"], true)
            terms["error_ssim"] = settings.ssim * ssim_loss(
                found["error_ssim"], true, settings.window, settings.sigma
            )
        return terms
