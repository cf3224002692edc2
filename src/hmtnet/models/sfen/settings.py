"""Settings of stage 2."""

from dataclasses import dataclass, field
from typing import Literal

from hmtnet.models.optimisation import FitSettings
from hmtnet.models.sfen.network import SFENSettings


@dataclass(frozen=True, kw_only=True)
class ScoreLossSettings:
    """The loss of a score.

    Attributes:
        score: Distance to the MOS in [0, 1].
        relation: What compares the images of a batch: a pairwise ranking hinge, 1 - PLCC, or none.
        relation_weight: Its weight.
    """

    score: Literal["l1", "smooth_l1", "mse"] = "l1"
    relation: Literal["ranking", "plcc", "none"] = "ranking"
    relation_weight: float = 0.5


@dataclass(frozen=True, kw_only=True)
class SFENStageSettings(FitSettings):
    """Everything about the SFEN stage."""

    network: SFENSettings = field(default_factory=SFENSettings)
    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)

    @property
    def stands_alone(self) -> bool:
        """Without a prior, no grading network is needed."""
        return self.network.prior == "none"
