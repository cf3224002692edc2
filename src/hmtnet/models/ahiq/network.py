"""AHIQ: attention and convolution together, on an image and its reference.

Lao et al., "Attentions Help CNNs See Better: Attention-based Hybrid Image Quality Assessment
Network", CVPRW 2022.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import torch
from torch import Tensor

from hmtnet.data.crops import Crops
from hmtnet.errors import DataError
from hmtnet.models.ahiq.convolution import EarlyMaps
from hmtnet.models.ahiq.fusion import DeformableFusion, Fusion
from hmtnet.models.ahiq.head import ComparingHead
from hmtnet.models.ahiq.transformer import Transformer, TransformerSettings, check_size
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.maps import LOCAL_SCORE, MapStyle
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.score_loss import ScoreFitSettings, ScoreLossSettings
from hmtnet.models.system import Stage, System


@dataclass(frozen=True, kw_only=True)
class AHIQSettings:
    """Settings of an AHIQ.

    Attributes:
        transformer: Sees the image at large.
        backbone: The CNN; sees it in detail.
        frozen: Whether transformer and CNN stay as they are, in evaluation mode; ``"auto"`` freezes
            each of them exactly if it was loaded with trained weights: random ones must learn.
        normalisation: How RGB in [0, 1] enters. ``"half"``: (x - 0.5) / 0.5 for both, as published;
            ``"weights"``: as each of the two expects it, a backbone by its ``view``.
        fusion: How the CNN's maps are brought to the transformer's size.
        fusion_width: Channels inside the fusion.
        embedding: Channels in which the two images are compared.
        head: Channels of the three convolutions that compare.
    """

    transformer: TransformerSettings = field(default_factory=TransformerSettings)
    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    frozen: bool | Literal["auto"] = "auto"
    normalisation: Literal["half", "weights"] = "half"
    fusion: Fusion = "deformable"
    fusion_width: int = 512
    embedding: int = 256
    head: tuple[int, int, int] = (1024, 512, 256)

    def __post_init__(self) -> None:
        for name in ("fusion_width", "embedding"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if min(self.head) < 1:
            raise ValueError(f"head: expected three positive widths, found {self.head}")

    def freezes(self, loaded: bool) -> bool:
        """Return whether a feature extractor stays as it is."""
        return loaded if self.frozen == "auto" else self.frozen


def published_loss() -> ScoreLossSettings:
    """Return the loss of the paper: the mean squared error alone."""
    return ScoreLossSettings(score="mse", relation="none")


@dataclass(frozen=True, kw_only=True)
class AHIQStageSettings(ScoreFitSettings):
    """Everything about the AHIQ stage."""

    network: AHIQSettings = field(default_factory=AHIQSettings)
    loss: ScoreLossSettings = field(default_factory=published_loss)


class AHIQ(QualityNetwork):
    """Two feature extractors → deformable fusion → a head that compares.

    Everything sees the distorted crops and their references as one batch of 2N, so that both images
    pass the same weights, and batch norms that learn see both.

    Attributes:
        patch: Side of the transformer's patches; the crops' side must be a multiple.

    Args:
        settings: Architecture.

    Raises:
        SettingsError: Transformer or CNN do not serve.
        WeightsError: Their weights are not there, or do not fit.
    """

    needs_reference = True
    by_crop = True
    shows: Mapping[str, MapStyle] = {
        "local_score": LOCAL_SCORE,
        "local_weight": MapStyle(
            kind="local",
            title="local weight",
            hint="how much a place counts for the score",
            shades="from_zero",
        ),
    }

    def __init__(self, settings: AHIQSettings) -> None:
        super().__init__()
        self.settings = settings
        self.transformer = Transformer(settings.transformer)
        self.cnn = EarlyMaps(settings.backbone)
        self.frozen = tuple(
            part for part in (self.transformer, self.cnn) if settings.freezes(part.loaded)
        )
        for part in self.frozen:
            part.requires_grad_(False)
        transformer, cnn = self.transformer.channels, self.cnn.channels
        self.patch = self.transformer.patch
        self.fuse = DeformableFusion(
            transformer, cnn, settings.fusion_width, self.patch, settings.fusion
        )
        self.head = ComparingHead(transformer + cnn, settings.embedding, settings.head)
        self.train()

    def features(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Extract the features that are fused.

        Args:
            pixels: (B, 3, P, P), RGB in [0, 1].

        Returns:
            The transformer's (B, F, P / patch, P / patch) and the CNN's (B, C, P / 4, P / 4).
        """
        seen_at_large, seen_in_detail = self._normalise(pixels)
        transformer = self._extract(self.transformer, seen_at_large)
        return transformer, self._extract(self.cnn, seen_in_detail)

    def forward(self, crops: Crops) -> Prediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images with their references, RGB in [0, 1].

        Returns:
            Scores, and the maps ``local_score`` and ``local_weight`` (N, 1, P / patch, P / patch).

        Raises:
            DataError: The crops carry no references.
            SettingsError: The transformer's patches do not divide P.
        """
        if crops.reference is None:
            raise DataError(
                "AHIQ judges an image beside its reference, and these crops carry none. Use a "
                "dataset with reference images, or a no-reference system."
            )
        transformer, cnn = self.features(torch.cat([crops.pixels, crops.reference]))
        fused = self.fuse(cnn, transformer[len(crops.pixels) :])
        judged = self.head(torch.cat([transformer, fused], 1))
        return Prediction(
            unit_score=crops.mean_by_image(judged.score),
            maps={"local_score": judged.map, "local_weight": judged.weight},
        )

    def _normalise(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        if self.settings.normalisation == "half":
            normalised = (pixels - 0.5) / 0.5
            return normalised, normalised
        return self.transformer.standardise(pixels), self.cnn.backbone.normalise(pixels)

    def _extract(self, part: Transformer | EarlyMaps, normalised: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and part not in self.frozen):
            features: Tensor = part(normalised)
            return features

    def train(self, mode: bool = True) -> Self:
        """Switch the mode, but leave what is frozen in evaluation mode."""
        super().train(mode)
        for part in self.frozen:
            part.eval()
        return self


def make_network(settings: AHIQStageSettings, _: StageInputs) -> AHIQ:
    """Make the network.

    Raises:
        SettingsError: It cannot be made, or cannot look at the stage's crops.
    """
    network = AHIQ(settings.network)
    check_size(settings.crops.size, network.patch)
    return network


SYSTEM = System(
    name="ahiq",
    stages=(Stage("ahiq", AHIQStageSettings, make_network, "hmtnet.models.task:ScoreTask"),),
    reference="always",
    released="hmtnet.models.ahiq.released:read_released",
)
