"""Fusing the perspectives of a crop, level by level."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.models.heads import normaliser

Pool = Literal["mean", "mean_std", "saliency"]


class PerspectiveFusion(nn.Module):
    """Attention over the perspectives of one level.

    Each perspective's map is pooled to a vector and normalised; a shared linear map scores the
    vectors; their softmax weights the sum. The weights say which perspective a judgement rests on.
    Ours.

    Args:
        channels: C, the level's channels.
        pool: ``"mean"``; ``"mean_std"``: mean and standard deviation over the places, since damage
            shows in how responses vary, not only in how strong they are; ``"saliency"``: the mean
            with places weighted by the crop's saliency.

    Attributes:
        width: Length of the fused vector: C, or 2·C with deviations.
    """

    def __init__(self, channels: int, pool: Pool) -> None:
        super().__init__()
        self.pool = pool
        self.width = 2 * channels if pool == "mean_std" else channels
        self.relevance = nn.Linear(self.width, 1)
        nn.init.zeros_(self.relevance.weight)
        nn.init.zeros_(self.relevance.bias)
        self.normalise = normaliser(self.width)

    def forward(self, maps: Tensor, saliency: Tensor | None) -> tuple[Tensor, Tensor]:
        """Fuse maps (N, V, C, h, w) of V perspectives.

        Args:
            maps: The level's maps.
            saliency: (N, 1, P, P) in [0, 1]; needed by the saliency pool only.

        Returns:
            The fused vector (N, width) and the attention (N, V), which sums to 1.
        """
        if self.pool == "saliency":
            assert saliency is not None
            height, width = maps.shape[-2:]
            weight = F.adaptive_avg_pool2d(saliency, (height, width)).float() + 1e-3
            weight = (weight / weight.sum((2, 3), keepdim=True)).unsqueeze(1)
            pooled = (maps.float() * weight).sum((3, 4))  # in float16 most weights would vanish
        elif self.pool == "mean_std":
            # Squares need float32, and a root needs a slope at a flat map.
            variance, mean = torch.var_mean(maps.float(), (3, 4), correction=0)
            pooled = torch.cat([mean, (variance + 1e-6).sqrt()], 2)
        else:
            pooled = maps.mean((3, 4))
        # Levels and perspectives differ in scale by nature; none may drown another by that alone.
        pooled = self.normalise(pooled.float())
        attention = self.relevance(pooled).float().softmax(1)
        return (attention * pooled).sum(1), attention.squeeze(2)
