"""PMTNet: features of four scales, and from them a score and a class of quality.

Pan et al., "PMT-IQA: Progressive Multi-task Learning for Blind Image Quality Assessment", PRICAI
2023 (arXiv 2301.01182). What is the authors' and what is ours: README.md beside this file.
"""

from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import register_dataclass

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.heads import Regressor
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System

# Of the four taps from fine to coarse: channels after the reduction (None: no reduction), and
# places per side after pooling. With ResNet-50 and crops of 224 pixels each pools 7 × 7 places.
TAPS: tuple[tuple[int | None, int], ...] = ((16, 8), (32, 4), (64, 2), (None, 1))
FEATURES = 28  # that each tap ends in
SHARED = 14  # features that both heads start from


@dataclass(frozen=True, kw_only=True)
class PMTSettings:
    """Settings of a PMTNet.

    Attributes:
        backbone: The feature extractor, fine-tuned as a whole; its four coarsest levels are used.
        multi_scale: Whether all four are, or only the coarsest (an ablation of the paper).
        classes: K, the classes of quality: equal parts of the MOS' range. Not the system's grades,
            whose edges follow the training MOS and which only cut tables here.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    multi_scale: bool = True
    classes: Literal[5, 10] = 10


@dataclass(frozen=True, kw_only=True)
class PMTLossSettings:
    """Loss = λ1 · distance of the score to the MOS + λ2 · cross-entropy of the class.

    Attributes:
        progressive: ``"linear"`` moves λ1 from 0 in the first epoch to 1 in the last, and
            λ2 = 1 - λ1; ``"off"`` leaves them at ``score_weight`` and ``class_weight``.
        score_weight: λ1 of ``"off"``; the default is the authors'.
        class_weight: λ2 of ``"off"``; the default is the authors'.
        mos_range: What the distance of unit scores is multiplied by, and so how early the score
            takes over. 1 is the authors' balance (``size=published``): their network says the score
            on 0 to 100, so its gradient is 1 there, and the class rules until the last epochs. At
            100 (all other sizes; ours) the score rules from the second epoch on.
    """

    progressive: Literal["linear", "off"] = "linear"
    score_weight: float = 0.942
    class_weight: float = 0.960
    mos_range: float = 100.0

    def __post_init__(self) -> None:
        for name in ("score_weight", "class_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")
        if self.mos_range <= 0:
            raise ValueError(f"mos_range: expected above 0, found {self.mos_range}")

    def idle(self) -> set[str]:
        """Name what has no effect: fixed weights where they change from epoch to epoch."""
        return set() if self.progressive == "off" else {"score_weight", "class_weight"}


@dataclass(frozen=True, kw_only=True)
class PMTStageSettings(FitSettings):
    """Everything about the PMT-IQA stage."""

    network: PMTSettings = field(default_factory=PMTSettings)
    loss: PMTLossSettings = field(default_factory=PMTLossSettings)


@dataclass
class PMTPrediction(Prediction):
    """A prediction with what was said of each crop.

    Attributes:
        crop_score: (N,) unit scores.
        logits: (N, K) of the classes of quality, worst first.
    """

    crop_score: Tensor | None = None
    logits: Tensor | None = None


register_dataclass(PMTPrediction)


class Tap(nn.Module):
    """A backbone's level (N, C, h, w) → (N, 28): reduced in channels, pooled, mapped linearly.

    Args:
        channels: C.
        reduced: Channels after a 1×1 convolution without bias; None leaves them.
        places: Places per side that are left of h and w.
    """

    def __init__(self, channels: int, reduced: int | None, places: int) -> None:
        super().__init__()
        self.places = places
        self.reduce = (
            nn.Identity() if reduced is None else nn.Conv2d(channels, reduced, 1, bias=False)
        )
        self.features = nn.Linear((reduced or channels) * places**2, FEATURES)

    def forward(self, level: Tensor) -> Tensor:
        """Describe N crops by one of their levels."""
        features: Tensor = self.features(self.pool(self.reduce(level)).flatten(1))
        return features

    def pool(self, x: Tensor) -> Tensor:
        """Average (N, C, h, w) to (N, C, places, places)."""
        height, width = x.shape[-2:]
        if height % self.places or width % self.places:
            return F.adaptive_avg_pool2d(x, self.places)
        # The same, but adaptive pooling's gradient is not reproducible to the bit on a GPU.
        return F.avg_pool2d(x, (height // self.places, width // self.places))


class PMTNet(QualityNetwork):
    """Backbone → four taps → 112 features → 14 that a score and a class are told from.

    Args:
        settings: Architecture.

    Raises:
        SettingsError: The backbone has too few levels.
    """

    by_crop = True

    def __init__(self, settings: PMTSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings.backbone)
        taps = TAPS if settings.multi_scale else TAPS[-1:]
        channels = self.backbone.channels[-len(taps) :]
        if len(channels) < len(taps):
            raise SettingsError(
                f"PMT-IQA taps the {len(taps)} coarsest levels of its backbone; expected as many, "
                f"found {len(channels)}. Take a backbone of more levels (size.backbone.widths for "
                "the plain one), or set multi_scale=false."
            )
        self.taps = nn.ModuleList(Tap(c, *tap) for c, tap in zip(channels, taps, strict=True))
        width = FEATURES * len(TAPS)
        self.shared = nn.Sequential(
            nn.Linear(FEATURES * len(taps), width),
            nn.LeakyReLU(),
            nn.Linear(width, SHARED),
            nn.LeakyReLU(),
        )
        self.score = Regressor(SHARED)
        self.grade = nn.Sequential(
            nn.Linear(SHARED, SHARED), nn.LeakyReLU(), nn.Linear(SHARED, settings.classes)
        )

    def features(self, pixels: Tensor) -> Tensor:
        """Describe crops (N, 3, P, P), RGB in [0, 1], by (N, 28) per tap, from fine to coarse."""
        levels = self.backbone(self.backbone.normalise(pixels))[-len(self.taps) :]
        found = [tap(level) for tap, level in zip(self.taps, levels, strict=True)]
        return torch.cat(found, 1)

    def forward(self, crops: Crops) -> PMTPrediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1].

        Returns:
            A prediction whose map ``classes`` (N, K) has the class probabilities of each crop.
        """
        shared = self.shared(self.features(crops.pixels))
        score, logits = self.score(shared), self.grade(shared).float()
        return PMTPrediction(
            unit_score=crops.mean_by_image(score),
            maps={"classes": logits.softmax(1)},
            crop_score=score,
            logits=logits,
        )


SYSTEM = System(
    name="pmt",
    stages=(
        Stage(
            name="pmt",
            settings=PMTStageSettings,
            network=lambda settings, _: PMTNet(settings.network),
            task="hmtnet.models.pmt.task:PMTTask",
        ),
    ),
)
