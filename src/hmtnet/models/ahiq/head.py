"""From two images' features to a score: what each place says, and how much it counts."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Judged(NamedTuple):
    """What the head says of N crops.

    Attributes:
        score: (N,), the weighted mean over places.
        map: (N, 1, h, h), each place's score.
        weight: (N, 1, h, h) in (0, 1), how much it counts.
    """

    score: Tensor
    map: Tensor
    weight: Tensor


class ComparingHead(nn.Module):
    """Compare an image's features with its reference's, place by place (AHIQ).

    score = Σ s·w / Σ w over the places of a crop.

    Args:
        inputs: Channels of an image's features.
        embedding: Channels to which both images' features are brought, by the same map.
        widths: Channels of the three convolutions over [d - r, d, r].
    """

    def __init__(self, inputs: int, embedding: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        first, second, third = widths
        self.embed = nn.Conv2d(inputs, embedding, 1)
        self.compare = nn.Sequential(
            nn.Conv2d(3 * embedding, first, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(first, second, 3, padding=1),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        self.score = nn.Conv2d(third, 1, 1)
        self.weight = nn.Conv2d(third, 1, 1)
        # The middle of the scale is where a regression starts from, here as elsewhere.
        assert self.score.bias is not None
        nn.init.constant_(self.score.bias, 0.5)

    def differences(self, features: Tensor) -> Tensor:
        """Set features beside each other.

        Args:
            features: (2N, inputs, h, h) of N distorted crops, then of their N references.

        Returns:
            (N, 3·embedding, h, h): difference, distorted, reference.
        """
        distorted, reference = self.embed(features).chunk(2)
        return torch.cat([distorted - reference, distorted, reference], 1)

    def forward(self, features: Tensor) -> Judged:
        """Judge features (2N, inputs, h, h), ordered as in ``differences``."""
        compared = self.compare(self.differences(features))
        # In float32 also under autocast: bfloat16 has 128 values from 0.5 to 1, and would tie
        # scores.
        with torch.autocast(compared.device.type, enabled=False):
            score = self.score(compared.float())
            weight = self.weight(compared.float()).sigmoid()
            # Sigmoids of float32 can all be 0.
            total = weight.sum((1, 2, 3)).clamp_min(torch.finfo(weight.dtype).tiny)
            return Judged((score * weight).sum((1, 2, 3)) / total, score, weight)
