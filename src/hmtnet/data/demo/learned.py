"""Super-resolution that was learned: filters by regression, from other references than its own.

Romano, Isidoro and Milanfar, "RAISR: rapid and accurate image super resolution", TCI 2017. Each
pixel of the enlarged image falls into a bucket by the angle, strength and coherence of the
gradients around it and by its place in the grid; a bucket's filter is the ridge regression from
5 × 5 neighbourhoods to what the cubic enlargement missed. The normal equations add up, so training
on all references but one is a sum.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from hmtnet.data.demo.pixels import Image, enlarge

_ANGLES = 8
_STRENGTHS = (0.0004, 0.004)  # limits between weak, middle and strong, in squared luma per pixel
_COHERENCES = (0.25, 0.5)
_KINDS = _ANGLES * 3 * 3
_RADIUS = 2
_TAPS = (2 * _RADIUS + 1) ** 2
_RIDGE = 0.2  # keeps filters of rarely seen buckets near zero, i.e. near cubic interpolation


@dataclass(frozen=True)
class Evidence:
    """The normal equations of one or more references at one scale.

    Attributes:
        inner: AᵀA, shape (buckets, taps, taps).
        outer: Aᵀb, shape (buckets, taps).
    """

    inner: NDArray[np.float64]
    outer: NDArray[np.float64]

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(self.inner + other.inner, self.outer + other.outer)


def gather(reference: Image, low: Image, scale: int) -> Evidence:
    """Return what one reference teaches.

    Args:
        reference: The reference's luma, shape (h·scale, w·scale), in [0, 1].
        low: The low-resolution luma, shape (h, w).
        scale: The scale factor.
    """
    high = enlarge(low, scale)
    buckets, patches = _buckets(high, scale), _patches(high)
    missing = (reference - high).ravel()
    count = _KINDS * scale**2
    inner = np.zeros((count, _TAPS, _TAPS))
    outer = np.zeros((count, _TAPS))
    order = np.argsort(buckets, kind="stable")
    ends = np.searchsorted(buckets[order], np.arange(count + 1))
    for bucket in range(count):
        members = order[ends[bucket] : ends[bucket + 1]]
        chosen = patches[members]
        # Not a matrix product, which would start a second set of threads inside the builder's.
        inner[bucket] = np.einsum("nt,nu->tu", chosen, chosen)
        outer[bucket] = np.einsum("nt,n->t", chosen, missing[members])
    return Evidence(inner, outer)


def learn(evidence: Evidence) -> NDArray[np.float64]:
    """Solve for the filters, shape (buckets, taps)."""
    ridge = _RIDGE * np.eye(_TAPS)
    filters = np.linalg.solve(evidence.inner + ridge, evidence.outer[..., None])[..., 0]
    # The last digits depend on the processor; nobody sees them in an 8-bit image.
    return np.asarray(np.round(filters, 6), dtype=np.float64)


def filtered(low: Image, scale: int, filters: NDArray[np.float64]) -> Image:
    """Enlarge a luma and add what the filters predict that cubic interpolation missed."""
    high = enlarge(low, scale)
    predicted = np.einsum("nt,nt->n", _patches(high), filters[_buckets(high, scale)])
    return np.asarray(high + predicted.reshape(high.shape), dtype=np.float64)


def _patches(high: Image) -> NDArray[np.float64]:
    """Return every pixel's 5 × 5 neighbourhood minus the pixel itself, shape (pixels, taps).

    Without the pixel itself a constant image has nothing to predict from, and stays constant.
    """
    padded = np.pad(high, _RADIUS, mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * _RADIUS + 1,) * 2)
    return (windows - high[..., None, None]).reshape(-1, _TAPS)


def _buckets(high: Image, scale: int) -> NDArray[np.intp]:
    """Return every pixel's bucket, shape (pixels,)."""
    down, right = np.gradient(high)
    blur = 1.5
    xx = ndimage.gaussian_filter(right * right, blur)
    yy = ndimage.gaussian_filter(down * down, blur)
    xy = ndimage.gaussian_filter(right * down, blur)
    angle = 0.5 * np.arctan2(2.0 * xy, xx - yy) / np.pi  # in (-½, ½]; ±½ are one direction
    sector = np.floor(angle * _ANGLES + 0.5 + 1e-6).astype(np.intp) % _ANGLES
    split = np.hypot(xx - yy, 2.0 * xy)
    strength = np.searchsorted(_STRENGTHS, 0.5 * (xx + yy + split))
    coherence = np.searchsorted(_COHERENCES, split / (xx + yy + 1e-6))
    kind = (sector * 3 + strength) * 3 + coherence
    rows, columns = np.indices(high.shape)
    place = rows % scale * scale + columns % scale
    return np.asarray(kind * scale**2 + place, dtype=np.intp).ravel()
