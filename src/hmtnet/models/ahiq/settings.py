"""Settings of AHIQ's only stage."""

from dataclasses import dataclass, field

from hmtnet.models.ahiq.network import AHIQSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.score_loss import ScoreLossSettings


def published_loss() -> ScoreLossSettings:
    """Return the loss of the paper: the mean squared error alone."""
    return ScoreLossSettings(score="mse", relation="none")


@dataclass(frozen=True, kw_only=True)
class AHIQStageSettings(FitSettings):
    """Everything about the AHIQ stage."""

    network: AHIQSettings = field(default_factory=AHIQSettings)
    loss: ScoreLossSettings = field(default_factory=published_loss)
