"""Deformable fusion: convolution that looks where attention points, in the reference."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from hmtnet.errors import SettingsError

Fusion = Literal["deformable", "none"]

KERNEL = 3
# What brings maps of stride 4 to a transformer's stride, behind a first convolution of stride 2.
SECOND_STRIDE = {8: 1, 16: 2}


class DeformableFusion(nn.Module):
    """Bring the CNN's maps to the transformer's size, sampled where the reference says.

    Both images are sampled at the same places: those that the *reference*'s transformer maps point
    at. The distorted image's own would be distorted too.

    The offsets start at zero, so that training begins with an ordinary convolution (ours; so do
    Dai et al., ICCV 2017).

    Args:
        transformer: Channels of the transformer's maps, F.
        cnn: Channels of the CNN's maps, C; also those of the output.
        width: Channels between the last two convolutions.
        patch: Side of the transformer's patches, pixels.
        kind: ``"none"`` puts an ordinary convolution of the same shape in place of the deformable
            one (the paper's ablation, as we understand it).

    Raises:
        SettingsError: Patches are of neither 8 nor 16 pixels.
    """

    def __init__(self, transformer: int, cnn: int, width: int, patch: int, kind: Fusion) -> None:
        super().__init__()
        if patch not in SECOND_STRIDE:
            raise SettingsError(
                f"Fusion brings the CNN's maps to a transformer's patches of 8 or 16 pixels, found "
                f"{patch}. Choose a transformer such as vit_tiny_patch16_224."
            )
        self.kind = kind
        self.sample = nn.Conv2d(cnn, cnn, KERNEL, padding=1)
        if kind == "deformable":
            self.offsets = nn.Conv2d(transformer, 2 * KERNEL**2, KERNEL, padding=1)
            for parameter in self.offsets.parameters():
                nn.init.zeros_(parameter)
        self.reduce = nn.Sequential(
            nn.Conv2d(cnn, width, 3, stride=2, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, cnn, 3, stride=SECOND_STRIDE[patch], padding=1),
        )

    def forward(self, cnn: Tensor, reference: Tensor) -> Tensor:
        """Fuse.

        Args:
            cnn: (2N, C, P / 4, P / 4) of N distorted crops, then of their N references.
            reference: (N, F, h, h), the transformer's maps of the references.

        Returns:
            (2N, C, h, h).
        """
        if self.kind == "none":
            x = self.sample(cnn)
        else:
            # Nearest, as published: each place inside a patch is told by that patch alone.
            near = F.interpolate(reference, cnn.shape[-2:], mode="nearest")
            offsets = self.offsets(near)
            x = deformed(cnn, torch.cat([offsets, offsets]), self.sample)
        reduced: Tensor = self.reduce(x)
        return reduced


def deformed(x: Tensor, offsets: Tensor, convolution: nn.Conv2d) -> Tensor:
    """Apply a convolution whose taps are displaced (Dai et al., ICCV 2017; without modulation).

    In float32 also under autocast: half precision would round places, not only values.

    Args:
        x: (B, C, H, W).
        offsets: (B, 2·k·k, H, W), pixels: (dy, dx) of each tap, row by row.
        convolution: Its weight, bias and padding; stride 1.
    """
    assert convolution.bias is not None and isinstance(convolution.padding, tuple)
    displaced: Tensor = deform_conv2d(
        x.float(),
        offsets.float(),
        convolution.weight,
        convolution.bias,
        padding=convolution.padding,
    )
    return displaced
