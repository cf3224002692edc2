"""The same numbers at each use: what a GPU has to be told for that."""

from contextlib import AbstractContextManager, nullcontext

import torch


def reproducible(device: torch.device) -> AbstractContextManager[None]:
    """Keep a GPU's convolutions in float32 and to one algorithm.

    By default they round what they multiply to ten bits (TF32), which moves a score by some 1e-4.
    """
    if device.type != "cuda":
        return nullcontext()
    context: AbstractContextManager[None] = torch.backends.cudnn.flags(
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )
    return context
