"""The door of the losses: shapes, which broadcasting would otherwise bend until they fit."""

import torch
from torch import Tensor


def check_shape(name: str, x: Tensor, shape: tuple[int, ...], of: str) -> None:
    """Refuse a tensor whose shape is not exactly the one expected.

    Args:
        name: The argument's name, for the message.
        x: The argument.
        shape: What is expected.
        of: What it has to agree with, for the message.

    Raises:
        ValueError: The shape differs.
    """
    if tuple(x.shape) != shape:
        raise ValueError(
            f"Expected {name} of shape {shape}, to agree with {of}; found {tuple(x.shape)}. "
            "Reshape it before the loss: broadcasting would compare the wrong pairs."
        )


def at_least_float32(x: Tensor) -> Tensor:
    """Bring half precision and integers to float32; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()
