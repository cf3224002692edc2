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
