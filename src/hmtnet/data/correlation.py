"""Thumbnails that correlate at some shift: the measure, and a search that seldom finishes it.

The measure is the normalised cross-correlation of the parts that overlap, rows and columns centred,
at the best of the 49 shifts of up to 3 pixels in each direction. At one shift it is the product of
two vectors of length 1, and most pairs are ruled out by a part of it, exactly: cut in two, the
product of (p, q) and (r, s) is at most p·r + |q||s|, which is the product of (p, |q|) and (r, |s|).
With the windows' lowest frequencies as p, that rules out most pairs.

All pairs are still looked at. An index that looks at fewer has not been tried: it must keep every
pair that correlates by 0.5, and there are some 150 dimensions that count.
"""

from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.fft import dct

from hmtnet.data.thumbnails import SIDE, Floats
from hmtnet.terminal import progress

REACH = 3
"""Largest shift, in pixels of a thumbnail of 24: an eighth of the image."""

Found = tuple[int, int, float]

_STEPS = range(-REACH, REACH + 1)
_SHIFTS = tuple(product(_STEPS, _STEPS))  # pixels down and to the right
_HALF = _SHIFTS[: len(_SHIFTS) // 2 + 1]  # (d, r) from j to i is (-d, -r) from i to j
_LOWEST = 14  # frequencies a side, of 20 to 23: fewer rule out less, more take longer
_ROWS, _COLUMNS = 16384, 256  # thumbnails compared with each other at once: 150 MB
_ROUNDING = 1e-3  # more than single precision takes from a bound
_DENSE = 0.01  # share of pairs not ruled out, above which all of them are finished at once

_Rows = npt.NDArray[np.int64]
_Matches = tuple[_Rows, _Rows, Floats]


def correlated(stack: Floats, least: float) -> list[Found]:
    """Find the thumbnails of a set that correlate.

    Args:
        stack: (N, 24, 24) thumbnails.
        least: Lowest correlation of a pair, above 0.

    Returns:
        (i, j, correlation) with i < j, in order; the correlation is rounded to four digits.
    """
    best: dict[tuple[int, int], float] = {}
    for one, other, value in _matches(stack, stack, least, _HALF):
        apart = one != other
        low, high = np.minimum(one, other)[apart], np.maximum(one, other)[apart]
        for i, j, correlation in zip(
            low.tolist(), high.tolist(), value[apart].tolist(), strict=True
        ):
            best[i, j] = max(best.get((i, j), 0.0), correlation)
    return [(i, j, min(1.0, round(value, 4))) for (i, j), value in sorted(best.items())]


def any_correlated(stack: Floats, others: Floats, least: float) -> list[int]:
    """Find the thumbnails that correlate with one of others.

    Args:
        stack: (N, 24, 24) thumbnails.
        others: (M, 24, 24) thumbnails.
        least: Lowest correlation that counts, above 0.

    Returns:
        Positions in ``stack``, in order.
    """
    return sorted({row for i, *_ in _matches(stack, others, least, _SHIFTS) for row in i.tolist()})


def _matches(
    stack: Floats, others: Floats, least: float, shifts: tuple[tuple[int, int], ...]
) -> Iterator[_Matches]:
    """Yield rows of both, and correlations; a pair may come once for each shift."""
    starts = range(0, len(stack), _ROWS)
    hidden = len(stack) * len(others) <= 3000**2
    total = len(starts) * len(shifts)
    with progress(total=total, title="pairing images", unit="part", hidden=hidden) as bar:
        for a, (down, right) in product(starts, shifts):
            rows, row_bounds = _vectors(stack[a : a + _ROWS], down, right)
            for b in range(0, len(others), _COLUMNS):
                columns, column_bounds = _vectors(others[b : b + _COLUMNS], -down, -right)
                bounds = row_bounds @ column_bounds.T
                i, j, correlation = _finished(rows, columns, bounds, least)
                yield a + i, b + j, correlation
            bar.update()


def _finished(rows: Floats, columns: Floats, bounds: Floats, least: float) -> _Matches:
    """Return rows, columns and products of what the bounds do not rule out and is high enough."""
    i, j = np.divmod(np.flatnonzero(bounds >= least - _ROUNDING), len(columns))
    if len(i) > _DENSE * bounds.size:
        products = rows @ columns.T
        i, j = np.nonzero(products >= least)
        return i, j, products[i, j]
    products = np.einsum("nd,nd->n", rows[i], columns[j])
    high = products >= least
    return i[high], j[high], products[high]


def _vectors(stack: Floats, down: int, right: int) -> tuple[Floats, Floats]:
    """Make vectors of length 1, or 0, of what has a counterpart at a shift.

    They are cosine transforms without their constants: the transform keeps products, and without
    constants rows and columns are centred.

    Returns:
        (N, 400 to 529) the vectors, and (N, 197) what bounds their products.
    """
    part = stack[:, _overlap(down), _overlap(right)]
    spectrum = _cosines(part.shape[1]) @ part @ _cosines(part.shape[2]).T
    length = np.linalg.norm(spectrum, axis=(1, 2), keepdims=True)
    spectrum /= np.maximum(length, np.float32(1e-6))
    vectors = spectrum.reshape(len(stack), -1).astype(np.float32, copy=False)
    low = spectrum[:, :_LOWEST, :_LOWEST].reshape(len(stack), -1)
    left = np.einsum("nd,nd->n", vectors, vectors) - np.einsum("nd,nd->n", low, low)
    bounds: Floats = np.hstack([low, np.sqrt(np.maximum(left, 0))[:, None]])
    return vectors, bounds


def _overlap(shift: int) -> slice:
    return slice(max(shift, 0), SIDE + min(shift, 0))


@cache
def _cosines(side: int) -> Floats:
    """Return the (side - 1, side) orthonormal cosine transform without its constant."""
    return np.asarray(dct(np.eye(side), norm="ortho", axis=0)[1:], dtype=np.float32)
