"""NEMGNet: predicted error maps, weighed by a predicted sensitivity.

Chen, Wang, Li and Liu, "Nested Error Map Generation Network for No-Reference Image Quality
Assessment", ICASSP 2021; what is theirs and what is ours is told in README.md beside this file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.data.crops import Crops
from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.maps import MapStyle
from hmtnet.models.nemg.decoder import Activation, NestedDecoder, convolution
from hmtnet.models.nemg.error import Pyramid, Size, error_map, gray
from hmtnet.models.nemg.stride import keep_third_stage_fine
from hmtnet.models.optimisation import FitSettings, OptimizerSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System
from hmtnet.perception.checks import full_precision

FINE = 4  # stride of the level that the decoder starts from, and of the error maps


@dataclass(frozen=True, kw_only=True)
class NEMGSettings:
    """Settings of a NEMGNet.

    Attributes:
        backbone: The feature extractor, fine-tuned as a whole.
        semantic: Channels of the 1×1 convolutions between its coarsest level and ``width``.
        width: Channels of the decoder.
        kaiming_heads: Whether the last layers of the maps and of the score start by Kaiming's rule,
            as published; or with torch's smaller weights, so that first scores are near the scale
            on the features of any backbone (ours).
        sensitivity: What ends the sensitivity map: ``"relu"``, as published, which may die and
            leave one score for all images; ``"leaky"`` or ``"softplus"``, which cannot.
        shave: How many places of the map at stride 8 are left out at each border before the mean,
            because their features have seen what padding made up.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    semantic: tuple[int, ...] = (1024, 512)
    width: int = 64
    kaiming_heads: bool = True
    sensitivity: Activation = "relu"
    shave: int = 4

    def __post_init__(self) -> None:
        if self.width < 1 or (self.semantic and min(self.semantic) < 1):
            raise ValueError(
                f"width, semantic: expected positive widths, found {self.width}, {self.semantic}"
            )
        if self.shave < 0:
            raise ValueError(f"shave: expected at least 0 places, found {self.shave}")


