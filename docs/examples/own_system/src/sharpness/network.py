"""SharpnessNet: a few numbers that blur and noise change, and a small perceptron."""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.data.crops import Crops
from hmtnet.models.heads import Regressor
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.system import Stage, System
from hmtnet.perception import luminance, mscn, sobel

STATISTICS = 7
# The neighbours whose products are looked at: right, below, and both diagonals.
SHIFTS = ((0, 1), (1, 0), (1, 1), (1, -1))
FLOOR = 1e-4  # keeps the ratios of a flat crop finite


@dataclass(frozen=True, kw_only=True)
class SharpnessSettings:
    """Settings of a SharpnessNet.

    Attributes:
        scales: How many sizes of a crop are described, each half as wide as the one before.
        hidden: Units of the perceptron's hidden layer.
    """

    scales: int = 2
    hidden: int = 32

    def __post_init__(self) -> None:
        if self.scales < 1:
            raise ValueError(f"scales: expected at least 1, found {self.scales}")
        if self.hidden < 1:
            raise ValueError(f"hidden: expected at least 1 unit, found {self.hidden}")


@dataclass(frozen=True, kw_only=True)
class SharpnessStageSettings(FitSettings):
    """Everything about the stage."""

    network: SharpnessSettings = field(default_factory=SharpnessSettings)
    loss: ScoreLossSettings = field(default_factory=ScoreLossSettings)


def statistics(rgb: Tensor) -> Tensor:
    """Describe crops by how sparse their edges are and how their fine detail hangs together.

    Of the gradient's magnitude the deviation over the mean (logarithm); of the MSCN coefficients
    the variance (logarithm), the peakedness E[m²] / E[|m|]², and the products of neighbours over
    the variance. In the spirit of BRISQUE (Mittal, Moorthy and Bovik, TIP 2012), which fits
    distributions to the same coefficients; the choice is ours. Each is a ratio, since how much
    detail there is says more about the content than about its quality.

    Args:
        rgb: (N, 3, P, P) in [0, 1], P of at least 4.

    Returns:
        (N, 7).
    """
    edges = sobel(rgb)[:, 2].flatten(1)
    detail = luminance(mscn(rgb))[:, 0]
    variance = detail.square().mean((1, 2)) + FLOOR
    found = [
        ((edges.std(1) + FLOOR) / (edges.mean(1) + FLOOR)).log(),
        variance.log(),
        variance / (detail.abs().mean((1, 2)) + FLOOR**0.5).square(),
    ]
    for shift in SHIFTS:
        inside = detail * detail.roll(shift, (1, 2))
        found.append(inside[:, 1:, 1:-1].mean((1, 2)) / variance)  # what has not wrapped around
    return torch.stack(found, 1)


class SharpnessNet(QualityNetwork):
    """Statistics at several scales → standardised → one hidden layer → score.

    Args:
        settings: Architecture.
    """

    by_crop = True

    def __init__(self, settings: SharpnessSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.scales * STATISTICS
        # Running mean and deviation over the training crops; nothing of it is learnt.
        self.standardise = nn.BatchNorm1d(width, affine=False)
        self.hidden = nn.Linear(width, settings.hidden)
        self.score = Regressor(settings.hidden)

    def features(self, pixels: Tensor) -> Tensor:
        """Describe crops (N, 3, P, P) at every scale: (N, 7 · scales)."""
        found = []
        for _ in range(self.settings.scales):
            found.append(statistics(pixels))
            pixels = F.avg_pool2d(pixels, 2)
        return torch.cat(found, 1)

    def forward(self, crops: Crops) -> Prediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1].
        """
        with torch.autocast(crops.pixels.device.type, enabled=False):
            described = self.standardise(self.features(crops.pixels.float()))
            scores = self.score(F.relu(self.hidden(described)))
            return Prediction(unit_score=crops.mean_by_image(scores))


SYSTEM = System(
    name="sharpness",
    stages=(
        Stage(
            name="sharpness",
            settings=SharpnessStageSettings,
            network=lambda settings, _: SharpnessNet(settings.network),
            task="sharpness.task:SharpnessTask",
        ),
    ),
)

# The same network, trained by a column of the label table that hmtnet itself does not use.
WEIGHTED = System(
    name="sharpness_weighted",
    stages=(
        Stage(
            name="sharpness",
            settings=SharpnessStageSettings,
            network=lambda settings, _: SharpnessNet(settings.network),
            task="sharpness.task:WeightedTask",
            needs=("mos_std",),
        ),
    ),
)
