"""From the colours of a screen to those of the eye."""

import torch
from torch import Tensor

from hmtnet.perception.checks import check_rgb, full_precision


def luminance(rgb: Tensor) -> Tensor:
    """Weigh the three channels by the eye's sensitivity: Y = 0.299 R + 0.587 G + 0.114 B.

    The weights are those of ITU-R BT.601, applied to the pixel values as they are stored (with
    gamma, which makes equal steps look about equal): the Y that JPEG, the SR literature's
    "PSNR on Y" and most quality measures use. They add up to 1, so grey keeps its value.

    Args:
        rgb: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) in [0, 1], differentiable.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.

    >>> import torch
    >>> round(luminance(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)).item(), 4)
    0.5925
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        y = 0.299 * x[:, 0:1] + 0.587 * x[:, 1:2] + 0.114 * x[:, 2:3]
        return y.to(rgb.dtype)


def lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIE L*a*b*, where equal distances look about equally different.

    IEC 61966-2-1 (sRGB) to CIE XYZ, and CIE 15 from there, with the white point D65. Written out
    channel by channel: as a convolution or matrix product, the usual form, it would be rounded to
    ten bits (TF32) on a GPU.

    Args:
        rgb: (B, 3, H, W) in [0, 1].

    Returns:
        (B, 3, H, W): L* in [0, 100], a* (green to red) and b* (blue to yellow) within ±110.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        curved = ((x + 0.055) / 1.055).clamp_min(0) ** 2.4
        red, green, blue = torch.where(x > 0.04045, curved, x / 12.92).unbind(1)
        # Each over its value for white.
        xyz = torch.stack(
            [
                (0.412453 * red + 0.357580 * green + 0.180423 * blue) / 0.950456,
                0.212671 * red + 0.715160 * green + 0.072169 * blue,
                (0.019334 * red + 0.119193 * green + 0.950227 * blue) / 1.088754,
            ]
        )
        root = xyz.clamp_min(0.008856) ** (1 / 3)
        x_, y_, z_ = torch.where(xyz > 0.008856, root, 7.787 * xyz + 16 / 116)
        return torch.stack([116 * y_ - 16, 500 * (x_ - y_), 200 * (y_ - z_)], dim=1).to(rgb.dtype)