@dataclass(frozen=True, kw_only=True)
class NEMGLossSettings:
    """Weights of the three terms, and the window of one.

    Attributes:
        score: Of the smooth L1 distance of the score to the MOS; both are in [0, 1], where it is
            half the squared one.
        mse: Of the coarse error map's mean squared error.
        ssim: Of the fine error map's 1 - SSIM.
        window: Side of SSIM's Gaussian window, places of the map at stride 4; odd.
        sigma: Its standard deviation, places.
    """

    score: float = 1000.0
    mse: float = 50.0
    ssim: float = 150.0
    window: int = 11
    sigma: float = 1.5

    def __post_init__(self) -> None:
        for name in ("score", "mse", "ssim"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window: expected an odd number, found {self.window}")
        if self.sigma <= 0:
            raise ValueError(f"sigma: expected above 0, found {self.sigma}")

    def idle(self) -> set[str]:
        """Name what has no effect: the window of a term that is weighted by 0."""
        return set() if self.ssim else {"window", "sigma"}


@dataclass(frozen=True, kw_only=True)
class NEMGStageSettings(FitSettings):
    """Everything about NEMG's stage; its new layers learn at its authors' rate."""

    optimizer: OptimizerSettings = field(default_factory=lambda: OptimizerSettings(lr=2e-4))
    network: NEMGSettings = field(default_factory=NEMGSettings)
    loss: NEMGLossSettings = field(default_factory=NEMGLossSettings)

    def check(self) -> None:
        """Something must be left of the error maps."""
        size, window = self.crops.size, self.loss.window
        if reduced(size, FINE) < window:
            raise ValueError(
                f"crops.size: {size} pixels make error maps of {reduced(size, FINE)} places, "
                f"smaller than the window of SSIM, {window}; expected at least "
                f"{FINE * (window - 1) + 1} pixels"
            )
        try:
            check_shave(size, self.network.shave)
        except SettingsError as error:
            raise ValueError(str(error)) from error


class NEMGNet(QualityNetwork):
    """Backbone, nested decoder, and a score from the errors that are seen.

    Args:
        settings: Architecture.
    """

    learns_from_reference = True
    by_crop = True
    shows: Mapping[str, MapStyle] = {
        f"error_{name}": MapStyle(
            kind="local",
            title=f"predicted error, learnt by {loss}",
            hint="0: far from a perfect image, 1: no error",
            shades="unit",
        )
        for name, loss in (("mse", "squared error"), ("ssim", "SSIM"))
    }

    def __init__(self, settings: NEMGSettings) -> None:
        super().__init__()
        self.settings = settings
        self.backbone = Backbone(settings.backbone)
        keep_third_stage_fine(self.backbone)
        self._fine = fine_level(self.backbone.reductions)
        widths = (self.backbone.channels[-1], *settings.semantic, settings.width)
        self.semantic = nn.Sequential(*(convolution(i, o, kernel=1) for i, o in pairwise(widths)))
        self.pyramid = Pyramid()
        # One channel more: what is fine in the image itself.
        self.decoder = NestedDecoder(
            self.backbone.channels[self._fine] + 1,
            settings.width,
            self.pyramid,
            settings.kaiming_heads,
            settings.sensitivity,
        )
        self.score = nn.Conv2d(2, 1, 1)
        if settings.kaiming_heads:
            nn.init.kaiming_normal_(self.score.weight)
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, 0.5)

    def forward(self, crops: Crops) -> Prediction:
        """Score images: the mean over the scores of their crops.

        Args:
            crops: Crops (N, 3, P, P) of I images, RGB in [0, 1]; a reference is not looked at.

        Returns:
            Scores, and the maps ``error_mse`` and ``error_ssim`` (N, 1, ⌈P/4⌉, ⌈P/4⌉), about in
            [0, 1] with 1 = no error, which differ in the loss that taught them, and
            ``sensitivity`` (N, 2, ⌈P/8⌉, ⌈P/8⌉), at least 0 (nearly, if ``leaky``): how much
            each place counts by the one and by the other error.

        Raises:
            SettingsError: The crops are so small that shaving leaves nothing of their maps.
        """
        side, width = crops.pixels.shape[-2:]
        fine, middle, coarse = (
            (reduced(side, stride), reduced(width, stride)) for stride in (FINE, 2 * FINE, 4 * FINE)
        )
        shave = self.settings.shave
        check_shave(min(side, width), shave)
        levels = self.backbone(self.backbone.normalise(crops.pixels))
        semantic = self.semantic(_resized(levels[-1], coarse))
        x = torch.cat([_resized(levels[self._fine], fine), self.fine_detail(crops.pixels)], 1)
        maps = self.decoder(x, self.pyramid.enlarge(semantic, middle))
        # Float32 also under autocast, as every score: bfloat16 would tie crops.
        with torch.autocast(x.device.type, enabled=False):
            errors = self.pyramid.halve(torch.cat([maps.error_ssim, maps.error_mse], 1))
            seen = (maps.sensitivity * errors)[
                ..., shave : middle[0] - shave, shave : middle[1] - shave
            ]
            score = F.leaky_relu(self.score(seen)).mean((1, 2, 3))
        return Prediction(
            unit_score=crops.mean_by_image(score),
            maps={
                "error_mse": maps.error_mse,
                "error_ssim": maps.error_ssim,
                "sensitivity": maps.sensitivity,
            },
        )

    def fine_detail(self, pixels: Tensor) -> Tensor:
        """Return the high frequencies of a quarter-sized gray copy.

        Args:
            pixels: (N, 3, P, P) in [0, 1].

        Returns:
            (N, 1, ⌈P/4⌉, ⌈P/4⌉) in [-1, 1].
        """
        with full_precision(pixels) as x:
            return self.pyramid.high_pass(self.pyramid.quarter(gray(x)))

    def true_error(self, crops: Crops) -> Tensor:
        """Return what both error maps should be.

        Args:
            crops: Crops (N, 3, P, P) with their reference.

        Returns:
            (N, 1, ⌈P/4⌉, ⌈P/4⌉) in [0, 1], 1 = no error.

        Raises:
            ValueError: The crops carry no reference.
        """
        if crops.reference is None:
            raise ValueError(
                "Expected crops with their reference, found none: the true error is the difference "
                "to it. Load the data with references."
            )
        with full_precision(crops.pixels) as x:
            return self.pyramid.quarter(error_map(gray(x), gray(crops.reference)))


def reduced(side: int, stride: int) -> int:
    """Return a side ⌈P/stride⌉ of a map at a stride."""
    return -(-side // stride)


def check_shave(size: int, shave: int) -> None:
    """Refuse crops of whose map nothing would be left.

    Args:
        size: P, the side of the crops.
        shave: As in the settings.

    Raises:
        SettingsError: Nothing would be left.
    """
    side = reduced(size, 2 * FINE)
    if side <= 2 * shave:
        raise SettingsError(
            f"shave: {shave} places at each border leave nothing of a map of {side}, which crops "
            f"of {size} pixels have. Expected crops of more than {16 * shave} pixels, or shave "
            f"below {(side + 1) // 2}."
        )


def fine_level(reductions: list[int]) -> int:
    """Return the index of the level nearest to stride 4 that is not coarser, else of the finest."""
    return max((i for i, r in enumerate(reductions) if r <= FINE), default=0)


def _resized(level: Tensor, size: Size) -> Tensor:
    """Bring a level to the size of a map; those of a ResNet have it."""
    if level.shape[-2:] == size:
        return level
    return F.interpolate(level, size, mode="bilinear", align_corners=False)


SYSTEM = System(
    name="nemg",
    stages=(
        Stage(
            name="nemg",
            settings=NEMGStageSettings,
            network=lambda settings, _: NEMGNet(settings.network),
            task="hmtnet.models.nemg.task:NEMGTask",
        ),
    ),
    reference="training",
)
