"""Settings of the ridge baseline's only stage."""

from dataclasses import dataclass, field

from hmtnet.models.optimisation import FitSettings, OptimizerSettings
from hmtnet.models.ridge.network import RidgeSettings
from hmtnet.models.ridge.solving import Criterion
from hmtnet.models.schedules import ScheduleSettings


@dataclass(frozen=True, kw_only=True)
class RidgeLossSettings:
    """Squared error + alpha · squared length of the weights; see ``ridge.solving``.

    Attributes:
        alphas: The penalties to choose from.
        chosen_by: What the chosen one is best in, on the validation images.
    """

    alphas: tuple[float, ...] = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)
    chosen_by: Criterion = "srcc"

    def __post_init__(self) -> None:
        if not self.alphas or min(self.alphas) <= 0:
            raise ValueError(f"alphas: expected at least one, all above 0, found {self.alphas}")


@dataclass(frozen=True, kw_only=True)
class RidgeStageSettings(FitSettings):
    """Everything about the ridge stage."""

    epochs: int = 1
    augment: tuple[str, ...] = ()
    network: RidgeSettings = field(default_factory=RidgeSettings)
    loss: RidgeLossSettings = field(default_factory=RidgeLossSettings)

    def __post_init__(self) -> None:
        super().__post_init__()
        idle = {
            "optimizer": (self.optimizer, OptimizerSettings()),
            "schedule": (self.schedule, ScheduleSettings()),
            "epochs": (self.epochs, 1),
            "augment": (self.augment, ()),
        }
        for name, (found, only) in idle.items():
            if found != only:
                raise ValueError(
                    f"{name}: the weights are solved for in one pass over the images as they are, "
                    f"so this must stay {only}; found {found}"
                )

    @property
    def closed_form(self) -> bool:
        """The weights are solved for."""
        return True
