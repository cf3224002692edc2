"""The saliency perspective once more, for files that other programs run.

A format such as ONNX knows neither complex numbers nor, everywhere, results whose shape is computed
from pixels. So the reduced image lies in the corner of a square of fixed size here, zero beyond its
own sides; resizing and Fourier transforms are products with matrices that follow from these sides.
Up to rounding, the map is that of `hmtnet.perception.saliency`, which judges wherever torch does.
"""

import math

import torch
from kornia.filters import gaussian_blur2d
from torch import Tensor

from hmtnet.perception.checks import check_rgb
from hmtnet.perception.colour import lab, luminance
from hmtnet.perception.saliency import ROUNDING, SaliencyOperator


def framed_saliency(rgb: Tensor, operator: SaliencyOperator) -> Tensor:
    """Map the saliency of whole images, each stretched to [0, 1].

    Args:
        rgb: (B, 3, H, W) in [0, 1], float32.
        operator: ``spectral_residual`` or ``sdsp``.

    Returns:
        (B, 1, H, W) in [0, 1]; 1 everywhere where nothing stands out.

    Raises:
        ValueError: ``rgb`` has another shape or no floating-point dtype.
    """
    check_rgb(rgb)
    function, side = _OPERATORS[operator]
    frame = _Frame(rgb.shape[-2], rgb.shape[-1], side)
    maps = frame.enlarged(function(frame.reduced(rgb), frame))
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    flat = ~(high > low)
    return torch.where(flat, 1.0, (maps - low) / torch.where(flat, 1.0, high - low))


