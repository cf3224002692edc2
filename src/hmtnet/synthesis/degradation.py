"""From a reference to a low-resolution image: blur, resampling, noise and JPEG, in a drawn order.

The idea is that of BSRGAN (Zhang et al., ICCV 2021): which degradations, how strong and in which
order is drawn for each image. The limits are ours, and mild ones are the more frequent.
"""

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from scipy.signal import fftconvolve

from hmtnet.data.demo.pixels import (
    Image,
    Kernel,
    box,
    cubic,
    lanczos,
    resize,
    to_bytes,
    to_unit,
    triangle,
)
from hmtnet.synthesis.draws import Draws

KERNELS: dict[str, Kernel] = {
    "bicubic": cubic,
    "lanczos": lanczos,
    "bilinear": triangle,
    "area": box,
}
_SHARE = {"blur": 0.6, "noise": 0.45, "jpeg": 0.45}  # of the images that are not clean


@dataclass(frozen=True)
class Degradation:
    """How one low-resolution image is made.

    Attributes:
        order: The steps in their order: ``resample`` and those of ``blur``, ``noise``, ``jpeg``
            that were drawn.
        kernel: Of resampling, a name of `KERNELS`; all are anti-aliased.
        sigmas: Standard deviations of the Gaussian blur along its two axes, pixels of the
            low-resolution image; two equal ones blur alike everywhere.
        angle: Of the blur's first axis, degrees.
        gaussian: Standard deviation of the noise, grey levels; 0 for Poisson noise.
        photons: Photons per pixel of white, for Poisson noise.
        jpeg: Pillow's quality.
    """

    order: tuple[str, ...] = ("resample",)
    kernel: str = "bicubic"
    sigmas: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    gaussian: float = 0.0
    photons: float = 0.0
    jpeg: int = 0


def draw(draws: Draws, clean: float) -> Degradation:
    """Draw a degradation.

    Args:
        draws: Of one image.
        clean: Probability of the plain anti-aliased cubic reduction.
    """
    if draws.unit("clean") < clean:
        return Degradation()
    steps = [step for step, share in _SHARE.items() if draws.unit(step) < share]
    sigma = draws.geometric("sigma", 0.25, 1.6)
    stretch = draws.choice("isotropic", (1.0, draws.uniform("stretch", 0.3, 1.0)))
    gaussian = draws.choice("noise kind", (True, False))
    return Degradation(
        order=tuple(draws.shuffled("order", ["resample", *steps])),
        kernel=draws.choice("kernel", tuple(KERNELS)),
        sigmas=(sigma, round(sigma * stretch, 4)) if "blur" in steps else (0.0, 0.0),
        angle=draws.uniform("angle", 0.0, 180.0) if "blur" in steps and stretch < 1.0 else 0.0,
        gaussian=draws.geometric("gaussian", 1.0, 14.0) if "noise" in steps and gaussian else 0.0,
        photons=draws.geometric("photons", 60.0, 3000.0)
        if "noise" in steps and not gaussian
        else 0.0,
        jpeg=int(draws.uniform("jpeg quality", 35.0, 96.0)) if "jpeg" in steps else 0,
    )


def degrade(
    reference: NDArray[np.uint8], scale: float, degradation: Degradation, draws: Draws
) -> NDArray[np.uint8]:
    """Make the low-resolution image of a reference.

    Args:
        reference: RGB, shape (H, W, 3), uint8.
        scale: The scale factor, above 1; need not be whole.
        degradation: What to do.
        draws: Of this image; the noise is drawn from them.

    Returns:
        RGB, shape (round(H / scale), round(W / scale), 3), uint8.
    """
    image = to_unit(reference)
    height, width = (round(side / scale) for side in image.shape[:2])
    pixel = scale  # of the low-resolution image, in pixels of the image at hand
    for step in degradation.order:
        if step == "resample":
            image = resize(image, height, width, KERNELS[degradation.kernel])
            pixel = 1.0
        elif step == "blur":
            first, second = (sigma * pixel for sigma in degradation.sigmas)
            image = _blurred(image, first, second, degradation.angle)
        elif step == "noise":
            image = _noisy(image, degradation, draws.generator("noise pixels"))
        else:
            image = _compressed(image, degradation.jpeg)
    return to_bytes(image)


def _blurred(image: Image, first: float, second: float, angle: float) -> Image:
    """Convolve with a Gaussian of any two axes; the image is continued by reflection."""
    reach = max(1, int(np.ceil(3.0 * max(first, second))))
    down, right = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float64)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    along, across = cos * right + sin * down, cos * down - sin * right
    kernel = np.exp(-0.5 * ((along / first) ** 2 + (across / second) ** 2))
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="symmetric")
    blurred = fftconvolve(padded, (kernel / kernel.sum())[..., None], mode="valid", axes=(0, 1))
    return np.asarray(blurred, dtype=np.float64)


def _noisy(image: Image, degradation: Degradation, generator: np.random.Generator) -> Image:
    if degradation.photons:
        counts = generator.poisson(np.clip(image, 0.0, 1.0) * degradation.photons)
        return np.asarray(counts / degradation.photons, dtype=np.float64)
    return image + generator.normal(0.0, degradation.gaussian / 255.0, image.shape)


def _compressed(image: Image, quality: int) -> Image:
    stream = io.BytesIO()
    PillowImage.fromarray(to_bytes(image)).save(stream, format="JPEG", quality=quality)
    with PillowImage.open(stream) as stored:
        return to_unit(np.asarray(stored.convert("RGB")))
