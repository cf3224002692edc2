"""The nested decoder: a coarse error map, a fine one on its features, a sensitivity on those."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.models.nemg.error import Pyramid, Size

Activation = Literal["relu", "leaky", "softplus"]
"""What ends a map. Where a whole map is below 0, ReLU leaves it no gradient, and it stays 0."""

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "leaky": F.leaky_relu,
    "softplus": F.softplus,
}


@dataclass
class ErrorMaps:
    """What the decoder says of N crops.

    Attributes:
        error_mse: (N, 1, h, w), at least 0: the coarse error map, 1 = no error.
        error_ssim: (N, 1, h, w), at least 0: the fine one.
        sensitivity: (N, 2, ⌈h/2⌉, ⌈w/2⌉), at least 0, or nearly (``leaky``): how much a place
            counts by the fine and by the coarse error.
    """

    error_mse: Tensor
    error_ssim: Tensor
    sensitivity: Tensor


def convolution(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True
) -> nn.Sequential:
    """Convolution and leaky ReLU; the size is kept up to the stride."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=bias)
    nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(layer, nn.LeakyReLU(inplace=True))


class MapHead(nn.Conv2d):
    """A 1×1 convolution (N, C, h, w) → (N, maps, h, w), in float32 also under autocast.

    Args:
        inputs: C.
        maps: How many.
        start: What the bias makes of features that are 0. Around 0 the ReLU of a whole map may
            start, and so stay, without a gradient (ours). None leaves the bias out.
        kaiming: Whether weights start by Kaiming's rule, as published, or smaller, as torch's do.
        activation: What ends the map.
    """

    def __init__(
        self,
        inputs: int,
        maps: int,
        start: float | None,
        kaiming: bool,
        activation: Activation = "relu",
    ) -> None:
        super().__init__(inputs, maps, 1, bias=start is not None)
        if kaiming:
            nn.init.kaiming_normal_(self.weight)
        self.activation = ACTIVATIONS[activation]
        if self.bias is not None and start is not None:
            inverse = math.log(math.expm1(start)) if activation == "softplus" else start
            nn.init.constant_(self.bias, inverse)

    def forward(self, x: Tensor) -> Tensor:
        """Read maps off features."""
        with torch.autocast(x.device.type, enabled=False):
            return self.activation(super().forward(x.float()))


class NestedDecoder(nn.Module):
    """Three tasks, each built on the features of the one before.

    Convolutions over concatenated features have no bias, as published.

    Args:
        inputs: Channels of the fine features.
        width: Channels of everything inside.
        pyramid: Halves and enlarges.
        kaiming: How the heads start, see `MapHead`.
        sensitivity: What ends the sensitivity map.
    """

    def __init__(
        self, inputs: int, width: int, pyramid: Pyramid, kaiming: bool, sensitivity: Activation
    ) -> None:
        super().__init__()
        self.pyramid = pyramid
        self.hints = nn.ModuleList(convolution(width, width, kernel=1) for _ in range(5))
        self.coarse = nn.ModuleList(
            convolution(width if later else inputs + width, width, bias=later)
            for later in (False, True, True, True, True)
        )
        self.fine = nn.ModuleList(convolution(n * width, width, bias=False) for n in (3, 2, 2, 2))
        self.seen = nn.ModuleList(
            convolution(3 * width, width, stride=stride, bias=False) for stride in (2, 1, 1)
        )
        self.error_mse = MapHead(width, 1, 0.5, kaiming)
        self.error_ssim = MapHead(width + 1, 1, None, kaiming)
        # Without a bias, the fine map starts around the coarse one, its last input.
        nn.init.ones_(self.error_ssim.weight[:, -1:])
        self.sensitivity = MapHead(width, 2, 1.0, kaiming, sensitivity)

    def forward(self, x: Tensor, semantic: Tensor) -> ErrorMaps:
        """Decode.

        Args:
            x: (N, C, h, w) fine features.
            semantic: (N, width, ⌈h/2⌉, ⌈w/2⌉) what they are features of.
        """
        size: Size = (x.shape[-2], x.shape[-1])
        halve = self.pyramid.halve
        hints = [hint(semantic) for hint in self.hints]
        hints[:3] = [self.pyramid.enlarge(hint, size) for hint in hints[:3]]

        m = [self.coarse[0](torch.cat([x, hints[0]], 1))]
        for layer in self.coarse[1:]:
            m.append(layer(m[-1]))
        error_mse = self.error_mse(m[4])

        s = [self.fine[0](torch.cat([m[0], m[1], hints[1]], 1))]
        for layer, features in zip(self.fine[1:], m[2:], strict=True):
            s.append(layer(torch.cat([s[-1], features], 1)))
        error_ssim = self.error_ssim(torch.cat([s[3], error_mse], 1))

        p = self.seen[0](torch.cat([s[0], s[1], hints[2]], 1))
        p = self.seen[1](torch.cat([p, halve(s[2]), hints[3]], 1))
        p = self.seen[2](torch.cat([p, halve(s[3]), hints[4]], 1))
        return ErrorMaps(error_mse, error_ssim, self.sensitivity(p))
