"""What is predicted: how visible each error is, and the binomial pyramid that carries it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.perception.checks import check_rgb, full_precision

Size = tuple[int, int]


def gray(rgb: Tensor) -> Tensor:
    """Weigh the channels: 0.2989 R + 0.5870 G + 0.1140 B.

    The published weights, ITU-R BT.601's with one more digit; they add up to 0.9999.

    Args:
        rgb: (N, 3, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [0, 0.9999], at least float32.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        return 0.2989 * x[:, 0:1] + 0.5870 * x[:, 1:2] + 0.1140 * x[:, 2:3]


def error_map(distorted: Tensor, reference: Tensor) -> Tensor:
    """Say of each pixel how little it errs, on a logarithmic scale.

        e = (2 ln 255 − ln((255 (r − d))² + 1)) / (2 ln 255)

    1 where both are equal, 0.94 for one 8-bit level, 0.17 for a hundred of them, 0 for the full
    range (where rounding would leave −10⁻⁶, it is clamped).

    Args:
        distorted: Gray d (N, 1, H, W) in [0, 1].
        reference: Gray r (N, 1, H, W) in [0, 1].

    Returns:
        (N, 1, H, W) in [0, 1].

    Raises:
        ValueError: Shapes disagree.
    """
    if distorted.shape != reference.shape:
        raise ValueError(
            f"Expected distorted and reference of one shape; found {tuple(distorted.shape)} and "
            f"{tuple(reference.shape)}."
        )
    most = 2 * math.log(255)
    with full_precision(reference - distorted) as difference:
        return (1 - torch.log1p((255 * difference).square()) / most).clamp_min(0)


class Pyramid(nn.Module):
    """Halving and enlarging by the 5 × 5 binomial kernel [1, 4, 6, 4, 1]² / 256, fixed.

    Enlarging is four times the transpose of halving. The border is replicated (ours): beyond zeros,
    a constant map would darken towards its border, and an image without any error would seem to
    have some there.
    """

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        row = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
        self.register_buffer("kernel", torch.outer(row, row), persistent=False)

    def halve(self, x: Tensor) -> Tensor:
        """Halve maps (N, C, H, W) to (N, C, ⌈H/2⌉, ⌈W/2⌉); a constant stays."""
        padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
        return F.conv2d(padded, self._weight(x), stride=2, groups=x.shape[1])

    def enlarge(self, x: Tensor, size: Size) -> Tensor:
        """Enlarge maps (N, C, h, w) to (N, C, H, W).

        Args:
            x: The maps.
            size: (H, W), the size of what `halve` made ``x`` from: 2h or 2h − 1, and so for w.
        """
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        doubled = F.conv_transpose2d(padded, 4 * self._weight(x), stride=2, groups=x.shape[1])
        # The first place of x, after one of padding, is the fourth here.
        return doubled[..., 4 : 4 + size[0], 4 : 4 + size[1]]

    def quarter(self, x: Tensor) -> Tensor:
        """Halve twice."""
        return self.halve(self.halve(x))

    def high_pass(self, x: Tensor) -> Tensor:
        """Subtract from maps (N, C, H, W) what survives halving and enlarging twice."""
        half = self.halve(x)
        low = self.enlarge(self.halve(half), (half.shape[-2], half.shape[-1]))
        return x - self.enlarge(low, (x.shape[-2], x.shape[-1]))

    def _weight(self, x: Tensor) -> Tensor:
        """Return the kernel once per channel, (C, 1, 5, 5)."""
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, 5, 5)
