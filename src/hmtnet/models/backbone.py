"""One factory for all feature extractors: a small plain encoder, or any timm backbone."""

import difflib
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from hmtnet.errors import SettingsError, nearest
from hmtnet.models.weights import WeightedSettings, identity_of, load_backbone
from hmtnet.perception import mscn

NORMS = (nn.modules.batchnorm._BatchNorm,)


@dataclass(frozen=True, kw_only=True)
class BackboneSettings(WeightedSettings):
    """Which feature extractor, and what it starts from.

    Attributes:
        name: ``"plain"`` or a timm backbone by ``name.tag``.
        weights: ``"none"`` (random), ``"package"`` (those that an installed package brings; of the
            EfficientNet-Lites), ``"hub"`` (those of the tag) or a file's path.
        widths: Channels of the plain encoder's levels.
        norm: Batch norms: ``"train"`` learns statistics, ``"frozen"`` keeps the loaded ones also
            while fine-tuning, ``"auto"`` freezes exactly where weights are loaded. Folded weights
            (mean 0, variance 1) are destroyed by batch statistics, hence the default.
        view: How RGB in [0, 1] enters: ``"pixels"`` normalises it by the statistics that weights
            expect; ``"mscn"`` by local mean and contrast, from which an encoder without weights
            learns in fewer steps; ``"auto"`` looks at pixels exactly where weights are loaded.
    """

    name: str = "plain"
    weights: str = "none"
    widths: tuple[int, ...] = (16, 16, 32, 64)
    norm: Literal["auto", "frozen", "train"] = "auto"
    view: Literal["auto", "pixels", "mscn"] = "auto"

    def __post_init__(self) -> None:
        if self.name == "plain" and self.weights != "none":
            raise ValueError("weights: the plain encoder has none to load; set weights=none")
        if self.name == "plain" and (len(self.widths) < 2 or min(self.widths) < 1):
            raise ValueError(f"widths: expected at least 2 positive widths, found {self.widths}")

    def idle(self) -> set[str]:
        """Name what has no effect: the widths of another encoder."""
        return set() if self.name == "plain" else {"widths"}

    @property
    def frozen_norms(self) -> bool:
        """Whether batch norms stay in evaluation mode."""
        return self.norm == "frozen" or (self.norm == "auto" and self.weights != "none")

    @property
    def sees_mscn(self) -> bool:
        """Whether pixels enter by their local mean and contrast."""
        return self.view == "mscn" or (self.view == "auto" and self.weights == "none")

    def unweighted(self) -> Self:
        """Return the same architecture, to be filled from an artifact instead of weights."""
        return replace(self._decided(), weights="none")

    def identified(self) -> Self:
        """Return equal settings for equal networks: ``"auto"`` is what it means here."""
        return replace(self._decided(), weights=identity_of(self.name, self.weights, self.told_by))

    def _decided(self) -> Self:
        norm: Literal["frozen", "train"] = "frozen" if self.frozen_norms else "train"
        view: Literal["pixels", "mscn"] = "mscn" if self.sees_mscn else "pixels"
        return replace(self, norm=norm, view=view)


class Backbone(nn.Module):
    """A pyramid of features.

    Attributes:
        channels: Channels of each level, from fine to coarse.
        reductions: Stride of each level against the input, ascending.
        loaded: Whether pretrained weights were loaded; such parameters get the lower learning rate.
        mean, std: The input normalisation that the weights expect, of RGB in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: BackboneSettings) -> None:
        super().__init__()
        self.settings = settings
        self.loaded = settings.weights != "none"
        if settings.name == "plain":
            self.body: nn.Module = PlainEncoder(settings.widths)
            self.channels = list(settings.widths)
            self.reductions = [2**level for level in range(len(settings.widths))]
            mean: tuple[float, ...] = (0.5, 0.5, 0.5)
            std: tuple[float, ...] = (0.25, 0.25, 0.25)
        else:
            config = timm_config(settings.name)
            mean, std = config.mean, config.std
            self.body, self.channels, self.reductions = _timm_body(settings)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)
        self.train()

    def forward(self, normalised: Tensor) -> list[Tensor]:
        """Return the levels (B, C_l, H/r_l, W/r_l) of a normalised input (B, 3, H, W)."""
        # Channels last: twice as fast on two cores, and what tensor cores want.
        return list(self.body(normalised.contiguous(memory_format=torch.channels_last)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalise RGB in [0, 1] as the weights expect."""
        return mscn(pixels) if self.settings.sees_mscn else self.standardise(pixels)

    def standardise(self, pixels: Tensor) -> Tensor:
        """Bring RGB in [0, 1] to the mean and deviation that the weights expect."""
        return (pixels - self.mean) / self.std

    def train(self, mode: bool = True) -> Self:
        """Switch the mode, but leave frozen batch norms in evaluation mode."""
        super().train(mode)
        if self.settings.frozen_norms:
            for module in self.modules():
                if isinstance(module, NORMS):
                    module.eval()
        return self


class PlainEncoder(nn.Module):
    """Double 3×3 convolution + batch norm + ReLU per level, halved by max pooling in between.

    The contracting path of U-Net (Ronneberger et al., MICCAI 2015), with padding and batch norm.
    """

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (3, *widths[:-1])
        self.levels = nn.ModuleList(
            double_convolution(i, o) for i, o in zip(inputs, widths, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return one map per level, from full resolution downwards."""
        maps: list[Tensor] = []
        for level in self.levels:
            x = level(nn.functional.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps


def double_convolution(inputs: int, outputs: int) -> nn.Sequential:
    """Two times 3×3 convolution, batch norm, ReLU; size kept."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [
            nn.Conv2d(channels, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def timm_config(name: str) -> Any:
    """Return timm's configuration of the weights that ``name.tag`` means.

    Raises:
        SettingsError: There is no backbone, or no tag of it, of that name.
    """
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(name):
        # Not `nearest`: where nothing is near, it would list more than a thousand names.
        near = difflib.get_close_matches(architecture, ["plain", *timm.list_models()], n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "timm.list_models() names them."
        raise SettingsError(f"Unknown backbone '{name}': expected 'plain' or a timm name. {hint}")
    try:
        return timm.get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError as error:
        tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
        raise SettingsError(
            f"Backbone '{architecture}' has no tag '{tag}'.{nearest(tag, tags)}"
        ) from error


def _timm_body(settings: BackboneSettings) -> tuple[nn.Module, list[int], list[int]]:
    """Create a timm feature extractor and load its weights completely.

    Returns:
        The extractor, its channels and its reductions by level.
    """
    import timm

    name = settings.name
    try:
        body = timm.create_model(name, pretrained=False, features_only=True)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise SettingsError(f"Backbone '{name}' gives no feature pyramid ({error}).") from error
    info: Any = body.feature_info
    channels, reductions = info.channels(), info.reduction()
    layout = getattr(getattr(body, "output_fmt", None), "value", "NCHW")
    if layout != "NCHW" or sorted(set(reductions)) != reductions:
        raise SettingsError(
            f"Backbone '{name}' gives no feature pyramid (B, C, H, W) from fine to coarse: its "
            f"layout is {layout}, its reductions {reductions}. Choose a convolutional one."
        )
    if settings.weights != "none":
        load_backbone(body, settings.trained(), f"backbone '{name}'")
    return body, channels, reductions
