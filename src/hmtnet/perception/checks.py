"""The door of the perception functions: what may enter, and how precisely it is worked on."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


def check_rgb(x: Tensor) -> None:
    """Refuse what is not a batch of RGB images of a floating-point dtype.

    Values are not looked at: on a GPU that would make every call wait for the device.

    Args:
        x: Expected (B, 3, H, W), floating point, in [0, 1].

    Raises:
        ValueError: Another shape or dtype.
    """
    if x.is_floating_point() and x.ndim == 4 and x.shape[1] == 3:
        return
    if not x.is_floating_point():
        step = "Divide uint8 pixels by 255."
    elif x.ndim == 3:
        step = "Add the batch dimension with x[None]."
    else:
        step = "Bring the channels second, and repeat a grey channel three times."
    raise ValueError(
        "Expected floating-point RGB images of shape (B, 3, H, W) in [0, 1]; "
        f"found {x.dtype} of shape {tuple(x.shape)}. {step}"
    )


@contextmanager
def full_precision(x: Tensor) -> Iterator[Tensor]:
    """Work on ``x`` in float32 (float64 stays), out of reach of autocast.

    Differences between neighbouring pixels are near the resolution of bfloat16 (1/256 at 1.0, one
    step of an 8-bit pixel), and there is no FFT in half precision for every size.

    Args:
        x: Any floating-point tensor.

    Yields:
        ``x`` in float32 or float64.
    """
    with torch.autocast(x.device.type, enabled=False):
        yield x if x.dtype == torch.float64 else x.float()
