"""MFEN: quality, distortion and high-frequency features, fused level by level.

Which branches there are is the paper's; how they are built and joined is our reconstruction
(README.md beside this file).
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from hmtnet.data.crops import Crops
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.heads import Regressor
from hmtnet.models.inputs import StageInputs
from hmtnet.models.mfen.dan import DAN, DANStageSettings, TypedPrediction
from hmtnet.models.mfen.fusion import Fuse, LevelFusion
from hmtnet.models.mfen.octave import HFEN
from hmtnet.models.mfen.van import check_van, extractor
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.system import Stage, System

LEVELS = 4


@dataclass(frozen=True, kw_only=True)
class MFENSettings:
    """Settings of an MFEN.

    Attributes:
        backbone: QEN, the primary branch: ``van_tiny``, ``van_b0`` … ``van_b3``, or any backbone of
            the factory with four levels; its four coarsest are used.
        dan: Whether the features of a finished DAN are fused in.
        hfen: Whether high-frequency features are.
        hfen_widths: Channels of HFEN's four blocks.
        fuse: How the branches are joined.
        features: Width of the fused feature vector.
    """

    backbone: BackboneSettings = field(default_factory=lambda: BackboneSettings(name="van_b0"))
    dan: bool = True
    hfen: bool = True
    hfen_widths: tuple[int, ...] = (32, 64, 160, 256)
    fuse: Fuse = "aff"
    features: int = 128

    def __post_init__(self) -> None:
        check_van(self.backbone)
        if self.features < 1:
            raise ValueError(f"features: expected at least 1, found {self.features}")

    def idle(self) -> set[str]:
        """Name what has no effect: the widths of a branch that is left out, fusion of nothing."""
        names = set() if self.hfen else {"hfen_widths"}
        return names if self.hfen or self.dan else names | {"fuse"}


@dataclass(frozen=True, kw_only=True)
class MFENLossSettings:
    """The loss of the quality stage.

    Attributes:
        score: The score's terms.
        types: Weight of the distortion type's cross entropy; without effect where the training
            images have no types.
    """

    score: ScoreLossSettings = field(
        default_factory=lambda: ScoreLossSettings(score="smooth_l1", relation="none")
    )
    types: float = 0.1

    def __post_init__(self) -> None:
        if self.types < 0:
            raise ValueError(f"types: expected at least 0, found {self.types}")


@dataclass(frozen=True, kw_only=True)
class QualityStageSettings(FitSettings):
    """Everything about the quality stage."""

    network: MFENSettings = field(default_factory=MFENSettings)
    loss: MFENLossSettings = field(default_factory=MFENLossSettings)

    @property
    def stands_alone(self) -> bool:
        """Without distortion features, no DAN is needed."""
        return not self.network.dan


class MFEN(QualityNetwork):
    """QEN, a frozen DAN and HFEN: F = fuse(fuse(Q, D), H) per level, pooled, joined, regressed.

    Args:
        settings: Architecture.
        dan: A finished DAN, which stays as it is, or None where the settings want none.
        types: How many distortion types are told apart beside the score; 0 for none.

    Raises:
        SettingsError: The backbone has too few levels or strides that HFEN cannot follow.
    """

    by_crop = True

    def __init__(self, settings: MFENSettings, dan: DAN | None = None, types: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.qen = extractor(settings.backbone)
        if len(self.qen.channels) < LEVELS:
            raise SettingsError(
                f"backbone: expected one of at least {LEVELS} levels; '{settings.backbone.name}' "
                f"has {len(self.qen.channels)}"
            )
        channels, reductions = self.qen.channels[-LEVELS:], self.qen.reductions[-LEVELS:]
        # All branches meet in one range: the maps of some backbones would drown the others'.
        self.norms = nn.ModuleList(nn.BatchNorm2d(c) for c in channels)
        self.dan = dan
        if dan is not None:
            dan.requires_grad_(False).eval()
            self.nearest = [_nearest(r, dan.backbone.reductions) for r in reductions]
            found = [dan.backbone.channels[i] for i in self.nearest]
            self.with_dan = LevelFusion(found, channels, settings.fuse)
        if settings.hfen:
            self.hfen = HFEN(settings.hfen_widths, reductions)
            self.with_hfen = LevelFusion(self.hfen.channels, channels, settings.fuse)
        self.mix = nn.Sequential(nn.Linear(sum(channels), settings.features), nn.ReLU(inplace=True))
        self.score = Regressor(settings.features)
        self.types = nn.Linear(settings.features, types) if types else None
        self.to(memory_format=torch.channels_last)

    def forward(self, crops: Crops) -> TypedPrediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1].
        """
        x = self.qen.normalise(crops.pixels).contiguous(memory_format=torch.channels_last)
        levels = [
            norm(level) for norm, level in zip(self.norms, self.qen(x)[-LEVELS:], strict=True)
        ]
        if self.dan is not None:
            with torch.no_grad():
                distortion = self.dan.levels(crops.pixels)
            levels = self.with_dan(levels, [distortion[i] for i in self.nearest])
        if self.settings.hfen:
            levels = self.with_hfen(levels, self.hfen(x))
        features = self.mix(torch.cat([level.mean((2, 3)) for level in levels], 1))
        log_types = None
        if self.types is not None:
            probabilities = crops.mean_by_image(self.types(features).float().softmax(1))
            log_types = probabilities.clamp_min(1e-8).log()
        return TypedPrediction(
            unit_score=crops.mean_by_image(self.score(features)), log_types=log_types
        )

    def own_state(self) -> dict[str, Tensor]:
        """Leave the DAN to its own artifact."""
        state = super().own_state()
        return {key: value for key, value in state.items() if not key.startswith("dan.")}

    def train(self, mode: bool = True) -> "MFEN":
        """Switch the mode; the DAN stays in evaluation mode."""
        super().train(mode)
        if self.dan is not None:
            self.dan.eval()
        return self


