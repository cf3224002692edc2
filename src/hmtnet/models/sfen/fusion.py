"""Fusing the perspectives of a crop, level by level."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

Pool = Literal["mean", "saliency"]


class PerspectiveFusion(nn.Module):
    """Attention over the perspectives of one level.

    Each perspective's map is pooled to a vector; a shared linear map scores the vectors; their
    softmax weights the sum. The weights say which perspective a judgement rests on. Ours.

    Args:
        channels: C, the level's channels.
        pool: ``"mean"``, or ``"saliency"``: places weighted by the crop's saliency.
    """

    def __init__(self, channels: int, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.relevance = nn.Linear(channels, 1)
        nn.init.zeros_(self.relevance.weight)
        nn.init.zeros_(self.relevance.bias)

    def forward(self, maps: Tensor, saliency: Tensor | None) -> tuple[Tensor, Tensor]:
        """Fuse maps (N, V, C, h, w) of V perspectives.

        Args:
            maps: The level's maps.
            saliency: (N, 1, P, P) in [0, 1]; needed by the saliency pool only.

        Returns:
            The fused vector (N, C) and the attention (N, V), which sums to 1.
        """
        if self.pool == "saliency":
            assert saliency is not None
            height, width = maps.shape[-2:]
            weight = F.adaptive_avg_pool2d(saliency, (height, width)).float() + 1e-3
            weight = (weight / weight.sum((2, 3), keepdim=True)).unsqueeze(1)
            pooled = (maps * weight.to(maps.dtype)).sum((3, 4))
        else:
            pooled = maps.mean((3, 4))
        attention = self.relevance(pooled).float().softmax(1)
        return (attention.to(pooled.dtype) * pooled).sum(1), attention.squeeze(2)
