"""HFEN: what an image has of high frequencies, by octave convolution.

Octave convolution: Chen et al., "Drop an Octave", ICCV 2019. That the high-frequency branch is
made of plain convolutions and of it, and drops its low path, is MFEN's; the rest is ours.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.errors import SettingsError

# Share of the channels at half resolution: before the first block, and after each.
ALPHAS = (0.0, 0.5, 0.5, 0.5, 0.0)


class OctaveConvolution(nn.Module):
    """A 3×3 convolution f between channels at full (H) and at half (L) resolution.

        Y_H = f(X_H) + up₂ f(X_L),  Y_L = f(X_L) + f(avgpool₂ X_H)

    With no low channels before and after, it is a plain convolution.

    Args:
        inputs: Channels of X_H and X_L together.
        outputs: Channels of Y_H and Y_L together.
        alpha_in: Share of the inputs that X_L has, in [0, 1); 0: there is no X_L.
        alpha_out: Share of the outputs that Y_L has, in [0, 1); 0 drops the low path.
        stride: Of every f.
    """

    def __init__(
        self, inputs: int, outputs: int, alpha_in: float, alpha_out: float, stride: int = 1
    ) -> None:
        super().__init__()
        low_in, low_out = int(alpha_in * inputs), int(alpha_out * outputs)
        self.high, self.low = outputs - low_out, low_out

        def f(i: int, o: int) -> nn.Conv2d | None:
            return nn.Conv2d(i, o, 3, stride, padding=1, bias=False) if i and o else None

        self.high_to_high = nn.Conv2d(inputs - low_in, self.high, 3, stride, padding=1, bias=False)
        self.high_to_low = f(inputs - low_in, low_out)
        self.low_to_high = f(low_in, self.high)
        self.low_to_low = f(low_in, low_out)

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Convolve.

        Args:
            high: X_H (B, C_H, h, w).
            low: X_L (B, C_L, ⌈h/2⌉, ⌈w/2⌉), None exactly where ``alpha_in`` is 0.

        Returns:
            Y_H (B, C'_H, ⌈h/s⌉, ⌈w/s⌉), and Y_L at half its size or None.
        """
        y_high = self.high_to_high(high)
        if self.low_to_high is not None and low is not None:
            y_high = y_high + F.interpolate(self.low_to_high(low), y_high.shape[-2:])
        if self.high_to_low is None:
            return y_high, None
        # Rounded up, as strided convolutions round: the halves of odd sizes fit each other.
        y_low = self.high_to_low(F.avg_pool2d(high, 2, ceil_mode=True))
        if self.low_to_low is not None and low is not None:
            y_low = y_low + self.low_to_low(low)
        return y_high, y_low


class OctaveBlock(nn.Module):
    """Octave convolution, and batch norm and ReLU on either path; arguments as there."""

    def __init__(
        self, inputs: int, outputs: int, alpha_in: float, alpha_out: float, stride: int
    ) -> None:
        super().__init__()
        self.convolution = OctaveConvolution(inputs, outputs, alpha_in, alpha_out, stride)
        self.norm_high = nn.BatchNorm2d(self.convolution.high)
        self.norm_low = nn.BatchNorm2d(self.convolution.low) if self.convolution.low else None

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Convolve, normalise and rectify both paths."""
        high, low = self.convolution(high, low)
        if self.norm_low is not None and low is not None:
            low = F.relu(self.norm_low(low))
        return F.relu(self.norm_high(high)), low


class HFEN(nn.Module):
    """Two 3×3 convolutions, then four octave blocks; what each has on its high path.

    Args:
        widths: Channels of the four blocks, high and low together.
        reductions: Stride of each block's output against the input; the first is 1, 2 or 4, each
            further one as large as the one before or twice that.

    Attributes:
        channels: Of the four maps.

    Raises:
        SettingsError: There are not four widths, or the reductions cannot be had.
    """

    def __init__(self, widths: Sequence[int], reductions: Sequence[int]) -> None:
        super().__init__()
        steps = [after / before for before, after in pairwise(reductions)]
        if len(widths) != 4 or min(widths) < 2:
            raise SettingsError(
                f"hfen_widths: expected 4 of at least 2 channels, found {list(widths)}"
            )
        if len(reductions) != 4 or reductions[0] not in (1, 2, 4) or not {*steps} <= {1, 2}:
            raise SettingsError(
                "The high-frequency branch follows a backbone with strides of 1, 2 or 4, then each "
                f"as large as the one before or twice that; found {list(reductions)}. Take another "
                "backbone, or go without that branch (hfen=false)."
            )
        first = widths[0]
        self.stem = nn.Sequential(
            *_convolution(3, first, 2 if reductions[0] > 1 else 1),
            *_convolution(first, first, 2 if reductions[0] > 2 else 1),
        )
        inputs, strides = (first, *widths[:-1]), (1, *map(int, steps))
        self.blocks = nn.ModuleList(
            OctaveBlock(*of_block)
            for of_block in zip(inputs, widths, ALPHAS, ALPHAS[1:], strides, strict=False)
        )
        self.channels = [w - int(a * w) for w, a in zip(widths, ALPHAS[1:], strict=True)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the high paths (B, C_i, ⌈H/r_i⌉, ⌈W/r_i⌉) of a normalised input (B, 3, H, W)."""
        high, low = self.stem(x), None
        maps: list[Tensor] = []
        for block in self.blocks:
            high, low = block(high, low)
            maps.append(high)
        return maps


def _convolution(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
