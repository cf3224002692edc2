"""One batch from many processes, with gradients."""

from typing import Any, cast

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


def gather_across_processes(x: Tensor) -> Tensor:
    """Concatenate the tensors of all processes; without several processes, return ``x`` itself.

    Every process gets the same result and computes the same loss L from it. The gradient that
    reaches a process's ``x`` is the sum over the W processes' losses: W · ∂L/∂x. The averaging of
    parameters' gradients in distributed data parallel divides by W, so the parameters get exactly
    the gradient of one process that holds the whole batch.

    Every process must call this equally often, and all must have the same dtype and the same
    dimensions but the first.

    Args:
        x: (N, …); N may differ between processes and be 0.

    Returns:
        (ΣN, …), in the order of the ranks.
    """
    if not _together():
        return x
    count = torch.tensor([len(x)], device=x.device)
    counts = [torch.empty_like(count) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, count)
    lengths = [int(length) for length in torch.cat(counts)]
    padding = [0, 0] * (x.ndim - 1) + [0, max(lengths) - len(x)]
    gathered = cast(Tensor, _Gather.apply(F.pad(x, padding)))
    parts = zip(gathered, lengths, strict=True)
    return torch.cat([part[:length] for part, length in parts])


def gathered(x: Tensor, repeated: Tensor) -> Tensor:
    """Gather over processes in training; in validation they may have unequally many batches.

    Args:
        x: (N, …).
        repeated: (N,) bool, what is left out of the gathering, because it has been seen before in
            the epoch (``Batch.repeated``). A lone process repeats nothing.
    """
    if not torch.is_grad_enabled() or not _together():
        return x
    return gather_across_processes(x[~repeated])


def _together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


class _Gather(torch.autograd.Function):
    """Tensors of one shape → (W, …) on every process; backward sums over the processes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x)
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        # A sum of everything, of which the own part is kept: reduce-scatter would move less, but
        # gloo has none, and embeddings are small.
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total[dist.get_rank()]
