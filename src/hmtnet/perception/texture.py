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
    _check_sigma(rgb, sigma)
    with full_precision(rgb) as x:
        return (x - _blur(x, sigma)).to(rgb.dtype)


def mscn(rgb: Tensor, sigma: float = 1.0, floor: float = 0.003) -> Tensor:
    """Subtract the local mean and divide by the local contrast: (x − G_σ(x)) / (s + floor).

    Mean-subtracted contrast-normalised coefficients (Mittal, Moorthy and Bovik, TIP 2012, eqs. 1
    to 3). Busy and calm content come out alike, so that what is left is how detail looks, not how
    much of it there is. One contrast s serves all three channels (ours): dividing each by its own
    would paint grey noise in colours.

    Args:
        rgb: (B, 3, H, W) in [0, 1]; H and W must exceed the kernel's radius ⌈3σ⌉.
        sigma: Standard deviation of the Gaussian window in pixels, > 0.
        floor: What keeps flat regions from being amplified, in [0, 1] of the pixels' range; the
            default is three quarters of an 8-bit level.

    Returns:
        (B, 3, H, W), about within ±3; 0 on constant images up to rounding. Differentiable.

    Raises:
        ValueError: As for `residual`; or ``floor`` is not positive.
    """
    check_rgb(rgb)
    _check_sigma(rgb, sigma)
    if not floor > 0:
        raise ValueError(f"Expected floor > 0; found {floor}.")
    with full_precision(rgb) as x:
        centred = x - _blur(x, sigma)
        variance = _blur(centred.square().mean(1, keepdim=True), sigma)
        # The square root has no gradient at 0, where a constant region lies.
        contrast = (variance + floor**2 * 1e-4).sqrt()
        return (centred / (contrast + floor)).to(rgb.dtype)


def _blur(x: Tensor, sigma: float) -> Tensor:
    size = 2 * math.ceil(3 * sigma) + 1
    blurred: Tensor = gaussian_blur2d(x, size, (sigma, sigma), border_type="reflect")
    return blurred


def _check_sigma(rgb: Tensor, sigma: float) -> None:
    if not sigma > 0:
        raise ValueError(f"Expected sigma > 0 pixels; found {sigma}.")
    radius = math.ceil(3 * sigma)
    height, width = rgb.shape[-2:]
    if height <= radius or width <= radius:
        raise ValueError(
            f"Expected images of more than {radius} pixels a side, for a blur of sigma {sigma} "
            f"that reflects the border; found {height}x{width}. Pad them, or lower sigma."
        )
