"""The texture perspective: what is too fine for a blurred copy to show."""

import math

from kornia.filters import gaussian_blur2d
from torch import Tensor

from hmtnet.perception.checks import check_rgb, full_precision


def residual(rgb: Tensor, sigma: float = 1.5) -> Tensor:
    """Subtract the Gaussian blur: x − G_σ(x), the high frequencies of every channel.

    The default σ = 1.5 halves the amplitude at √(2 ln 2)/σ ≈ π/4, the highest frequency that a
    picture reduced by 4 can carry: about the band that a ×4 SR method has to invent (ours).

    Args:
        rgb: (B, 3, H, W) in [0, 1]; H and W must exceed the kernel's radius ⌈3σ⌉, since the border
            is reflected.
        sigma: Standard deviation of the Gaussian in pixels, > 0.

    Returns:
        (B, 3, H, W) in [-1, 1]; 0 on constant images up to rounding. Differentiable.

    Raises:
        ValueError: ``rgb`` has another shape, no floating-point dtype, or is too small to reflect;
            or ``sigma`` is not positive.
    """
    check_rgb(rgb)
    if not sigma > 0:
        raise ValueError(f"Expected sigma > 0 pixels; found {sigma}.")
    radius = math.ceil(3 * sigma)
    height, width = rgb.shape[-2:]
    if height <= radius or width <= radius:
        raise ValueError(
            f"Expected images of more than {radius} pixels a side, for a blur of sigma {sigma} "
            f"that reflects the border; found {height}x{width}. Pad them, or lower sigma."
        )
    with full_precision(rgb) as x:
        blurred = gaussian_blur2d(x, 2 * radius + 1, (sigma, sigma), border_type="reflect")
        return (x - blurred).to(rgb.dtype)
