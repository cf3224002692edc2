"""The demo set's formula for any pair: how faithful an image is to its reference."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hmtnet.data.demo.pseudo_mos import Yardstick, measure, pseudo_mos, yardstick


def fidelity(image: NDArray[np.uint8], reference: NDArray[np.uint8]) -> float:
    """Return the pseudo-MOS in [0, 1] by `hmtnet.data.demo.pseudo_mos.DEFINITION`, 1 = best.

    Args:
        image: RGB, shape (H, W, 3), uint8, at least 176 × 176.
        reference: RGB of the same shape, with detail.

    Raises:
        DataError: The shapes differ or are too small.
    """
    return pseudo_mos(measure(reference, image), _yardstick(reference.tobytes(), reference.shape))


@lru_cache(maxsize=4)  # images of one reference come one after the other
def _yardstick(pixels: bytes, shape: tuple[int, ...]) -> Yardstick:
    return yardstick(np.frombuffer(pixels, dtype=np.uint8).reshape(shape))
