"""The arithmetic that all super-resolution methods share: 8-bit images, luma, resampling."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]  # (H, W, 3) or (H, W), nominally in [0, 1]
Kernel = Callable[[NDArray[np.float64]], NDArray[np.float64]]

# Values that should fall midway between two grey levels come out a few 1e-16 off, on a side that
# depends on the processor's order of summation. Moving the threshold a little settles them all.
_TIE = 1e-6


def to_bytes(image: Image) -> NDArray[np.uint8]:
    """Round an image in [0, 1] to 8 bits; values outside are clipped."""
    return np.floor(np.clip(image, 0.0, 1.0) * 255.0 + 0.5 + _TIE).astype(np.uint8)


def to_unit(image: NDArray[np.uint8]) -> Image:
    """Return an 8-bit image as float64 in [0, 1]."""
    return image.astype(np.float64) / 255.0


def split_luma(image: Image) -> tuple[Image, Image]:
    """Split RGB (H, W, 3) into luma (H, W) and what each channel differs from it (H, W, 3).

    The difference is zero for grey, so that a grey image stays grey whatever happens to its luma.
    """
    luma = 0.299 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]
    return luma, image - luma[..., None]


def box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest neighbour: 1 on [-½, ½)."""
    return ((x >= -0.5) & (x < 0.5)).astype(np.float64)


def triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear interpolation."""
    return np.maximum(1.0 - np.abs(x), 0.0)


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cubic convolution with a = -½ (Keys, TASSP 1981, eq. 15)."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sinc windowed by the main lobe of a three times wider sinc (Duchon, 1979)."""
    return np.where(np.abs(x) < 3.0, np.sinc(x) * np.sinc(x / 3.0), 0.0)


def resize(image: Image, height: int, width: int, kernel: Kernel = cubic) -> Image:
    """Resample an image; a reduction widens the kernel, which makes it anti-aliased.

    Pixel centres are aligned as in an area, and the image is continued by its border pixels.

    Args:
        image: Shape (H, W) or (H, W, 3).
        height: Rows of the result.
        width: Columns of the result.
        kernel: The interpolation kernel.

    Returns:
        The resampled image, not clipped.
    """
    resized = _resample(image, height, kernel)
    return np.ascontiguousarray(_resample(resized.swapaxes(0, 1), width, kernel).swapaxes(0, 1))


def enlarge(image: Image, scale: int, kernel: Kernel = cubic) -> Image:
    """Enlarge an image by a whole factor."""
    return resize(image, image.shape[0] * scale, image.shape[1] * scale, kernel)


def reduce(image: Image, scale: int) -> Image:
    """Reduce an image by a whole factor with an anti-aliased cubic kernel.

    This is how every low-resolution image of the demo set comes from its reference.
    """
    return resize(image, image.shape[0] // scale, image.shape[1] // scale)


def _resample(image: Image, target: int, kernel: Kernel) -> Image:
    """Resample the first axis."""
    taps, weights = _taps(image.shape[0], target, kernel)
    shape = (target,) + (1,) * (image.ndim - 1)
    resampled = np.zeros((target, *image.shape[1:]))
    # A matrix product would start a second set of threads inside ours.
    for tap, weight in zip(taps, weights, strict=True):
        resampled += weight.reshape(shape) * image[tap]
    return resampled


@lru_cache(maxsize=256)
def _taps(source: int, target: int, kernel: Kernel) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which source pixels make each target pixel, and their weights, both (taps, target)."""
    step = source / target
    widening = max(step, 1.0)
    centres = (np.arange(target) + 0.5) * step - 0.5
    reach = int(np.ceil(3.0 * widening)) + 1  # 3 is the widest kernel's radius
    positions = np.floor(centres) + np.arange(-reach, reach + 1)[:, None]
    weights = kernel((positions - centres) / widening)
    used = np.any(weights != 0.0, axis=1)
    taps = np.clip(positions[used], 0, source - 1).astype(np.intp)
    weights = weights[used] / weights.sum(axis=0)
    return taps, weights
