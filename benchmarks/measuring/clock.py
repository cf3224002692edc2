"""Times of calls that take turns."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Clock:
    """Measures on a device, whose work is waited for.

    Attributes:
        device: The device.
        repeats: Rounds that count; one before them does not.
        shortest: Seconds that a measurement takes at least, by as many calls as it needs.
    """

    device: torch.device
    repeats: int
    shortest: float = 0

    def seconds(self, *calls: Callable[[], object]) -> list[float]:
        """Return the least time of each call; they take turns, and a first round does not count."""
        loops = [self._loops(call) for call in calls]
        rounds = [
            [self.once(call, count) for call, count in zip(calls, loops, strict=True)]
            for _ in range(self.repeats)
        ]
        return [min(times) for times in zip(*rounds, strict=True)]

    def once(self, call: Callable[[], object], loops: int = 1) -> float:
        """Return the seconds that a call takes, the device's included: the mean over ``loops``."""
        self._wait()
        start = time.perf_counter()
        for _ in range(loops):
            call()
        self._wait()
        return (time.perf_counter() - start) / loops

    def _loops(self, call: Callable[[], object]) -> int:
        self.once(call)
        return math.ceil(self.shortest / self.once(call)) if self.shortest else 1

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
