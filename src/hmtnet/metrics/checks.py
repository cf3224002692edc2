"""The door of every metric: finite numbers of one length, in float64, or an error."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hmtnet.errors import HmtnetError, listed

if TYPE_CHECKING:
    from torch import Tensor

Values: TypeAlias = "Sequence[float] | Sequence[int] | NDArray[Any] | Tensor"
"""What a metric accepts: a sequence, an array, or a tensor of any device and precision."""

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


class MetricError(HmtnetError, ValueError):
    """A metric was given values that no number could honestly be computed from."""


def vector(values: Values, name: str, images: Sequence[object] | None = None) -> Floats:
    """Return values as a finite float64 vector.

    Args:
        values: (N,) numbers.
        name: What the values are, for the message.
        images: (N,) the images' names or ids; where given, the message names the images at fault.

    Returns:
        (N,) float64.

    Raises:
        MetricError: If the values are not one-dimensional numbers, or if one is NaN or infinite.
    """
    array = numbers(values, name)
    if array.ndim != 1:
        raise MetricError(
            f"{name}: expected one number per image, shape (N,), found shape {array.shape}. "
            "Flatten it, e.g. by .reshape(-1)."
        )
    require_finite(array, name, images)
    return array


def pair(score: Values, mos: Values) -> tuple[Floats, Floats]:
    """Return predicted and human scores as two finite float64 vectors of one length.

    Raises:
        MetricError: As :func:`vector`, or if the lengths differ.
    """
    left, right = vector(score, "score"), vector(mos, "MOS")
    require_length(right, "MOS", len(left), "scores")
    return left, right


def grades(values: Values, name: str, count: int | None = None) -> Integers:
    """Return grades as an int64 vector.

    Args:
        values: (N,) whole numbers, 0 = worst.
        name: What the grades are, for the message.
        count: K; where given, every grade must be below it.

    Raises:
        MetricError: If a grade is not a whole number in 0..K-1. An absent grade, -1, is not one:
            leave such images out first.
    """
    array = vector(values, name)
    whole = array.astype(np.int64)
    wrong = (whole != array) | (whole < 0)
    if count is not None:
        wrong |= whole >= count
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        expected = "0 or above" if count is None else f"in 0..{count - 1}"
        raise MetricError(
            f"{name}: expected grades as whole numbers {expected}, found {int(wrong.sum())} of "
            f"{len(array)} that are not; the first is {array[first]:g} at position {first}."
        )
    return whole


def probability_rows(values: Any) -> Floats:
    """Return grade probabilities as a float64 matrix.

    Args:
        values: (N, K), each row non-negative and summing to 1 within .01, which is what half
            precision leaves of a softmax.

    Raises:
        MetricError: If the shape is another, or a row is not a distribution.
    """
    array = numbers(values, "probabilities")
    if array.ndim != 2 or array.shape[1] == 0:
        raise MetricError(f"probabilities: expected shape (N, K), found {array.shape}.")
    require_finite(array, "probabilities")
    wrong = (array < 0).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > 0.01)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        raise MetricError(
            "probabilities: expected rows that are non-negative and sum to 1, found "
            f"{int(wrong.sum())} of {len(array)} that are not; row {first} sums to "
            f"{array[first].sum():g}. Apply a softmax first."
        )
    return array


def require_length(
    array: NDArray[Any] | Sequence[object], name: str, length: int, other: str
) -> None:
    """Raise :class:`MetricError` unless there are ``length`` items, one for each of ``other``."""
    if len(array) != length:
        raise MetricError(
            f"{name}: expected {length}, one for each of the {other}, found {len(array)}."
        )


def require_finite(array: Floats, name: str, images: Sequence[object] | None = None) -> None:
    """Raise :class:`MetricError` if anything is NaN or infinite: how many, and where the first is.

    Args:
        array: (N, …) float64.
        name: What the values are, for the message.
        images: (N,) the images' names or ids, for the message.
    """
    wrong = ~np.isfinite(array)
    if not wrong.any():
        return
    where = np.argwhere(wrong)
    first = tuple(int(i) for i in where[0])
    rows = np.unique(where[:, 0])
    named = "" if images is None else f" Images: {listed(images[row] for row in rows)}."
    position = first[0] if array.ndim == 1 else first
    raise MetricError(
        f"{name}: expected finite numbers, found {len(where)} of {array.size} that are not; the "
        f"first is {array[first]} at position {position}.{named} What is not finite has no rank: "
        "find out where it comes from."
    )


def require_unmasked(values: object, name: str) -> None:
    """Raise :class:`MetricError` if values are a masked array, whose hidden ones would count."""
    if isinstance(values, np.ma.MaskedArray):
        raise MetricError(
            f"{name}: expected plain values, found a masked array, and a metric would count what "
            "it hides. Leave the masked images out of all arguments, e.g. by values[~mask].data."
        )


def numbers(values: Any, name: str) -> Floats:
    """Return anything array-like as float64, exactly; half precision is widened, never rounded.

    Raises:
        MetricError: If the values are no numbers, or a masked array.
    """
    require_unmasked(values, name)
    if hasattr(values, "detach"):
        # A tensor: NumPy can read neither bfloat16 nor a GPU's memory. Asking for the attribute
        # spares whoever evaluates a file the seconds that importing torch takes.
        values = values.detach().cpu().double().numpy()
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(f"{name}: expected numbers, found something else ({error}).") from error
