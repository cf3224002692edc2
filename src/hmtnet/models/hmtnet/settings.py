"""Settings of stage 3."""

from dataclasses import dataclass, field

from hmtnet.models.grading.network import GradingSettings
from hmtnet.models.grading.settings import GradingLossSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.sfen.network import SFENSettings


@dataclass(frozen=True, kw_only=True)
class HMTNetSettings:
    """Settings of both networks."""

    grading: GradingSettings = field(default_factory=GradingSettings)
    sfen: SFENSettings = field(default_factory=SFENSettings)


@dataclass(frozen=True, kw_only=True)
class JointLossSettings:
    """Loss = score + alpha · grade + contrast (which carries its own weight).

    Attributes:
        score: The score's terms.
        grading: The grade's terms.
        alpha: Weight of the grade term.
    """

    score: ScoreLossSettings = field(default_factory=ScoreLossSettings)
    grading: GradingLossSettings = field(default_factory=GradingLossSettings)
    alpha: float = 0.3


@dataclass(frozen=True, kw_only=True)
class JointStageSettings(FitSettings):
    """Everything about the joint stage."""

    network: HMTNetSettings = field(default_factory=HMTNetSettings)
    loss: JointLossSettings = field(default_factory=JointLossSettings)
