"""VAN: a backbone whose attention is made of large depthwise kernels.

Guo, Lu, Liu, Cheng, Hu, "Visual Attention Network", Computational Visual Media 9(4), 2023. Modules
are called as in the widespread weights, so that such a file can be loaded by its path.
"""

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from hmtnet.errors import SettingsError, nearest
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.weights import load_backbone, read_weights, weights_file

PREFIX = "van_"
REDUCTIONS = (4, 8, 16, 32)
MLP_RATIOS = (8, 8, 4, 4)
# Of ImageNet, which every published VAN was trained with.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class VANSize:
    """Widths and depths of the four stages.

    Attributes:
        channels: Of each stage.
        depths: Blocks of each stage.
    """

    channels: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


# B0 to B3 are the paper's (table 2); tiny is ours, for the demo and the tests.
SIZES = {
    "van_tiny": VANSize((16, 32, 48, 64), (1, 1, 1, 1)),
    "van_b0": VANSize((32, 64, 160, 256), (3, 3, 5, 2)),
    "van_b1": VANSize((64, 128, 320, 512), (2, 2, 4, 2)),
    "van_b2": VANSize((64, 128, 320, 512), (3, 3, 12, 3)),
    "van_b3": VANSize((64, 128, 320, 512), (3, 5, 27, 3)),
}


class LKA(nn.Module):
    """Large kernel attention: x ⊙ Conv1×1(DW7×7, dilation 3 (DW5×5(x))) (the paper's eq. 3).

    The two depthwise kernels together reach as far as one of 21×21 would.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.conv_spatial = nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels)
        self.conv1 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Weight each place and channel of (B, C, h, w)."""
        attention: Tensor = self.conv1(self.conv_spatial(self.conv0(x)))
        return x * attention


class SpatialAttention(nn.Module):
    """1×1, GELU, LKA, 1×1, and the input added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.proj_1 = nn.Conv2d(channels, channels, 1)
        self.activation = nn.GELU()
        self.spatial_gating_unit = LKA(channels)
        self.proj_2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Attend to (B, C, h, w)."""
        inner = self.proj_2(self.spatial_gating_unit(self.activation(self.proj_1(x))))
        return x + cast("Tensor", inner)


class DepthwiseConvolution(nn.Module):
    """A 3×3 depthwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, h, w)."""
        return cast("Tensor", self.dwconv(x))


class ConvolutionalMLP(nn.Module):
    """1×1 to a multiple of the channels, 3×3 depthwise, GELU, 1×1 back."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, ratio * channels, 1)
        self.dwconv = DepthwiseConvolution(ratio * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Conv2d(ratio * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, h, w)."""
        return cast("Tensor", self.fc2(self.act(self.dwconv(self.fc1(x)))))


class Block(nn.Module):
    """Attention, then an MLP; each behind a batch norm, scaled by 0.01 at first, and added."""

    def __init__(self, channels: int, ratio: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.attn = SpatialAttention(channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.mlp = ConvolutionalMLP(channels, ratio)
        self.layer_scale_1 = nn.Parameter(torch.full((channels,), 0.01))
        self.layer_scale_2 = nn.Parameter(torch.full((channels,), 0.01))

    def forward(self, x: Tensor) -> Tensor:
        """Refine (B, C, h, w)."""
        attended: Tensor = self.layer_scale_1.view(-1, 1, 1) * self.attn(self.norm1(x))
        x = x + attended
        mapped: Tensor = self.layer_scale_2.view(-1, 1, 1) * self.mlp(self.norm2(x))
        return x + mapped


class PatchEmbedding(nn.Module):
    """An overlapping strided convolution and a batch norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Reduce (B, C, h, w)."""
        return cast("Tensor", self.norm(self.proj(x)))


class ChannelNorm(nn.LayerNorm):
    """A layer norm over the channels of each place of (B, C, h, w)."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        normalised: Tensor = super().forward(x.permute(0, 2, 3, 1))
        return normalised.permute(0, 3, 1, 2)


class VAN(nn.Module):
    """The four stages, without the classifier.

    Args:
        size: Widths and depths.
    """

    def __init__(self, size: VANSize) -> None:
        super().__init__()
        inputs = (3, *size.channels[:-1])
        stages = zip(inputs, size.channels, size.depths, MLP_RATIOS, strict=True)
        for i, (narrow, channels, depth, ratio) in enumerate(stages, start=1):
            kernel, stride = (7, 4) if i == 1 else (3, 2)
            blocks = nn.ModuleList(Block(channels, ratio) for _ in range(depth))
            self.add_module(f"patch_embed{i}", PatchEmbedding(narrow, channels, kernel, stride))
            self.add_module(f"block{i}", blocks)
            self.add_module(f"norm{i}", ChannelNorm(channels, eps=1e-6))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the four levels (B, C_i, ⌈H/r_i⌉, ⌈W/r_i⌉), r = 4, 8, 16, 32, of (B, 3, H, W)."""
        levels: list[Tensor] = []
        for i in range(1, 5):
            x = self.get_submodule(f"patch_embed{i}")(x)
            for block in cast("nn.ModuleList", self.get_submodule(f"block{i}")):
                x = block(x)
            x = self.get_submodule(f"norm{i}")(x)
            levels.append(x)
        return levels


class VANBackbone(Backbone):
    """A VAN as any other backbone.

    Args:
        settings: By name, ``van_b0`` and so on. Weights are a file's path or none; ``widths`` says
            nothing here.

    Raises:
        SettingsError: There is no VAN of that name, or its weights are wanted from the hub.
        WeightsError: The weights cannot be read or do not fit.
    """

    def __init__(self, settings: BackboneSettings) -> None:
        nn.Module.__init__(self)  # the factory's own would ask timm, which has no VAN
        check_van(settings)
        size = SIZES[settings.name]
        self.settings = settings
        self.loaded = settings.weights != "none"
        self.body: nn.Module = VAN(size)
        self.channels, self.reductions = list(size.channels), list(REDUCTIONS)
        if self.loaded:
            state = read_weights(weights_file(settings.weights))
            load_backbone(self.body, state, f"backbone '{settings.name}'")
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1), persistent=False)
        self.to(memory_format=torch.channels_last)
        self.train()


def extractor(settings: BackboneSettings) -> Backbone:
    """Make the backbone that settings name: a VAN, or what the factory makes."""
    return VANBackbone(settings) if settings.name.startswith(PREFIX) else Backbone(settings)


def check_van(settings: BackboneSettings) -> None:
    """Check what can be known of a VAN before it is built; other backbones pass.

    Raises:
        SettingsError: There is no VAN of that name, or its weights are wanted from the hub.
    """
    if not settings.name.startswith(PREFIX):
        return
    if settings.name not in SIZES:
        raise SettingsError(f"Unknown VAN '{settings.name}'.{nearest(settings.name, SIZES)}")
    if settings.weights == "hub":
        raise SettingsError(
            f"Backbone '{settings.name}' has no weights on the hub. Give the path of a file "
            "(weights=<file>), or start from random weights (weights=none)."
        )


def _initialise(module: nn.Module) -> None:
    """Draw a convolution's weights with variance 2 / fan-out, as the paper's authors do."""
    if isinstance(module, nn.Conv2d):
        kernel = math.prod(module.kernel_size)
        nn.init.normal_(
            module.weight, 0, math.sqrt(2 * module.groups / kernel / module.out_channels)
        )
        if module.bias is not None:
            nn.init.zeros_(module.bias)
