"""The fine, early maps of a convolutional backbone."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import Backbone, BackboneSettings

STRIDE = 4


class EarlyMaps(nn.Module):
    """What a backbone sees at a quarter of the input's resolution.

    Of a ResNet, the outputs of all blocks of its first stage (AHIQ); of any other
    backbone, its level of stride 4 (ours: for machines that a ResNet-50 is too large for). What
    lies behind is not kept.

    Attributes:
        backbone: The shortened backbone.
        channels: Of the output.
        loaded: Whether trained weights were loaded.

    Args:
        settings: Which backbone.

    Raises:
        SettingsError: It has no level of stride 4, or cannot be shortened there.
        WeightsError: Its weights are not there, or do not fit.
    """

    def __init__(self, settings: BackboneSettings) -> None:
        super().__init__()
        # A plain encoder's third level is its first of stride 4.
        plain = settings.name == "plain"
        short = dataclasses.replace(settings, widths=settings.widths[:3]) if plain else settings
        self.backbone = Backbone(short)
        self.loaded = self.backbone.loaded
        if STRIDE not in self.backbone.reductions:
            raise SettingsError(
                f"Backbone '{settings.name}' has levels of stride {self.backbone.reductions}: "
                f"expected one of stride {STRIDE}. Choose another one, such as resnet50.a1_in1k"
                + (", or give at least 3 widths." if plain else ".")
            )
        level = self.backbone.reductions.index(STRIDE)
        channels = self.backbone.channels[level]
        self.blocks = 1 if plain else _shorten(self.backbone, level, settings.name)
        self.channels = self.blocks * channels

    def forward(self, normalised: Tensor) -> Tensor:
        """Look at a normalised input (B, 3, P, P).

        Returns:
            (B, channels, P / 4, P / 4): the blocks' outputs from first to last.
        """
        if self.blocks == 1:
            coarsest: Tensor = self.backbone(normalised)[-1]
            return coarsest
        x = normalised.contiguous(memory_format=torch.channels_last)
        maps: list[Tensor] = []
        for name, module in self.backbone.body.named_children():
            if name != "layer1":
                x = module(x)
                continue
            for block in module.children():
                x = block(x)
                maps.append(x)
        return torch.cat(maps, 1)


def _shorten(backbone: Backbone, level: int, name: str) -> int:
    """Drop what lies behind a level: it would be computed and stored, and never be looked at.

    Returns:
        How many blocks give a map: those of a ResNet's first stage, else 1, the level itself.
    """
    from timm.models._features import FeatureListNet
    from timm.models.efficientnet import EfficientNetFeatures

    body: Any = backbone.body
    info = body.feature_info.get_dicts()[level]
    if isinstance(body, FeatureListNet):
        last = info["module"].replace(".", "_")
        names = list(body.keys())
        for later in names[names.index(last) + 1 :]:
            del body[later]
        return len(list(body[last].children())) if last == "layer1" else 1
    if isinstance(body, EfficientNetFeatures):
        body.blocks = body.blocks[: info["stage"]]
        return 1
    raise SettingsError(
        f"Backbone '{name}' is a {type(body).__name__}, of which the early levels cannot be kept "
        "alone. Choose a ResNet (resnet50.a1_in1k), MobileNetV2 (mobilenetv2_100.ra_in1k) or "
        "'plain'."
    )
