"""Kendall's τ of 10,000 images: hmtnet's O(N log N) beside torchmetrics' O(N²).

Both are exact, are given the same float64 numbers, run in one process on one thread, and must
agree. The best of some repetitions counts.

    python benchmarks/krcc.py
"""

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional import kendall_rank_corrcoef

from hmtnet.metrics import krcc

AIM = 50  # times as fast


def torchmetrics_krcc(score: Tensor, mos: Tensor) -> float:
    """Return torchmetrics' Kendall's τ-b."""
    value = kendall_rank_corrcoef(score, mos)
    assert isinstance(value, Tensor)  # a pair only where its t-test is asked for
    return value.item()


def seconds(call: Callable[[], float], repetitions: int) -> tuple[float, float]:
    """Return the least time of a call, after one that does not count, and what it returned."""
    value, times = call(), []
    for _ in range(repetitions):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times), value


def main() -> None:
    """Measure, print, and fail below the aim."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    mos = random.normal(size=given.images)
    score = mos + random.normal(size=given.images)
    tensors = torch.from_numpy(score), torch.from_numpy(mos)
    ours, our_value = seconds(lambda: krcc(score, mos), 10)
    theirs, their_value = seconds(lambda: torchmetrics_krcc(*tensors), 3)
    print(f"KRCC of {given.images:,} images, one thread")
    print(f"  hmtnet       {1000 * ours:9.2f} ms   τ-b = {our_value:.9f}")
    print(f"  torchmetrics {1000 * theirs:9.2f} ms   τ-b = {their_value:.9f}")
    print(f"  {theirs / ours:.0f} times as fast; the aim is {AIM}")
    if abs(our_value - their_value) > 1e-6:  # torchmetrics counts in float32
        raise SystemExit("The two values differ.")
    if theirs < AIM * ours:
        raise SystemExit("Below the aim.")


if __name__ == "__main__":
    main()
