"""The saliency perspective: where a person would look first.

Both operators judge a whole image; the saliency of a small crop is meaningless. Neither is
trained, and no gradient flows through them: a map is computed once from pixels and then only used.
"""

import math
from collections.abc import Callable, Iterable
from typing import Literal

import torch
import torch.nn.functional as F
from kornia.filters import gaussian_blur2d
from torch import Tensor

from hmtnet.perception.checks import check_rgb, full_precision
from hmtnet.perception.colour import lab, luminance

SaliencyOperator = Literal["spectral_residual", "sdsp"]

# Energies that differ by less than this part of the largest differ by rounding alone.
ROUNDING = 1e-4


@torch.no_grad()
def spectral_residual(rgb: Tensor) -> Tensor:
    """Keep what is unexpected in the spectrum of the luminance, at the image's own size.

    Hou and Zhang, "Saliency Detection: A Spectral Residual Approach", CVPR 2007. With F the
    Fourier transform of the luminance, L = log|F| and h a 3×3 mean, the map is

        S = G_σ ∗ |F⁻¹(exp(L − h ∗ L) · F/|F|)|² = G_σ ∗ |F⁻¹(F · exp(−h ∗ L))|².

    The second form needs no phase. Two choices are ours: h wraps around, because a spectrum does;
    and |F| in the logarithm is √(|F|² + δ²), δ the rounding noise of 8-bit pixels, so that a
    frequency which an image does not have is not blown up to the strength of one that it has.
    σ = 2.5 pixels where the longest side has 64, and the blur sees zeros beyond the border, as in
    the authors' setting: the transform takes the step from one border to the opposite one for a
    part of the image, and a border that is reflected or replicated would make it the most salient.

    Args:
        rgb: (B, 3, H, W) in [0, 1], of a fixed small size: see :func:`saliency`.

    Returns:
        (B, 1, H, W), at least 0, unscaled; 0 for a constant image. No gradient.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        height, width = x.shape[-2:]
        grey = luminance(x)
        mean = grey.mean(dim=(-2, -1), keepdim=True)
        spectrum = torch.fft.fft2(grey - mean)
        # The mean would drown a nearly flat image in the rounding of the transform: put back here.
        spectrum[..., :1, :1] = mean * (height * width)
        # Rounding to 1/255 adds noise of variance 1/12 of a step squared to every pixel.
        noise = height * width / (12 * 255**2)
        logs = (spectrum.abs().square() + noise).log() / 2
        expected = F.avg_pool2d(F.pad(logs, (1, 1, 1, 1), mode="circular"), 3, stride=1)
        energy = torch.fft.ifft2(spectrum * (-expected).exp()).abs().square()
        low, high = _extremes(energy)
        energy = torch.where(high - low > ROUNDING * high, energy, 0)
        sigma = 2.5 / 64 * max(height, width)
        kernel = 2 * math.ceil(3 * sigma) + 1
        return gaussian_blur2d(energy, kernel, (sigma, sigma), "constant").to(rgb.dtype)


@torch.no_grad()
def sdsp(rgb: Tensor) -> Tensor:
    """Multiply three priors, at the image's own size: frequency × colour × centre.

    Zhang, Gu and Li, "SDSP: A novel saliency detection method by combining simple priors",
    ICIP 2013, with its constants; those in pixels are kept in proportion to the longest side, for
    which the authors have 256.

    - frequency: the norm over CIE L*a*b* of each channel filtered by a log-Gabor
      exp(−ln²(f/f₀) / 2σ_F²), f₀ = 0.512 cycles along the longest side, σ_F = 6.2;
    - warm colour: 1 − exp(−(a² + b²)/σ_C²), a* and b* stretched to [0, 1] over each image,
      σ_C = 0.25;
    - centre: exp(−d²/σ_D²), d the distance from the centre, σ_D = 114/256.

    A channel that spans less than one unit of L*a*b* (below what an eye can tell) is not
    stretched, and an image where neither a* nor b* is has no colour prior; the published formula
    would give a grey image the saliency of its rounding noise (ours).

    Args:
        rgb: (B, 3, H, W) in [0, 1], of a fixed small size: see :func:`saliency`.

    Returns:
        (B, 1, H, W), at least 0, unscaled; 0 for a constant image. No gradient.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        colours = lab(x)
        priors = _frequency_prior(colours) * _warm_colour_prior(colours[:, 1:]) * _centre_prior(x)
        return priors.to(rgb.dtype)


# The operator and the longest side, in pixels, that its authors work at.
_OPERATORS: dict[SaliencyOperator, tuple[Callable[[Tensor], Tensor], int]] = {
    "spectral_residual": (spectral_residual, 64),
    "sdsp": (sdsp, 256),
}


@torch.no_grad()
def saliency(rgb: Tensor, operator: SaliencyOperator, size: int | None = None) -> Tensor:
    """Map the saliency of whole images, each stretched to [0, 1].

    The image is resized until its longest side has ``size`` pixels (a small one is enlarged), the
    operator runs there, and its map is resized back. Salience is a matter of an image's whole,
    not of its pixel count: the fixed size makes maps of large and small images comparable, and the
    cost independent of them. The proportions are kept, since squeezing an image changes what
    stands out of it.

    Args:
        rgb: (B, 3, H, W) in [0, 1].
        operator: ``spectral_residual`` or ``sdsp``.
        size: Longest side in pixels that the operator works at; default the published one, 64 for
            ``spectral_residual`` and 256 for ``sdsp``.

    Returns:
        (B, 1, H, W) in [0, 1], least and most salient pixel of every image at exactly 0 and 1. Of a
        constant image nothing stands out: its map is 1 everywhere, which leaves the image as it
        is and makes a saliency-weighted mean the plain one. No gradient.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype; or ``operator`` or
            ``size`` is out of range.
    """
    check_rgb(rgb)
    with full_precision(rgb) as x:
        return _saliency([x[:, c : c + 1] for c in range(3)], operator, size).to(rgb.dtype)


