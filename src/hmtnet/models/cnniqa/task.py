"""Train a CNNIQANet."""

import torch
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.models.cnniqa.network import CNNIQANet, CNNIQAOpinion
from hmtnet.models.cnniqa.settings import CNNIQAStageSettings
from hmtnet.models.quality import Opinion
from hmtnet.models.task import QualityTask


def kept_units(luck: Tensor, shape: tuple[int, int], dropout: float) -> Tensor:
    """Draw the units that dropout keeps: a bool tensor of ``shape``, each with 1 - ``dropout``.

    Args:
        luck: (I,) float32 in [0, 1) of a batch's images. The first one's names the draw, so that
            it is a function of (seed, epoch, image) and resuming repeats it.
        shape: Patches and units.
        dropout: Share that is left out.
    """
    generator = torch.Generator(luck.device)
    generator.manual_seed(int(luck[:1].view(torch.int32).item()))
    return torch.rand(shape, generator=generator, device=luck.device) >= dropout


class CNNIQATask(QualityTask):
    """Train the score of patches, or of images."""

    network: CNNIQANet
    fit_settings: CNNIQAStageSettings

    def judge(self, crops: Crops, batch: Batch) -> Opinion:
        """Score the images; training leaves out units of the second hidden layer."""
        settings = self.network.settings
        if not self.training or settings.dropout == 0:
            return super().judge(crops, batch)
        patches = len(crops.pixels) * (crops.pixels.shape[-1] // settings.patch) ** 2
        keep = kept_units(batch.luck, (patches, settings.hidden), settings.dropout)
        opinion: Opinion = self.network(crops, keep)
        return opinion

    def losses(self, opinion: Opinion, batch: Batch, crops: Crops) -> dict[str, Tensor]:
        """The mean over an image's patches or of the image itself, then over images."""
        assert isinstance(opinion, CNNIQAOpinion) and opinion.patch_score is not None
        if self.fit_settings.loss.of == "images":
            return {"score": (opinion.score - batch.mos).abs().mean()}
        mos = batch.mos[crops.image]
        distance = (opinion.patch_score - mos[:, None, None]).abs().mean((1, 2))
        return {"score": crops.mean_by_image(distance).mean()}
