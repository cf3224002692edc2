"""Losses that compare maps place by place, in the neighbourhood of each place."""

import torch
from torch import Tensor

from hmtnet.losses.checks import at_least_float32, check_shape

# Constants of luminance and of contrast for values whose range is 1.
C1, C2 = 0.01**2, 0.03**2


def ssim_loss(predicted: Tensor, target: Tensor, window: int = 11, sigma: float = 1.5) -> Tensor:
    """Ask for the target's local structure: 1 − SSIM.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP
    2004, eq. (13): means, variances and covariance under a Gaussian window, averaged over the
    places where the whole window fits.

    Args:
        predicted: (N, C, H, W); each channel is compared by itself.
        target: (N, C, H, W), in the unit of ``predicted``, whose range is 1.
        window: Side of the window in pixels, odd.
        sigma: Standard deviation of the window in pixels, > 0.

    Returns:
        A scalar in [0, 2], 0 where the maps are equal; 0, with a gradient of zeros, if N is 0.

    Raises:
        ValueError: Shapes disagree, the window is even, its ``sigma`` is not positive, or the maps
            are smaller than the window.

    >>> import torch
    >>> ramp = torch.linspace(0, 1, 144).view(1, 1, 12, 12)
    >>> ssim_loss(ramp, ramp).item()
    0.0
    """
    _check(predicted, target, window, sigma)
    if len(predicted) == 0:
        return 0 * predicted.sum()
    x, y = at_least_float32(predicted), at_least_float32(target)
    place = torch.arange(window, dtype=x.dtype, device=x.device) - window // 2
    weights = (-place.square() / (2 * sigma**2)).softmax(0)
    blurred = _blur(torch.stack([x, y, x * x + y * y, x * y]), weights)
    mean_x, mean_y, squares, product = blurred.unbind(0)
    luminance = (2 * mean_x * mean_y + C1) / (mean_x**2 + mean_y**2 + C1)
    variances = squares - mean_x**2 - mean_y**2
    structure = (2 * (product - mean_x * mean_y) + C2) / (variances + C2)
    return 1 - (luminance * structure).mean()


def _blur(x: Tensor, weights: Tensor) -> Tensor:
    """Average the last two dimensions under a separable window, where it fits.

    Not a convolution, which a GPU would round to ten bits (TF32): the variance, a small difference
    of large numbers, would be lost.
    """
    size = len(weights)
    x = (x.unfold(-2, size, 1) * weights).sum(-1)
    return (x.unfold(-1, size, 1) * weights).sum(-1)


def _check(predicted: Tensor, target: Tensor, window: int, sigma: float) -> None:
    if predicted.ndim != 4:
        raise ValueError(f"Expected maps of shape (N, C, H, W); found {tuple(predicted.shape)}.")
    check_shape("target", target, tuple(predicted.shape), of="the predicted maps")
    if window < 1 or window % 2 == 0:
        raise ValueError(f"Expected an odd window; found {window}.")
    if not sigma > 0:
        raise ValueError(f"Expected sigma > 0 pixels; found {sigma}.")
    if min(predicted.shape[2:]) < window:
        raise ValueError(
            f"Expected maps of at least {window} x {window}, the window of SSIM; found "
            f"{tuple(predicted.shape)}. Take larger crops, or a smaller window."
        )
