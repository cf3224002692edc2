"""Settings of both stages."""

from dataclasses import dataclass, field

from hmtnet.models.mfen.dan import DANSettings
from hmtnet.models.mfen.network import MFENSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.score_loss import ScoreLossSettings


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