def saliency_of_list(images: list[Tensor], operator: SaliencyOperator) -> list[Tensor]:
    """Map the saliency of whole images of any sizes, with one call for all of the same size.

    Args:
        images: Each (3, H, W), uint8 or floating point in [0, 1].
        operator: As for :func:`saliency`.

    Returns:
        Maps (1, H, W) in [0, 1], in the order of ``images``; float32 for uint8. No gradient.

    Raises:
        ValueError: As for :func:`saliency`.
    """
    alike: dict[tuple[torch.Size, torch.dtype], list[int]] = {}
    for place, image in enumerate(images):
        alike.setdefault((image.shape, image.dtype), []).append(place)
    maps: dict[int, Tensor] = {}
    for (shape, dtype), places in alike.items():
        check_rgb(torch.empty((1, *shape), device="meta"))
        if dtype != torch.uint8:
            found = saliency(torch.stack([images[place] for place in places]), operator)
        else:
            # One channel at a time: a large image in float32 takes four times its own memory.
            planes = (
                torch.stack([images[place][c : c + 1] for place in places]).float().div_(255)
                for c in range(3)
            )
            found = _saliency(planes, operator, None)
        maps.update(zip(places, found, strict=True))
    return [maps[place] for place in range(len(images))]


@torch.no_grad()
def _saliency(planes: Iterable[Tensor], operator: SaliencyOperator, size: int | None) -> Tensor:
    """Map saliency (B, 1, H, W) from R, G and B, (B, 1, H, W) each, asked for one by one."""
    if operator not in _OPERATORS:
        raise ValueError(f"Expected operator {' or '.join(_OPERATORS)}; found {operator!r}.")
    function, published = _OPERATORS[operator]
    longest = published if size is None else size
    if longest < 8:
        raise ValueError(f"Expected a size of at least 8 pixels; found {size}.")
    reduced = []
    for plane in planes:
        height, width = plane.shape[-2:]
        factor = longest / max(height, width)
        small = (max(1, round(factor * height)), max(1, round(factor * width)))
        reduced.append(_resized(plane, small))
        del plane  # as large as what is returned
    return _stretched(_resized(function(torch.cat(reduced, 1)), (height, width)))


def _frequency_prior(colours: Tensor) -> Tensor:
    """(B, 3, H, W) in L*a*b* → (B, 1, H, W)."""
    height, width = colours.shape[-2:]
    longest = max(height, width)
    like = {"dtype": colours.dtype, "device": colours.device}
    down = torch.fft.fftfreq(height, d=1 / longest, **like)
    across = torch.fft.rfftfreq(width, d=1 / longest, **like)
    frequency = torch.hypot(down[:, None], across)  # in cycles along the longest side
    log_gabor = (-((frequency / (0.002 * 256)).log().square()) / (2 * 6.2**2)).exp()  # DC: 0
    spectrum = torch.fft.rfft2(colours - colours.mean(dim=(-2, -1), keepdim=True))
    bands: Tensor = torch.fft.irfft2(spectrum * log_gabor, s=(height, width))
    strength: Tensor = torch.linalg.vector_norm(bands, dim=1, keepdim=True)
    # Rounding leaves some 1e-4 of a unit on a constant image; nobody sees a thousandth.
    return (strength - 1e-3).relu()


def _warm_colour_prior(ab: Tensor) -> Tensor:
    """(B, 2, H, W), a* and b* → (B, 1, H, W) in [0, 1]."""
    low, high = _extremes(ab)
    coloured = high - low >= 1
    stretched = torch.where(coloured, (ab - low) / (high - low).clamp_min(1), 0)
    prior = 1 - (-stretched.square().sum(1, keepdim=True) / 0.25**2).exp()
    return torch.where(coloured.any(dim=1, keepdim=True), prior, 1)


def _centre_prior(like: Tensor) -> Tensor:
    """(…, H, W) → (H, W) in [0, 1]."""
    height, width = like.shape[-2:]
    rows = torch.arange(height, dtype=like.dtype, device=like.device) - (height - 1) / 2
    columns = torch.arange(width, dtype=like.dtype, device=like.device) - (width - 1) / 2
    squared = (rows[:, None].square() + columns.square()) / max(height, width) ** 2
    return (-squared / (114 / 256) ** 2).exp()


def _extremes(x: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C, H, W) → least and greatest value of every channel, (B, C, 1, 1) each."""
    return x.amin(dim=(-2, -1), keepdim=True), x.amax(dim=(-2, -1), keepdim=True)


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    height, width = x.shape[-2:]
    if height > 8 * size[0] or width > 8 * size[1]:
        # On a GPU the antialiasing below runs out of shared memory at a 90-fold reduction. From
        # 8-fold on, plain averages are as good: their uneven borders are few among many pixels.
        return F.interpolate(x, size=size, mode="area")
    if size[0] > size[1] == 1:
        # torch 2.15 on a CPU repeats the first row down a result of width 1; height 1 is right.
        return _resized(x.mT, (1, size[0])).mT
    return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)


def _stretched(maps: Tensor) -> Tensor:
    """Stretch every map to [0, 1] where it lies; a flat one becomes 1."""
    low, high = _extremes(maps)
    span = high - low
    flat = ~(span > 0)
    maps.sub_(low).div_(torch.where(flat, 1, span))
    return maps.masked_fill_(flat, 1)
