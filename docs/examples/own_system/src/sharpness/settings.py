"""Settings of the only stage."""

from dataclasses import dataclass, field

from hmtnet.models.optimisation import FitSettings
from hmtnet.models.score_loss import ScoreLossSettings
from sharpness.network import SharpnessSettings


@dataclass(frozen=True, kw_only=True)
class SharpnessStageSettings(FitSettings):
    """Everything about the stage."""

    network: SharpnessSettings = field(default_factory=SharpnessSettings)
    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)
