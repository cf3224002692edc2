"""CNNIQANet: one convolution, its largest and smallest responses, two hidden layers.

Kang, Ye, Li and Doermann, "Convolutional Neural Networks for No-Reference Image Quality
Assessment", CVPR 2014. What is theirs and what is ours: README.md beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.export import register_dataclass

from hmtnet.data.crops import Crops
from hmtnet.models.heads import Regressor
from hmtnet.models.maps import LOCAL_SCORE, MapStyle
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System
from hmtnet.perception import luminance
from hmtnet.perception.checks import full_precision


@dataclass(frozen=True, kw_only=True)
class CNNIQASettings:
    """Settings of a CNNIQANet; the defaults are the paper's, as far as it tells them.

    Attributes:
        patch: Side of the patches that a crop is divided into, pixels.
        kernels: Kernels of the only convolution.
        kernel_size: Their side, pixels.
        hidden: Units of each of the two hidden layers.
        dropout: Share of the second hidden layer's units that training leaves out.
        window: Side of the window of the contrast normalisation, pixels; odd.
        constant: What is added to its deviation, in levels of 255 (ours: the paper gives none).
    """

    patch: int = 32
    kernels: int = 50
    kernel_size: int = 7
    hidden: int = 800
    dropout: float = 0.5
    window: int = 3
    constant: float = 10.0

    def __post_init__(self) -> None:
        for name in ("kernels", "kernel_size", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, found {getattr(self, name)}")
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"window: expected an odd number from 3, found {self.window}")
        if self.patch < max(self.kernel_size, self.window):
            raise ValueError(
                f"patch: expected at least kernel_size={self.kernel_size} and "
                f"window={self.window}, found {self.patch}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected 0 to below 1, found {self.dropout}")
        if self.constant <= 0:
            raise ValueError(f"constant: expected above 0, found {self.constant}")


@dataclass(frozen=True, kw_only=True)
class CNNIQALossSettings:
    """The loss: the mean absolute difference to the MOS in [0, 1].

    Attributes:
        of: Whose score is compared: each patch's with its image's MOS, as in the paper, or the
            image's own.
    """

    of: Literal["patches", "images"] = "patches"


@dataclass(frozen=True, kw_only=True)
class CNNIQAStageSettings(FitSettings):
    """Everything about the CNNIQA stage."""

    network: CNNIQASettings = field(default_factory=CNNIQASettings)
    loss: CNNIQALossSettings = field(default_factory=CNNIQALossSettings)

    def check(self) -> None:
        """A crop must hold a patch."""
        if self.crops.size < self.network.patch:
            raise ValueError(
                f"crops.size: expected at least network.patch={self.network.patch} pixels, "
                f"found {self.crops.size}"
            )


@dataclass
class CNNIQAPrediction(Prediction):
    """A prediction with what was said of each patch.

    Attributes:
        patch_score: (N, k, k) unit scores of the crops' patches.
    """

    patch_score: Tensor | None = None


register_dataclass(CNNIQAPrediction)


class CNNIQANet(QualityNetwork):
    """Patches of contrast-normalised grey → convolution → max and min → two layers → score.

    Args:
        settings: Architecture.
    """

    by_crop = True
    shows: Mapping[str, MapStyle] = {"local_score": LOCAL_SCORE}

    def __init__(self, settings: CNNIQASettings) -> None:
        super().__init__()
        self.settings = settings
        self.convolution = nn.Conv2d(1, settings.kernels, settings.kernel_size)
        self.first = nn.Linear(2 * settings.kernels, settings.hidden)
        self.second = nn.Linear(settings.hidden, settings.hidden)
        self.score = Regressor(settings.hidden)

    def patches(self, pixels: Tensor) -> Tensor:
        """Turn crops (N, 3, P, P) of RGB in [0, 1] into patches (N · k · k, 1, 32, 32).

        Raises:
            ValueError: The crops are smaller than a patch.
        """
        settings = self.settings
        grey = normalise_contrast(luminance(pixels), settings.window, settings.constant)
        return cut_patches(grey, settings.patch)

    def forward(self, crops: Crops, keep: Tensor | None = None) -> CNNIQAPrediction:
        """Score images: the mean over the patches of a crop, then over the crops of an image.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1], P at least the side of a patch.
            keep: (N · k · k, hidden) bool: the units of the second hidden layer that are not left
                out. None draws them in training, by torch's own state, and keeps all otherwise.

        Returns:
            A prediction whose map ``local_score`` (N, 1, k, k) has the patches' scores.

        Raises:
            ValueError: The crops are smaller than a patch.
        """
        dropout = self.settings.dropout
        down, across = (side // self.settings.patch for side in crops.pixels.shape[-2:])
        # No ReLU here: it would leave nothing to the smallest responses.
        responses = self.convolution(self.patches(crops.pixels)).flatten(2)
        # Not torch.aminmax, which has no derivative in torch 2.11.
        low, high = responses.amin(2), responses.amax(2)
        hidden = F.relu(self.first(torch.cat([high, low], 1)))
        hidden = F.relu(self.second(hidden))
        if keep is None:
            hidden = F.dropout(hidden, dropout, self.training)
        else:
            hidden = hidden * keep / (1 - dropout)
        scores = self.score(hidden).view(-1, down, across)
        return CNNIQAPrediction(
            unit_score=crops.mean_by_image(scores.mean((1, 2))),
            maps={"local_score": scores.unsqueeze(1)},
            patch_score=scores,
        )


def normalise_contrast(grey: Tensor, window: int, constant: float) -> Tensor:
    """Subtract the local mean and divide by the local deviation: (x − μ) / (σ + C).

    Kang et al. (CVPR 2014), section 3.2. Other than in `hmtnet.perception.mscn` all places of the
    window count alike.

    Args:
        grey: (N, 1, H, W) in [0, 1]; the border is reflected.
        window: Side of the square window over which μ and σ are taken, pixels; odd.
        constant: C > 0, in levels of 255: what keeps flat regions from being amplified.

    Returns:
        (N, 1, H, W); 0 on constant images up to rounding.
    """
    with full_precision(grey) as given:
        # σ² is the difference of two means: smaller numbers leave a smaller rounding error.
        x = given - 0.5
        mean = _box(x, window)
        variance = (_box(x.square(), window) - mean.square()).clamp_min(0)
        return ((x - mean) / (variance.sqrt() + constant / 255)).to(grey.dtype)


def cut_patches(x: Tensor, size: int) -> Tensor:
    """Cut crops (N, C, H, W) into j × k patches side by side, j = ⌊H / size⌋, k = ⌊W / size⌋.

    What does not fill a patch is left out, equally on both sides.

    Returns:
        (N · j · k, C, size, size): a crop's patches row by row, then the next crop's.

    Raises:
        ValueError: The crops are smaller than a patch.
    """
    count, channels, *sides = x.shape
    if min(sides) < size:
        raise ValueError(
            f"Expected crops of at least {size} pixels per side, one patch; found {min(sides)}. "
            "Raise crops.size."
        )
    down, across = (side // size for side in sides)
    top, left = (side % size // 2 for side in sides)
    x = x[:, :, top : top + down * size, left : left + across * size]
    rows = x.reshape(count, channels, down, size, across, size).permute(0, 2, 4, 1, 3, 5)
    return rows.reshape(-1, channels, size, size)


def _box(x: Tensor, window: int) -> Tensor:
    padded = F.pad(x, (window // 2,) * 4, mode="reflect")
    return F.avg_pool2d(padded, window, stride=1)


SYSTEM = System(
    name="cnniqa",
    stages=(
        Stage(
            name="cnniqa",
            settings=CNNIQAStageSettings,
            network=lambda settings, _: CNNIQANet(settings.network),
            task="hmtnet.models.cnniqa.task:CNNIQATask",
        ),
    ),
)
