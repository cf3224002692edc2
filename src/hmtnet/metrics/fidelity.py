"""Full-reference fidelity: how close a distorted image is to its undistorted reference.

Written from the equations of the cited papers. The measures take luma in [0, 1] as float arrays of
shape (H, W), work in float64 and are symmetric in their two images. None is a human opinion.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, signal

from hmtnet.errors import DataError
from hmtnet.metrics.checks import require_unmasked

Plane = NDArray[np.float64]

_SSIM_SIGMA = 1.5
_SSIM_RADIUS = 5  # an 11 × 11 window
_SSIM_C1 = 0.01**2  # luminance and contrast constants of SSIM for a data range of 1
_SSIM_C2 = 0.03**2
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first
_GMSD_C = 170.0 / 255.0**2  # the paper's 170 is for 8-bit values
_HAAR_C = 30.0  # HaarPSI's constants, fitted by its authors on 8-bit values
_HAAR_ALPHA = 4.2


def luma(image: NDArray[np.uint8]) -> Plane:
    """Return the luma of an 8-bit RGB image.

    Args:
        image: RGB, shape (H, W, 3), uint8.

    Returns:
        Luma Y' = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) in [0, 1], shape (H, W), float64.

    Raises:
        DataError: If the image is not uint8 of that shape.
    """
    require_unmasked(image, "image")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(
            f"Luma needs an RGB image of shape (H, W, 3) and type uint8, but got shape "
            f"{image.shape} and type {image.dtype}. Convert it first, e.g. by Pillow's "
            f"convert('RGB')."
        )
    red, green, blue = np.moveaxis(image.astype(np.float64) / 255.0, 2, 0)
    return np.asarray(0.299 * red + 0.587 * green + 0.114 * blue, dtype=np.float64)


def ssim(reference: ArrayLike, distorted: ArrayLike) -> float:
    """Return the structural similarity index, at most 1 (identical).

    Wang et al., "Image quality assessment: from error visibility to structural similarity", TIP
    2004, eq. (13), with its 11 × 11 Gaussian window of σ = 1.5, averaged where the window fits.

    Args:
        reference: Luma in [0, 1], shape (H, W), at least 11 × 11.
        distorted: Luma of the same shape.

    Returns:
        The mean of the SSIM map, in [-1, 1]; higher is better.

    Raises:
        DataError: If the shapes differ or are too small, or a value is not finite.
    """
    first, second = _pair(reference, distorted, least=2 * _SSIM_RADIUS + 1)
    luminance, structure = _ssim_maps(first, second)
    return float(np.mean(luminance * structure))


def ms_ssim(reference: ArrayLike, distorted: ArrayLike) -> float:
    """Return the multi-scale structural similarity index, at most 1 (identical).

    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment",
    Asilomar 2003, eq. (7): contrast and structure at five dyadic scales, luminance at the coarsest.
    A negative mean of contrast and structure counts as 0, for its power is undefined.

    Args:
        reference: Luma in [0, 1], shape (H, W), at least 176 × 176, for five scales.
        distorted: Luma of the same shape.

    Returns:
        The index in [0, 1]; higher is better.

    Raises:
        DataError: If the shapes differ or are too small, or a value is not finite.
    """
    coarsest = 2 ** (len(_MS_SSIM_WEIGHTS) - 1)
    first, second = _pair(reference, distorted, least=(2 * _SSIM_RADIUS + 1) * coarsest)
    index = 1.0
    for level, weight in enumerate(_MS_SSIM_WEIGHTS):
        if level > 0:
            first, second = _halved(first), _halved(second)
        luminance, structure = _ssim_maps(first, second)
        last = level == len(_MS_SSIM_WEIGHTS) - 1
        mean = float(np.mean(luminance * structure if last else structure))
        index *= max(mean, 0.0) ** weight
    return index


def gmsd(reference: ArrayLike, distorted: ArrayLike, *, halve: bool = True) -> float:
    """Return the gradient magnitude similarity deviation, a distance: 0 is identical.

    Xue et al., "Gradient magnitude similarity deviation: a highly efficient perceptual image
    quality index", TIP 2014, eqs. (1)–(6): images averaged over 2 × 2 pixels and halved, Prewitt
    gradients divided by 3, and the standard deviation of their similarity map.

    Args:
        reference: Luma in [0, 1], shape (H, W), at least 6 × 6.
        distorted: Luma of the same shape.
        halve: Average and halve the images first, as the paper does for the usual viewing distance.
            Without, artefacts of one pixel's size count too.

    Returns:
        The deviation, in [0, 0.5]; lower is better.

    Raises:
        DataError: If the shapes differ or are too small, or a value is not finite.
    """
    first, second = _pair(reference, distorted, least=6)
    if halve:
        first, second = _halved(first), _halved(second)
    similar = _similarity(_prewitt_magnitude(first), _prewitt_magnitude(second), _GMSD_C)
    return float(np.std(similar))


def haarpsi(reference: ArrayLike, distorted: ArrayLike, *, halve: bool = True) -> float:
    """Return the Haar wavelet-based perceptual similarity index, at most 1 (identical).

    Reisenhofer et al., "A Haar wavelet-based perceptual similarity index for image quality
    assessment", Signal Processing: Image Communication 2018, the grey-scale form with C = 30 and
    α = 4.2: the two finest Haar scales are compared, the third says where it matters.
    Two flat images have no wavelet response to weigh by, and count as identical.

    Args:
        reference: Luma in [0, 1], shape (H, W), at least 16 × 16.
        distorted: Luma of the same shape.
        halve: Average and halve the images first, as the paper does for the usual viewing distance.
            Without, artefacts of one pixel's size count too.

    Returns:
        The index in [0, 1]; higher is better.

    Raises:
        DataError: If the shapes differ or are too small, or a value is not finite.
    """
    first, second = _pair(reference, distorted, least=16)
    if halve:
        first, second = _halved(first), _halved(second)
    first, second = 255.0 * first, 255.0 * second
    total, weights = 0.0, 0.0
    for axis in (0, 1):
        ours = [np.abs(_haar(first, level, axis)) for level in (1, 2, 3)]
        theirs = [np.abs(_haar(second, level, axis)) for level in (1, 2, 3)]
        similar = 0.5 * (
            _similarity(ours[0], theirs[0], _HAAR_C**2)
            + _similarity(ours[1], theirs[1], _HAAR_C**2)
        )
        weight = np.maximum(ours[2], theirs[2])
        total += float(np.sum(weight / (1.0 + np.exp(-_HAAR_ALPHA * similar))))
        weights += float(np.sum(weight))
    if weights == 0.0:
        return 1.0
    mean = total / weights
    # The inverse of the logistic function, rescaled so that identical images give 1.
    return float((np.log(mean / (1.0 - mean)) / _HAAR_ALPHA) ** 2)


def _pair(reference: ArrayLike, distorted: ArrayLike, least: int) -> tuple[Plane, Plane]:
    """Return both lumas as float64, checked."""
    for plane in (reference, distorted):
        require_unmasked(plane, "luma")
    first = np.asarray(reference, dtype=np.float64)
    second = np.asarray(distorted, dtype=np.float64)
    if first.ndim != 2 or first.shape != second.shape:
        raise DataError(
            f"A full-reference measure needs two lumas of one shape (H, W), but got {first.shape} "
            f"and {second.shape}. Bring colour images to luma first, and compare equal sizes."
        )
    if min(first.shape) < least:
        raise DataError(
            f"This measure needs at least {least} × {least} pixels, but got {first.shape}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("A full-reference measure needs finite values, but found NaN or infinity.")
    return first, second


def _similarity(first: Plane, second: Plane, constant: float) -> Plane:
    """Return 2ab + c over a² + b² + c, the pointwise similarity that all these measures share."""
    similar = (2.0 * first * second + constant) / (first**2 + second**2 + constant)
    return np.asarray(similar, dtype=np.float64)


def _ssim_maps(first: Plane, second: Plane) -> tuple[Plane, Plane]:
    """Return the maps of luminance and of contrast × structure, eqs. (6) and (9)–(10) of SSIM."""

    def mean(values: Plane) -> Plane:
        blurred = ndimage.gaussian_filter(values, _SSIM_SIGMA, radius=_SSIM_RADIUS)
        inner = slice(_SSIM_RADIUS, -_SSIM_RADIUS)
        return np.asarray(blurred[inner, inner], dtype=np.float64)

    mean1, mean2 = mean(first), mean(second)
    variances = mean(first * first) - mean1**2 + mean(second * second) - mean2**2
    covariance = mean(first * second) - mean1 * mean2
    structure = (2.0 * covariance + _SSIM_C2) / (variances + _SSIM_C2)
    return _similarity(mean1, mean2, _SSIM_C1), np.asarray(structure, dtype=np.float64)


def _halved(plane: Plane) -> Plane:
    """Return the means of 2 × 2 blocks; an odd last row or column is left out."""
    height, width = (2 * (side // 2) for side in plane.shape)
    even = plane[:height, :width]
    blocks = even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]
    return np.asarray(blocks / 4.0, dtype=np.float64)


def _prewitt_magnitude(plane: Plane) -> Plane:
    """Return the gradient magnitude by Prewitt filters divided by 3, over their valid positions."""
    kernel = np.array([[1.0, 0.0, -1.0]] * 3) / 3.0
    horizontal = signal.convolve2d(plane, kernel, mode="valid")
    vertical = signal.convolve2d(plane, kernel.T, mode="valid")
    return np.asarray(np.hypot(horizontal, vertical), dtype=np.float64)


def _haar(plane: Plane, level: int, axis: int) -> Plane:
    """Return one orientation's Haar response at a dyadic level (without decimation)."""
    size = 2**level
    difference = np.repeat([1.0, -1.0], size // 2)
    flat = np.ones(size)
    along = ndimage.convolve1d(plane, difference, axis=axis, mode="constant")
    response = ndimage.convolve1d(along, flat, axis=1 - axis, mode="constant")
    return np.asarray(response / size, dtype=np.float64)
