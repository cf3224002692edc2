"""DAN: which distortion a crop shows, learnt by contrast."""

import math
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import register_dataclass

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.mfen.van import check_van, extractor
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork


@dataclass(frozen=True, kw_only=True)
class DANSettings:
    """Settings of a DAN.

    Attributes:
        backbone: The feature extractor.
        embedding: Dimensions of the contrastive embedding.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    embedding: int = 128

    def __post_init__(self) -> None:
        check_van(self.backbone)
        if self.embedding < 2:
            raise ValueError(f"embedding: expected at least 2, found {self.embedding}")


@dataclass(frozen=True, kw_only=True)
class DANLossSettings:
    """The loss of the distortion stage.

    Attributes:
        temperature: Of the contrastive softmax.
    """

    temperature: float = 0.1

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature: expected above 0, found {self.temperature}")


@dataclass(frozen=True, kw_only=True)
class DANStageSettings(FitSettings):
    """Everything about the distortion stage."""

    network: DANSettings = field(default_factory=DANSettings)
    loss: DANLossSettings = field(default_factory=DANLossSettings)


@dataclass
class TypedPrediction(Prediction):
    """A prediction that also says which distortion type an image is of.

    Attributes:
        log_types: (I, T) logarithm of the types' probabilities, which are the mean over an image's
            crops; None where no types are known.
        embedding: (N, D) unit vectors, of a DAN only; crops of one type lie together.
    """

    log_types: Tensor | None = None
    embedding: Tensor | None = None


register_dataclass(TypedPrediction)


class DAN(QualityNetwork):
    """A backbone whose crops of one distortion type lie together.

    Its classifier of the types reads the embedding, and no gradient goes back from it: the features
    learn by contrast alone. Its score is what a network that only recognises the distortion can say
    of quality, Σ_t p(t) · (mean training MOS of type t). Both are ours.

    Args:
        settings: Architecture.
        type_mos: (T,) mean unit MOS of each distortion type over the training images.

    Raises:
        SettingsError: There are fewer than two types.
    """

    by_crop = True
    from_labels = ("type_mos",)
    type_mos: Tensor

    def __init__(self, settings: DANSettings, type_mos: Tensor) -> None:
        super().__init__()
        if len(type_mos) < 2:
            raise SettingsError(
                "Expected at least two distortion types (SR method and scale) among the training "
                f"images, to tell them apart; found {len(type_mos)}. Take a DAN from another "
                "dataset (upstream.dan=<run directory> stages=[quality]), or go without "
                "(system.quality.network.dan=false stages=[quality])."
            )
        self.settings = settings
        self.backbone = extractor(settings.backbone)
        features = self.backbone.channels[-1]
        self.project = nn.Sequential(
            nn.Linear(features, features),
            nn.ReLU(inplace=True),
            nn.Linear(features, settings.embedding),
        )
        self.types = nn.Linear(settings.embedding, len(type_mos))
        self.register_buffer("type_mos", type_mos.float())

    def levels(self, pixels: Tensor) -> list[Tensor]:
        """Return the backbone's levels of crops (N, 3, P, P) of RGB in [0, 1]."""
        levels: list[Tensor] = self.backbone(self.backbone.normalise(pixels))
        return levels

    def forward(self, crops: Crops) -> TypedPrediction:
        """Recognise the distortion, and score by it."""
        pooled = self.levels(crops.pixels)[-1].mean((2, 3))
        embedding = F.normalize(self.project(pooled).float(), dim=1)
        # A linear layer expects entries of variance 1, and those of a unit vector have 1/D.
        logits = self.types(embedding.detach() * math.sqrt(embedding.shape[1]))
        probabilities = crops.mean_by_image(logits.float().softmax(1))
        return TypedPrediction(
            # Not a matrix product, which autocast would round to half precision.
            unit_score=(probabilities * self.type_mos).sum(1),
            log_types=probabilities.clamp_min(1e-8).log(),
            embedding=embedding,
        )
