"""The gradient perspective: where and how steeply an image changes."""

import torch
from kornia.filters import spatial_gradient
from torch import Tensor

from hmtnet.perception.checks import check_rgb, full_precision
from hmtnet.perception.colour import luminance


def sobel(rgb: Tensor, epsilon: float = 2**-10) -> Tensor:
    """Differentiate the luminance by Sobel's operator; the border is replicated.

    The magnitude is √(g_x² + g_y² + ε²) − ε. The plain √(g_x² + g_y²) has no derivative where the
    image is flat, and √(… + ε²) alone is not zero there; this one is differentiable everywhere and
    exactly zero on flat regions, since ε is a power of two and so ε² and its root are exact, also
    with the last-digit rounding of the filter added. The default is a quarter of the step between
    two 8-bit values: small enough to leave every visible edge alone. (The magnitude is ours.)

    Args:
        rgb: (B, 3, H, W) in [0, 1].
        epsilon: ε > 0, best a power of two.

    Returns:
        (B, 3, H, W): g_x, g_y in [-0.5, 0.5], luminance per pixel (a ramp that rises by s a pixel
        to the right has g_x = s), and their magnitude, at least 0. Differentiable.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        slopes = spatial_gradient(luminance(x), mode="sobel", order=1, normalized=True).squeeze(1)
        magnitude = (slopes.square().sum(1, keepdim=True) + epsilon**2).sqrt() - epsilon
        return torch.cat([slopes, magnitude], dim=1).to(rgb.dtype)
