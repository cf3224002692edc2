"""Last layers that several systems share."""

import torch
from torch import Tensor, nn


class Regressor(nn.Linear):
    """A last layer (N, F) → (N,) that starts at the middle of the scale.

    In float32 also under autocast: bfloat16 has 128 values from 0.5 to 1, and would tie scores.
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, 1)
        nn.init.constant_(self.bias, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Regress."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float()).squeeze(1)


class NormalisedRegressor(nn.Module):
    """A last layer (N, F) → (N,) on features of any size, starting near the middle of the scale.

    Pooled features of a pretrained backbone are long vectors (about 20 in MobileNetV2, for a target
    that deviates by about 0.15): a linear layer's first scores on them cover several times the
    scale. So each feature vector is normalised (``normaliser``), and the weights start so small
    that first scores deviate by about 0.1. Ours.

    Args:
        features: F.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.normalise = normaliser(features)
        self.linear = Regressor(features)
        nn.init.normal_(self.linear.weight, std=0.1 / features**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Regress, in float32 also under autocast."""
        score: Tensor = self.linear(self.normalise(x.float()))
        return score


def normaliser(features: int) -> nn.LayerNorm:
    """Return a map (N, F) → (N, F) to mean 0 and deviation 1 of each vector, learning nothing.

    Of each vector, not of each feature over a batch: a judgement must not depend on what else is in
    the batch, and batches of 16 images are too small for statistics that a backbone learns from.
    """
    return nn.LayerNorm(features, elementwise_affine=False)
