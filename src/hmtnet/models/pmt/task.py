"""Train a PMTNet: from classes of quality to scores."""

import torch.nn.functional as F
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.pmt.network import PMTNet, PMTPrediction, PMTStageSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.task import QualityTask


def true_classes(unit_mos: Tensor, count: int) -> Tensor:
    """Return the classes 0 … K-1 of unit MOS: equal parts of [0, 1], the best score included.

    Rounding instead, as the authors do, would give the best scores a class beyond the last.
    """
    return (unit_mos * count).floor().long().clamp(0, count - 1)


def progress(epoch: int, epochs: int) -> float:
    """Return λ1 of an epoch counted from 0: 0 in the first of several, 1 in the last."""
    return min(1.0, epoch / (epochs - 1)) if epochs > 1 else 1.0


class PMTTask(QualityTask):
    """Train score and class by weights that change from epoch to epoch.

    They follow from the trainer's epoch alone, so that a resumed training goes on where it was.
    """

    network: PMTNet
    fit_settings: PMTStageSettings

    def weights(self) -> tuple[float, float]:
        """Return λ1 and λ2 of the current epoch.

        Raises:
            SettingsError: They are progressive, and the trainer does not know its last epoch.
        """
        settings = self.fit_settings.loss
        if settings.progressive == "off":
            return settings.score_weight, settings.class_weight
        epochs = self.trainer.max_epochs
        if epochs is None or epochs < 1:
            raise SettingsError(
                "Progressive weights need to know the last epoch: expected a trainer with "
                f"max_epochs, found max_epochs={epochs}. Give it, or set progressive=off."
            )
        score = progress(self.current_epoch, epochs)
        return score, 1 - score

    def on_train_epoch_start(self) -> None:
        """Log λ1."""
        self.log("score_weight", self.weights()[0])

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score term and class term, each the mean over an image's crops, then over images.

        In validation both have the weight 1, else its loss would not compare from epoch to epoch.
        """
        assert isinstance(prediction, PMTPrediction)
        assert prediction.crop_score is not None and prediction.logits is not None
        unit_mos = batch.unit_mos[crops.image]
        distance = (prediction.crop_score - unit_mos).abs() * self.fit_settings.loss.mos_range
        classes = true_classes(unit_mos, self.network.settings.classes)
        wrong = F.cross_entropy(prediction.logits, classes, reduction="none")
        score_weight, class_weight = self.weights() if self.training else (1.0, 1.0)
        return {
            "score": score_weight * crops.mean_by_image(distance).mean(),
            "class": class_weight * crops.mean_by_image(wrong).mean(),
        }
