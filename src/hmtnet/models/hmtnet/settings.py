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

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ValueError(f"alpha: expected at least 0, found {self.alpha}")


@dataclass(frozen=True, kw_only=True)
class JointStageSettings(FitSettings):
    """Everything about the joint stage.

    Attributes:
        network: The networks.
        loss: The loss.
        grading_rate: What the learning rate of a grading network from upstream is multiplied by.
            One that comes finished and is trained as fast as the SFEN guides the score worse than
            before on validation images; one that is not (size=quick) needs the full rate (README.md
            beside this file).
    """

    network: HMTNetSettings = field(default_factory=HMTNetSettings)
    loss: JointLossSettings = field(default_factory=JointLossSettings)
    grading_rate: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.grading_rate > 0:
            raise ValueError(
                f"grading_rate: expected above 0, found {self.grading_rate}. To train an SFEN "
                "behind a frozen grading network, tune it in stage 2 "
                "(system.sfen.optimizer.loaded_lr=1e-4)."
            )