def _nearest(reduction: int, available: list[int]) -> int:
    """Return the level whose stride is nearest, as a ratio; of two, the finer."""

    def ratio(level: int) -> float:
        return max(available[level], reduction) / min(available[level], reduction)

    return min(range(len(available)), key=ratio)


def distortion_types(labels: TrainingLabels) -> Tensor:
    """Number the distortion types: SR method and scale, as far as the dataset has them.

    Returns:
        (records,) int64, -1 where unknown or not a training image.
    """
    return labels.keys("method", "scale")


def make_dan(settings: DANStageSettings, inputs: StageInputs) -> DAN:
    """Make stage 1's network.

    Raises:
        SettingsError: The training images are not of two distortion types at least.
    """

    def type_mos(labels: TrainingLabels) -> Tensor:
        return labels.mean_unit_mos(distortion_types(labels))

    return DAN(settings.network, inputs.derived("type_mos", type_mos))


def make_mfen(settings: QualityStageSettings, inputs: StageInputs) -> MFEN:
    """Make stage 2's network around a finished DAN, or without one.

    Raises:
        SettingsError: A DAN is wanted and none is there.
    """
    if inputs.labels is None:
        types = len(inputs.state.get("types.bias", ()))
    elif settings.loss.types > 0:
        types = int(distortion_types(inputs.labels).max()) + 1
    else:
        types = 0
    dan = inputs.upstream.get("dan")
    if not settings.network.dan:
        return MFEN(settings.network, None, types)
    if not isinstance(dan, DAN):
        raise SettingsError(
            "Stage 'quality' needs a DAN. Add the stage (stages=[dan,quality]), give an artifact, "
            "of this or of another dataset (upstream.dan=<run directory>), or go without "
            "(system.quality.network.dan=false)."
        )
    return MFEN(settings.network, dan, types)


SYSTEM = System(
    name="mfen",
    stages=(
        Stage(
            name="dan",
            settings=DANStageSettings,
            network=make_dan,
            task="hmtnet.models.mfen.task:DANTask",
            needs=("method", "scale"),
        ),
        Stage(
            name="quality",
            settings=QualityStageSettings,
            network=make_mfen,
            task="hmtnet.models.mfen.task:MFENTask",
            after=("dan",),
            borrows=("dan",),
        ),
    ),
)
