"""Settings of the plain baseline's only stage."""

from dataclasses import dataclass, field

from hmtnet.models.optimisation import FitSettings
from hmtnet.models.plain.network import PlainSettings
from hmtnet.models.score_loss import ScoreLossSettings


@dataclass(frozen=True, kw_only=True)
class PlainStageSettings(FitSettings):
    """Everything about the plain stage."""

    network: PlainSettings = field(default_factory=PlainSettings)
    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)
