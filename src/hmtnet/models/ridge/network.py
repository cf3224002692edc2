"""RidgeNet: a linear map on frozen features. Ours, and meant to be beaten."""

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.heads import Regressor
from hmtnet.models.optimisation import FitSettings, OptimizerSettings
from hmtnet.models.quality import Means, Prediction, QualityNetwork, RunPass
from hmtnet.models.ridge.solving import Criterion, Solution
from hmtnet.models.schedules import ScheduleSettings
from hmtnet.models.system import Stage, System


@dataclass(frozen=True, kw_only=True)
class RidgeSettings:
    """Settings of a RidgeNet.

    Attributes:
        backbone: The feature extractor; it stays as it was loaded.
        levels: How many of its coarsest levels are used.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    levels: int = 3

    def __post_init__(self) -> None:
        if self.levels < 1:
            raise ValueError(f"levels: expected at least 1, found {self.levels}")


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

    def check(self) -> None:
        """Whatever a solution in closed form does not use stays as it is."""
        idle = {
            "optimizer": (self.optimizer, OptimizerSettings()),
            "schedule": (self.schedule, ScheduleSettings()),
            "epochs": (self.epochs, 1),
            "augment": (self.augment, ()),
            "accumulate": (self.accumulate, 1),
            "ema": (self.ema, 0.0),
            "early_stopping": (self.early_stopping, None),
        }
        for name, (found, only) in idle.items():
            if found != only:
                raise ValueError(
                    f"{name}: the weights are solved for in one pass over the images as they are, "
                    f"so this must stay {only}; found {found}"
                )

    def idle(self) -> set[str]:
        """Name what has no effect: how many random crops an epoch takes, since there are none."""
        return {"crops.count"}

    @property
    def closed_form(self) -> bool:
        """The weights are solved for."""
        return True


class RidgeNet(QualityNetwork):
    """Frozen backbone → mean and deviation of each channel → standardised → linear.

    Mean and deviation are an image's: over all places of all its crops. The backbone is in
    evaluation mode always, and computes in float32 also under autocast, so that the features that
    are solved on are those that are scored.

    Attributes:
        centre: (F,) what is taken from the features.
        scale: (F,) what they are then divided by.
        alpha: () the penalty that was chosen; NaN before anything is solved.

    Args:
        settings: Architecture.
    """

    centre: Tensor
    scale: Tensor
    alpha: Tensor

    def __init__(self, settings: RidgeSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings.backbone).requires_grad_(False)
        channels = self.backbone.channels
        if settings.levels > len(channels):
            raise SettingsError(
                f"levels: expected at most the backbone's {len(channels)}, found {settings.levels}"
            )
        self.width = 2 * sum(channels[-settings.levels :])
        self.register_buffer("centre", torch.zeros(self.width))
        self.register_buffer("scale", torch.ones(self.width))
        self.register_buffer("alpha", torch.tensor(torch.nan))
        self.score = Regressor(self.width)
        self.train()

    def features(self, crops: Crops) -> Tensor:
        """Describe I images by (I, F) features: a level's means, its deviations, the next level's.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1].
        """
        with torch.autocast(crops.pixels.device.type, enabled=False):
            found = []
            for level in self._levels(crops):
                mean = crops.mean_by_image(level.mean((2, 3)))
                # In a second pass: the difference of two squares would be rounding error.
                beside = level - mean[crops.image][:, :, None, None]
                variance = crops.mean_by_image(beside.square().mean((2, 3)))
                found += [mean, variance.sqrt()]
            return torch.cat(found, 1)

    def in_passes(self, run_pass: RunPass) -> Means:
        """Describe the image by the mean and the mean square of each channel over all crops."""

        def moments(crops: Crops) -> Means:
            found = {}
            for i, level in enumerate(self._levels(crops)):
                variance, mean = torch.var_mean(level, (2, 3), correction=0)
                # In float64, or the difference below would be rounding error.
                found[f"mean{i}"] = mean.cpu().double()
                found[f"square{i}"] = variance.cpu().double() + found[f"mean{i}"].square()
            return found

        means = run_pass(moments)
        features = []
        for i in range(self.settings.levels):
            mean = means[f"mean{i}"]
            features += [mean, (means[f"square{i}"] - mean.square()).clamp_min(0).sqrt()]
        joined = torch.cat(features).float()[None].to(self.centre.device)
        return {"unit_score": self.judge(joined)[0].cpu().double()}

    def _levels(self, crops: Crops) -> list[Tensor]:
        levels: list[Tensor] = self.backbone(self.backbone.normalise(crops.pixels.float()))
        return levels[-self.settings.levels :]

    def judge(self, features: Tensor) -> Tensor:
        """Turn features (I, F) into unit scores (I,)."""
        score: Tensor = self.score((features - self.centre) / self.scale)
        return score

    def forward(self, crops: Crops) -> Prediction:
        """Score images by the features of all their crops together."""
        return Prediction(unit_score=self.judge(self.features(crops)))

    @torch.no_grad()
    def take(self, solution: Solution) -> None:
        """Score as ``solution`` says from now on."""
        for tensor, values in (
            (self.centre, solution.centre),
            (self.scale, solution.scale),
            (self.alpha, solution.alpha),
            (self.score.weight[0], solution.weight),
            (self.score.bias, solution.bias),
        ):
            tensor.copy_(torch.as_tensor(values))

    def train(self, mode: bool = True) -> Self:
        """Switch the mode, but leave the backbone in evaluation mode."""
        super().train(mode)
        self.backbone.eval()
        return self


SYSTEM = System(
    name="ridge",
    stages=(
        Stage(
            name="ridge",
            settings=RidgeStageSettings,
            network=lambda settings, _: RidgeNet(settings.network),
            task="hmtnet.models.ridge.task:RidgeTask",
        ),
    ),
)
