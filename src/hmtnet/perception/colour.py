"""From colour to luminance."""

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
