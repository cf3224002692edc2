"""Joining the maps of two branches, level by level."""

from collections.abc import Sequence
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Fuse = Literal["aff", "add", "concat"]


class AFF(nn.Module):
    """Attentional feature fusion (Dai et al., WACV 2021): a place decides whom it believes.

        M = σ(L(X + Y) + G(GAP(X + Y))),  Z = M ⊙ X + (1 − M) ⊙ Y

    L and G are each 1×1, batch norm, ReLU, 1×1, batch norm.

    Args:
        channels: C, of X, Y and Z.
        ratio: By how much L and G are narrower inside.
    """

    def __init__(self, channels: int, ratio: int = 4) -> None:
        super().__init__()
        inner = max(1, channels // ratio)
        self.local_attention = _bottleneck(channels, inner)
        self.global_attention = _bottleneck(channels, inner)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two maps (B, C, h, w) to one."""
        both = x + y
        everywhere = self.global_attention(both.mean((2, 3), keepdim=True))
        mask = torch.sigmoid(self.local_attention(both) + everywhere)
        return mask * x + (1 - mask) * y


class Add(nn.Module):
    """X + Y (an ablation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two maps (B, C, h, w) to one."""
        return x + y


class Concat(nn.Module):
    """A 1×1 convolution of both, batch norm, ReLU (an ablation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Fuse two maps (B, C, h, w) to one."""
        return cast("Tensor", self.mix(torch.cat([x, y], 1)))


FUSIONS: dict[Fuse, type[nn.Module]] = {"aff": AFF, "add": Add, "concat": Concat}


class LevelFusion(nn.Module):
    """Bring each map of a second branch to the width and size of the first's, and fuse them.

    Args:
        others: Channels of the second branch's maps.
        channels: Channels of the first's.
        fuse: How.
    """

    def __init__(self, others: Sequence[int], channels: Sequence[int], fuse: Fuse) -> None:
        super().__init__()
        # The norm brings them to the range of the first's, which are normalised already.
        self.adapters = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 1, bias=False), nn.BatchNorm2d(o))
            for i, o in zip(others, channels, strict=True)
        )
        self.fusions = nn.ModuleList(FUSIONS[fuse](c) for c in channels)

    def forward(self, levels: Sequence[Tensor], others: Sequence[Tensor]) -> list[Tensor]:
        """Fuse maps (B, C_i, h_i, w_i) with maps (B, C'_i, h'_i, w'_i) to the first's shapes."""
        parts = zip(self.adapters, self.fusions, levels, others, strict=True)
        return [fuse(level, _resized(adapt(other), level)) for adapt, fuse, level, other in parts]


def _resized(x: Tensor, like: Tensor) -> Tensor:
    """Average, or repeat, places until the size is that of ``like``."""
    size = like.shape[-2:]
    return x if x.shape[-2:] == size else F.adaptive_avg_pool2d(x, (size[0], size[1]))


def _bottleneck(channels: int, inner: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, inner, 1),
        nn.BatchNorm2d(inner),
        nn.ReLU(inplace=True),
        nn.Conv2d(inner, channels, 1),
        nn.BatchNorm2d(channels),
    )
