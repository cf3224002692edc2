"""Super-resolution that reconstructs: it uses nothing but the low-resolution image itself.

Every function takes a low-resolution luma (h, w) in [0, 1] and returns the high-resolution one
(h·scale, w·scale), not clipped; a constant stays that constant.
"""

import numpy as np
from scipy import ndimage

from hmtnet.data.demo.pixels import Image, enlarge, reduce, resize


def back_projection(low: Image, scale: int, rounds: float) -> Image:
    """Enlarge, then correct until the reduced result is the low-resolution image again.

    Irani and Peleg, "Improving resolution by image registration", CVGIP 1991. Many rounds ring.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        rounds: How many corrections; rounded to a whole number.
    """
    high = enlarge(low, scale)
    for _ in range(round(rounds)):
        high += enlarge(low - reduce(high, scale), scale)
    return high


def edge_directed(low: Image, scale: int, sharpness: float) -> Image:
    """Smooth along the edges of the enlarged image and sharpen across them, then correct it.

    Coherence-enhancing diffusion (Weickert, IJCV 1999) joined with a shock filter (Osher and Rudin,
    SINUM 1990), each step followed by half a back-projection, so that the result stays faithful.
    Straight contours come out clean and crisp; fine texture turns into strokes.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        sharpness: Weight of the shock filter; 0 only smooths along the edges.
    """
    high = enlarge(low, scale)
    for _ in range(3 * scale):
        down, right = np.gradient(high)
        # The structure tensor's leading eigenvector points across the edge.
        blur = 0.5 * scale
        xx = ndimage.gaussian_filter(right * right, blur)
        yy = ndimage.gaussian_filter(down * down, blur)
        xy = ndimage.gaussian_filter(right * down, blur)
        angle = 0.5 * np.arctan2(2.0 * xy, xx - yy)
        cos, sin = np.cos(angle), np.sin(angle)
        dyy, dyx = np.gradient(down)
        dxx = np.gradient(right, axis=1)
        across = cos**2 * dxx + 2.0 * cos * sin * dyx + sin**2 * dyy
        along = sin**2 * dxx - 2.0 * cos * sin * dyx + cos**2 * dyy
        coherence = np.hypot(xx - yy, 2.0 * xy) / (xx + yy + 1e-6)
        # A soft sign: where the image is nearly straight the shock fades instead of flickering.
        shock = across / (np.abs(across) + 0.01) * np.hypot(right, down)
        high = high + coherence * (0.3 * along - sharpness * shock)
        high += 0.5 * enlarge(low - reduce(high, scale), scale)
    return high


def self_similar(low: Image, scale: int, strength: float) -> Image:
    """Borrow missing detail from the image's own patches at a slightly coarser scale.

    Local self-examples (Freedman and Fattal, TOG 2011): the image grows by small factors; at each,
    a patch of the enlarged image is looked up near the same place in the smoothed smaller image,
    and the detail which that smoothing had removed there is added.

    Args:
        low: The low-resolution luma.
        scale: The scale factor.
        strength: How much of the borrowed detail is added; 1 as in the paper.
    """
    steps = scale  # growing 1.41-fold at ×2, 1.44-fold at ×3, 1.41-fold at ×4
    current = low
    for step in range(1, steps + 1):
        growth = scale ** (step / steps)
        height, width = (round(side * growth) for side in low.shape)
        current = _grown(current, height, width, strength)
        # Growing lets small errors build up: stay faithful to the low-resolution image.
        current += resize(low - resize(current, *low.shape), height, width)
    return current


def _grown(small: Image, height: int, width: int, strength: float) -> Image:
    """Enlarge an image a little and add the best matching detail of its neighbourhood."""
    large = resize(small, height, width)
    shrunk = resize(
        small, *(round(s * s / t) for s, t in zip(small.shape, large.shape, strict=True))
    )
    smooth = resize(shrunk, *small.shape)
    detail = small - smooth
    rows = np.floor((np.arange(height) + 0.5) * small.shape[0] / height).astype(np.intp)
    columns = np.floor((np.arange(width) + 0.5) * small.shape[1] / width).astype(np.intp)
    patch = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    reach = 3  # two pixels of search and one of patch
    smooth = np.pad(smooth, reach, mode="reflect")
    detail = np.pad(detail, reach, mode="reflect")
    around = np.pad(large, 1, mode="reflect")

    def shifted(plane: Image, dy: int, dx: int) -> Image:
        return plane[np.ix_(rows + dy + reach, columns + dx + reach)]

    best = np.full(large.shape, np.inf)
    chosen = np.zeros((len(patch), *large.shape))
    for dy in range(-2, 3):
        for dx in range(-2, 3):
            cost = np.zeros(large.shape)
            for py, px in patch:
                theirs = shifted(smooth, dy + py, dx + px)
                ours = around[1 + py : 1 + py + height, 1 + px : 1 + px + width]
                cost += (theirs - ours) ** 2
            better = cost < best - 1e-9  # ties go to the first, whatever the last digit says
            best = np.where(better, cost, best)
            for index, (py, px) in enumerate(patch):
                borrowed = shifted(detail, dy + py, dx + px)
                chosen[index] = np.where(better, borrowed, chosen[index])
    # Each pixel lies in nine patches: average what they say about it.
    total = np.zeros(large.shape)
    for index, (py, px) in enumerate(patch):
        spread = np.pad(chosen[index], 1, mode="reflect")
        total += spread[1 - py : 1 - py + height, 1 - px : 1 - px + width]
    return large + strength * total / len(patch)
