"""Train a DAN, then an MFEN around it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.losses import gathered, supervised_contrastive
from hmtnet.models.inputs import StageInputs
from hmtnet.models.mfen.dan import DAN, DANStageSettings, TypedPrediction
from hmtnet.models.mfen.network import MFEN, QualityStageSettings, distortion_types
from hmtnet.models.quality import Prediction
from hmtnet.models.score_loss import score_terms
from hmtnet.models.task import QualityTask


def type_loss(log_types: Tensor, keys: Tensor) -> Tensor:
    """Return the mean cross entropy (I, T) of images of known type.

    Args:
        log_types: (I, T) log-probabilities.
        keys: (I,) types 0 … T-1; -1 where an image's is unknown.

    Returns:
        A scalar; 0, with a gradient of zeros, if none is known.
    """
    total = F.nll_loss(log_types, keys, ignore_index=-1, reduction="sum")
    return total / (keys >= 0).sum().clamp_min(1)


class TypedTask(QualityTask):
    """A task that knows the distortion types of the training images.

    Those of other images are unknown, so only training has terms that concern types.

    Attributes:
        types: (records,) a whole number for each training image's type, -1 for all others.
    """

    types: Tensor

    def __init__(
        self,
        network: DAN | MFEN,
        settings: DANStageSettings | QualityStageSettings,
        inputs: StageInputs,
    ) -> None:
        super().__init__(network, settings, inputs)
        # Not kept in checkpoints: it is the dataset's.
        types = distortion_types(inputs.training_labels)
        self.register_buffer("types", types, persistent=False)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor | None:
        """Take one optimisation step; log how many types are recognised."""
        del batch_index
        prediction, loss = self._step(batch, "train")
        assert isinstance(prediction, TypedPrediction)
        if prediction.log_types is not None:
            keys = self.types[batch.rows]
            right = (prediction.log_types.argmax(1) == keys).sum()
            share = right / (keys >= 0).sum().clamp_min(1)
            self.log(
                "train/type_accuracy", share, on_step=False, on_epoch=True, batch_size=len(batch)
            )
        return loss


class DANTask(TypedTask):
    """Train a DAN: its features by contrast, its classifier on top of them."""

    fit_settings: DANStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Contrastive term and the classifier's cross entropy; none in validation."""
        if not self.training:
            return {}
        assert isinstance(prediction, TypedPrediction)
        assert prediction.embedding is not None and prediction.log_types is not None
        keys = self.types[batch.rows]
        # Images of unknown type are not of one type: each gets a key of its own.
        own = torch.where(keys < 0, -1 - batch.rows, keys)
        repeated, datasets = batch.repeated[crops.image], batch.datasets
        contrast = supervised_contrastive(
            gathered(prediction.embedding, repeated),
            gathered(own[crops.image], repeated),
            gathered(batch.rows[crops.image], repeated),
            temperature=self.fit_settings.loss.temperature,
            among=None if datasets is None else gathered(datasets[crops.image], repeated),
        )
        return {"contrast": contrast, "type": type_loss(prediction.log_types, keys)}


class MFENTask(TypedTask):
    """Train an MFEN: its score, and beside it the distortion type."""

    fit_settings: QualityStageSettings

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """Score terms and, in training and where there are types, the type's cross entropy."""
        del crops
        settings = self.fit_settings.loss
        terms = score_terms(
            prediction.unit_score,
            batch.unit_mos,
            settings.score,
            repeated=batch.repeated,
            datasets=batch.datasets,
        )
        assert isinstance(prediction, TypedPrediction)
        if self.training and prediction.log_types is not None:
            keys = self.types[batch.rows]
            terms["type"] = settings.types * type_loss(prediction.log_types, keys)
        return terms