class _Frame:
    """A square in whose top left corner a reduced image lies.

    Args:
        height: H of the image itself, pixels.
        width: W of it.
        side: S, of the square, and the longer side of the reduced image.
    """

    def __init__(self, height: int, width: int, side: int) -> None:
        self.side = side
        self._full = (height, width)
        sides = [torch.full((), full, dtype=torch.float64) for full in self._full]
        factor = side / torch.maximum(*sides)
        # (h, w) of the reduced image, at least 1 each.
        self.sizes = [(factor * full).round().clamp_min(1) for full in sides]
        self.place = torch.arange(side, dtype=torch.float64)
        rows, columns = ((self.place < size).float() for size in self.sizes)
        self.inside = rows[:, None] * columns  # (S, S): 1 in the image, 0 beyond it
        self.pixels = self.sizes[0] * self.sizes[1]
        waves = [self._waves(size) for size in self.sizes]
        self._cosines, self._sines = ([wave[i] for wave in waves] for i in (0, 1))

    def reduced(self, image: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C, S, S), zero beyond the reduced image."""
        down, across = self._resizing(reduce=True)
        return (down @ image @ across.mT) * self.inside

    def enlarged(self, maps: Tensor) -> Tensor:
        """(B, C, S, S) → (B, C, H, W)."""
        down, across = self._resizing(reduce=False)
        return down @ maps @ across.mT

    def mean(self, x: Tensor) -> Tensor:
        """Return the mean (B, C, 1, 1) over the reduced image of what is zero beyond it."""
        return x.sum((-2, -1), keepdim=True) / self.pixels.float()

    def extremes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the least and the greatest value (B, C, 1, 1) of the reduced image."""
        here = self.inside > 0
        low = torch.where(here, x, math.inf).amin((-2, -1), keepdim=True)
        return low, torch.where(here, x, -math.inf).amax((-2, -1), keepdim=True)

    def transform(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the Fourier transform's real and imaginary part, (B, C, S, S) each."""
        (c, d), (s, t) = self._cosines, self._sines
        cx, sx = c @ x, s @ x
        return cx @ d - sx @ t, -(cx @ t + sx @ d)

    def back(self, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return the real part (B, C, S, S) of the inverse transform."""
        (c, d), (s, t) = self._cosines, self._sines
        even, odd = c @ real - s @ imaginary, s @ real + c @ imaginary
        return (even @ d - odd @ t) / self.pixels.float()

    def neighbours(self, x: Tensor) -> Tensor:
        """Return the mean (B, C, S, S) of 3 × 3 places, as on a ring."""
        down, across = (self._ring(size) for size in self.sizes)
        return down @ x @ across.mT

    def _waves(self, size: Tensor) -> tuple[Tensor, Tensor]:
        """Return cos and sin (S, S) of the angles by which a transform of so many turns."""
        angle = (self.place[:, None] * self.place).remainder(size) * (2 * math.pi / size)
        known = (self.place[:, None] < size) & (self.place < size)
        return torch.where(known, angle.cos(), 0).float(), torch.where(
            known, angle.sin(), 0
        ).float()

    def _ring(self, size: Tensor) -> Tensor:
        beside = [(self.place + step).remainder(size)[:, None] == self.place for step in (-1, 0, 1)]
        total = torch.stack(beside).float().mean(0)
        return total * (self.place < size).float()[:, None]

    def _resizing(self, reduce: bool) -> tuple[Tensor, Tensor]:
        """Return (out, in) for rows and for columns: what resizing weighs each pixel by."""
        ways = []
        for full, size in zip(self._full, self.sizes, strict=True):
            places = torch.arange(full, dtype=torch.float64)
            length = torch.full((), full, dtype=torch.float64)
            ends = (self.place, size, places, length)
            ways.append(ends if reduce else (*ends[2:], *ends[:2]))
        far = (ways[0][3] > 8 * ways[0][1]) | (ways[1][3] > 8 * ways[1][1])
        down, across = (torch.where(far, _averages(*way), _triangles(*way)).float() for way in ways)
        return down, across


def _triangles(place: Tensor, size: Tensor, source: Tensor, length: Tensor) -> Tensor:
    """Return the weights of bilinear interpolation, a wider triangle where it reduces."""
    scale = length / size
    centre = (place[:, None] + 0.5) * scale
    weight = (1 - (source + 0.5 - centre).abs() / scale.clamp_min(1)).clamp_min(0)
    weight = weight * (source < length)
    return weight / weight.sum(1, keepdim=True).clamp_min(1e-12)


def _averages(place: Tensor, size: Tensor, source: Tensor, length: Tensor) -> Tensor:
    """Return the weights of plain averages over a grid of cells."""
    first = (place * length / size).floor()[:, None]
    last = ((place + 1) * length / size).ceil()[:, None]
    weight = ((source >= first) & (source < last)).double()
    return weight / (last - first)


def _spectral_residual(rgb: Tensor, frame: _Frame) -> Tensor:
    """See `hmtnet.perception.saliency.spectral_residual`."""
    grey = luminance(rgb)
    mean = frame.mean(grey)
    real, imaginary = frame.transform((grey - mean) * frame.inside)
    constant = frame.place[:, None] + frame.place == 0
    real = torch.where(constant, mean * frame.pixels.float(), real)
    imaginary = torch.where(constant, 0.0, imaginary)
    noise = frame.pixels.float() / (12 * 255**2)
    logs = (real.square() + imaginary.square() + noise).log() / 2 * frame.inside
    gain = (-frame.neighbours(logs)).exp()
    energy = frame.back(real * gain, imaginary * gain).square()
    low, high = frame.extremes(energy)
    energy = torch.where(high - low > ROUNDING * high, energy, 0.0) * frame.inside
    sigma = 2.5 / 64 * frame.side
    blurred: Tensor = gaussian_blur2d(
        energy, 2 * math.ceil(3 * sigma) + 1, (sigma, sigma), "constant"
    )
    return blurred * frame.inside


def _sdsp(rgb: Tensor, frame: _Frame) -> Tensor:
    """See `hmtnet.perception.saliency.sdsp`."""
    colours = lab(rgb) * frame.inside
    real, imaginary = frame.transform((colours - frame.mean(colours)) * frame.inside)
    turns = [torch.minimum(frame.place, size - frame.place) / size for size in frame.sizes]
    frequency = (turns[0][:, None].square() + turns[1].square()).sqrt() * frame.side
    # Without the logarithm of 0, which is minus infinity: the mean is gone already.
    gain = (-((frequency.clamp_min(1e-9) / (0.002 * 256)).log().square()) / (2 * 6.2**2)).exp()
    bands = frame.back(real * gain.float(), imaginary * gain.float())
    strength = (torch.linalg.vector_norm(bands, dim=1, keepdim=True) - 1e-3).relu()

    low, high = frame.extremes(colours[:, 1:])
    coloured = high - low >= 1
    stretched = torch.where(coloured, (colours[:, 1:] - low) / (high - low).clamp_min(1), 0.0)
    warm = 1 - (-stretched.square().sum(1, keepdim=True) / 0.25**2).exp()
    warm = torch.where(coloured.any(dim=1, keepdim=True), warm, 1.0)

    from_middle = [frame.place - (size - 1) / 2 for size in frame.sizes]
    squared = (from_middle[0][:, None].square() + from_middle[1].square()) / frame.side**2
    centre = (-squared / (114 / 256) ** 2).exp().float()
    found: Tensor = strength * warm * centre * frame.inside
    return found


# The operator and the longest side, in pixels, that it works at.
_OPERATORS = {"spectral_residual": (_spectral_residual, 64), "sdsp": (_sdsp, 256)}
