"""Train a CNNIQANet."""

import torch
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.cnniqa.network import CNNIQANet, CNNIQAPrediction, CNNIQAStageSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.task import QualityTask


def kept_units(dropout_draw: Tensor, shape: tuple[int, int], dropout: float) -> Tensor:
    """Draw the units that dropout keeps: a bool tensor of ``shape``, each with 1 - ``dropout``.

    Args:
        dropout_draw: (I,) float32 in [0, 1) of a batch's images. The first one is the seed, so that
            the units are a function of (seed, epoch, image) and resuming repeats them.
        shape: Patches and units.
        dropout: Share that is left out.
    """
    generator = torch.Generator(dropout_draw.device)
    generator.manual_seed(int(dropout_draw[:1].view(torch.int32).item()))
    return torch.rand(shape, generator=generator, device=dropout_draw.device) >= dropout


class CNNIQATask(QualityTask):
    """Train the score of patches, or of images."""

    network: CNNIQANet
    fit_settings: CNNIQAStageSettings

    def judge(self, crops: Crops, batch: Batch) -> Prediction:
        """Score the images; training leaves out units of the second hidden layer."""
        settings = self.network.settings
        if not self.training or settings.dropout == 0:
            return super().judge(crops, batch)
        patches = len(crops.pixels) * (crops.pixels.shape[-1] // settings.patch) ** 2
        keep = kept_units(batch.dropout_draw, (patches, settings.hidden), settings.dropout)
        prediction: Prediction = self.network(crops, keep)
        return prediction

    def losses(self, prediction: Prediction, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """The mean over an image's patches or of the image itself, then over images."""
        assert isinstance(prediction, CNNIQAPrediction) and prediction.patch_score is not None
        if self.fit_settings.loss.of == "images":
            return {"score": (prediction.unit_score - batch.unit_mos).abs().mean()}
        unit_mos = batch.unit_mos[crops.image]
        distance = (prediction.patch_score - unit_mos[:, None, None]).abs().mean((1, 2))
        return {"score": crops.mean_by_image(distance).mean()}
