"""Super-resolution that goes wrong in the ways people know: halos, wax, false texture, grids.

Every function takes a low-resolution luma (h, w) in [0, 1] and returns the high-resolution one
(h·scale, w·scale), not clipped; a constant stays that constant.
"""

import numpy as np
from scipy import ndimage
from skimage.restoration import denoise_tv_chambolle

from hmtnet.data.demo.pixels import Image, enlarge, lanczos


def over_sharpened(low: Image, scale: int, amount: float) -> Image:
    """Enlarge and apply a strong unsharp mask: halos along every edge.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        amount: How much of the difference from the blurred image is added.
    """
    high = enlarge(low, scale, lanczos)
    return high + amount * fine_detail(high, 0.6 * scale)


def over_smoothed(low: Image, scale: int, weight: float) -> Image:
    """Enlarge and remove total variation: flat areas like wax, edges kept.

    Rudin, Osher and Fatemi, Physica D 1992, by Chambolle's algorithm (JMIV 2004).

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        weight: How much variation is removed.
    """
    high = enlarge(low, scale)
    # A decorator of scikit-image's hides the types.
    smooth = denoise_tv_chambolle(high, weight=weight, max_num_iter=40)  # type: ignore[no-untyped-call]
    return np.asarray(smooth, dtype=np.float64)


def hallucinated(low: Image, scale: int, amount: float, texture: Image) -> Image:
    """Sharpen, then paint foreign texture wherever the image is busy, as adversarial networks do.

    Ours: the fine detail of another photograph, evened out and scaled by the local contrast of the
    enlarged image. It looks detailed and is wrong.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        amount: Contrast of the painted texture relative to the image's own.
        texture: Luma of a photograph, at least as large as the result.
    """
    high = enlarge(low, scale)
    height, width = high.shape
    fine = fine_detail(texture, 0.6 * scale)
    # Bounded, for the few deep cracks between the stones would dominate.
    fine = np.tanh(fine[:height, :width] / np.std(fine))
    busy = np.sqrt(_local_variance(high, 1.5 * scale))
    crisp = high + 0.8 * fine_detail(high, 0.4 * scale)
    return np.asarray(crisp + amount * busy * fine, dtype=np.float64)


def gridded(low: Image, scale: int, amount: float) -> Image:
    """Enlarge with the uneven overlap of a transposed convolution: a grid of the scale's period.

    Odena, Dumoulin and Olah, "Deconvolution and checkerboard artifacts", Distill 2016: every output
    pixel collects a sum of kernel taps that depends on its place in the grid. Here the unevenness
    scales with the local contrast, so that flat areas stay clean as they do in trained networks.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        amount: Contrast of the grid relative to the image's own.
    """
    high = enlarge(low, scale)
    rows, columns = np.indices(high.shape)
    wave = np.cos(2.0 * np.pi * rows / scale) + np.cos(2.0 * np.pi * columns / scale)
    busy = np.sqrt(_local_variance(high, 1.0 * scale))
    return np.asarray(high + amount * busy * wave, dtype=np.float64)


def fine_detail(plane: Image, sigma: float) -> Image:
    """Return what a Gaussian blur takes away."""
    return np.asarray(plane - ndimage.gaussian_filter(plane, sigma), dtype=np.float64)


def _local_variance(plane: Image, sigma: float) -> Image:
    """Return the variance under a Gaussian window."""
    mean = ndimage.gaussian_filter(plane, sigma)
    square = ndimage.gaussian_filter(plane * plane, sigma)
    return np.asarray(np.maximum(square - mean**2, 0.0), dtype=np.float64)
