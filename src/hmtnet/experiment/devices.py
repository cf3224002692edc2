"""What a run computes on, and how: device, threads, compiled or as written. Without Lightning."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Literal

import torch

from hmtnet.errors import SettingsError
from hmtnet.experiment.run_settings import TrainerSettings


def device_kind(settings: TrainerSettings) -> Literal["cuda", "cpu"]:
    """Name the kind of device as torch and Lightning do."""
    if settings.accelerator == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if settings.accelerator == "gpu" else "cpu"


def device_of(settings: TrainerSettings) -> torch.device:
    """Return the device on which one process predicts."""
    return torch.device(device_kind(settings))


def check_device(settings: TrainerSettings) -> None:
    """Check that this machine has a device of the kind that the settings name.

    Raises:
        SettingsError: It has none.
    """
    if device_kind(settings) == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "trainer.accelerator=gpu: torch finds no GPU here. Use trainer=auto to take what this "
            "machine has."
        )


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Compute with so many CPU threads inside this block; None leaves the number as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def uncompiled(settings: TrainerSettings) -> AbstractContextManager[Any]:
    """Compute as written inside this context, also by a network that training has compiled."""
    if not settings.compile:
        return nullcontext()
    context: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return context
