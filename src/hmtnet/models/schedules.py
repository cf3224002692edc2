"""The learning rate over a stage."""

import math
from dataclasses import dataclass
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

# The settings that each schedule reads.
_READS = {
    "cosine": ("warmup", "final"),
    "constant": ("warmup",),
    "step": ("first", "every", "factor"),
    "plateau": ("factor", "patience"),
    "wave": ("final", "period"),
}


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings:
    """Learning rate over a stage; each schedule reads its own fields and leaves the others alone.

    Attributes:
        name: ``"cosine"`` falls to ``final`` after a linear warm-up; ``"constant"`` stays after it.
            The others have no warm-up: ``"step"`` multiplies by ``factor`` after ``first`` epochs
            and then after ``every`` more each; ``"plateau"`` does after more than ``patience``
            epochs without a better validation SRCC; ``"wave"`` falls to ``final`` and rises again,
            ``period`` steps each way.
        warmup: Share of all steps that the warm-up takes (cosine, constant).
        final: Lowest learning rate as a share of the highest (cosine, wave).
        first: Epochs at the highest learning rate; None: as many as at the others (step).
        every: Epochs at one learning rate (step).
        factor: What the learning rate is multiplied by, between 0 and 1 (step, plateau).
        patience: Epochs to wait for a better validation SRCC before the rate falls (plateau).
        period: Optimiser steps from the highest learning rate to the lowest (wave).
    """

    name: Literal["cosine", "constant", "step", "plateau", "wave"] = "cosine"
    warmup: float = 0.1
    final: float = 0.01
    first: int | None = None
    every: int = 10
    factor: float = 0.1
    patience: int = 5
    period: int = 50

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup: expected 0 to below 1, found {self.warmup}")
        if not 0 <= self.final <= 1:
            raise ValueError(f"final: expected 0 to 1, found {self.final}")
        if not 0 < self.factor < 1:
            raise ValueError(f"factor: expected between 0 and 1, found {self.factor}")
        if self.first is not None and self.first < 1:
            raise ValueError(f"first: expected at least 1 or null, found {self.first}")
        for name, least in (("every", 1), ("patience", 0), ("period", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: expected at least {least}, found {getattr(self, name)}")

    def idle(self) -> set[str]:
        """Name the fields that belong to other schedules."""
        return {name for names in _READS.values() for name in names} - {*_READS[self.name]}


def schedule_for(
    optimizer: Optimizer, settings: ScheduleSettings, steps: int
) -> LRScheduler | ReduceLROnPlateau:
    """Make the schedule.

    Args:
        optimizer: Whose learning rates are the highest ones.
        settings: Which schedule.
        steps: Optimiser steps of the whole stage.

    Returns:
        A schedule to be advanced once per optimiser step; ``step`` once per epoch, ``plateau``
        once per epoch with the validation SRCC.
    """
    if settings.name == "plateau":
        return ReduceLROnPlateau(
            optimizer,
            mode="max",
            factor=settings.factor,
            patience=settings.patience,
            # A share of the best SRCC, torch's default, would turn round below 0.
            threshold=1e-4,
            threshold_mode="abs",
        )
    warmup = settings.warmup * steps

    def share(done: int) -> float:
        if settings.name == "step":
            later = done - (settings.first or settings.every)
            return settings.factor ** max(0, later // settings.every + 1)
        if settings.name == "wave":
            return between(done / settings.period)
        if done < warmup:
            return (done + 1) / (warmup + 1)
        if settings.name == "constant":
            return 1.0
        return between(min(1.0, (done - warmup) / max(1.0, steps - warmup)))

    def between(progress: float) -> float:
        """Half a cosine from 1 (at 0) to ``final`` (at 1), and up again (at 2)."""
        return settings.final + (1 - settings.final) * (1 + math.cos(math.pi * progress)) / 2

    return LambdaLR(optimizer, share)
