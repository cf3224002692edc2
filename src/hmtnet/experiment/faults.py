"""What ends a training early: a signal that asks for it, or a loss that is no number any more."""

import signal
import threading
import time
from collections.abc import Iterable
from types import FrameType
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.errors import TerminatedError, TrainingError, listed

PATIENCE = 5.0
"""Seconds from SIGTERM to the stop; what asks for it often kills after ten."""


class StopAfterEpoch(Callback):
    """Stop on SIGTERM, but wait for the checkpoint of an epoch that ends soon.

    A second SIGTERM, Ctrl-C, and a terminal that closes stop at once.
    """

    def __init__(self) -> None:
        self._asked: float | None = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take SIGTERM over from Lightning, which puts the handler before back at its end."""
        del trainer, pl_module
        ours = threading.current_thread() is threading.main_thread()
        if ours and signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
            signal.signal(signal.SIGTERM, self._ask)

    def check(self, patience: float = 0.0) -> None:
        """Stop if that was asked for more than so many seconds ago.

        Raises:
            TerminatedError: It was.
        """
        if self._asked is not None and time.monotonic() - self._asked >= patience:
            raise TerminatedError(signal.SIGTERM)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop before another epoch."""
        del trainer, pl_module
        self.check()

    def on_train_batch_end(self, *arguments: Any, **options: Any) -> None:
        """Stop within an epoch that does not end soon."""
        del arguments, options
        self.check(PATIENCE)

    def on_validation_batch_end(self, *arguments: Any, **options: Any) -> None:
        """Stop within a validation that does not end soon."""
        del arguments, options
        self.check(PATIENCE)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._asked is not None:
            raise TerminatedError(number)
        self._asked = time.monotonic()


class _Step(NamedTuple):
    finite: Tensor
    rows: Tensor
    where: str


class Divergence(Callback):
    """Stop when loss or weights are no finite numbers, before an epoch is chosen by them or kept.

    A step is looked at when the next one begins: a GPU has then computed it, and need not wait.

    Args:
        stage: The stage's name.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._last: _Step | None = None

    def on_train_batch_end(
        self,
        trainer: L.Trainer,
        pl_module: L.LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
    ) -> None:
        """Remember the step."""
        del pl_module
        if not outputs:  # weights that are solved for
            return
        groups = trainer.optimizers[0].param_groups
        lr = max((float(group["lr"]) for group in groups), default=0.0)
        where = f"epoch {trainer.current_epoch + 1}, step {batch_idx + 1}, learning rate {lr:.3g}"
        self._last = _Step(torch.isfinite(outputs["loss"]).all(), batch.rows, where)

    def on_train_batch_start(self, trainer: L.Trainer, *arguments: Any) -> None:
        """Look at the step before."""
        del arguments
        self._check(trainer, [])

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the epoch's last step, and at what it has made of the weights."""
        self._check(trainer, pl_module.parameters())

    def _check(self, trainer: L.Trainer, weights: Iterable[Tensor]) -> None:
        step, self._last = self._last, None
        if step is None or (
            bool(step.finite) and all(bool(torch.isfinite(tensor).all()) for tensor in weights)
        ):
            return
        fitting: Any = trainer  # its datamodule is set while it fits
        names = listed((fitting.datamodule.images[row] for row in step.rows.tolist()), limit=8)
        raise TrainingError(
            f"The training of '{self.stage}' has diverged: loss or weights are no finite numbers "
            f"at {step.where}. The batch: {names}. Lower system.{self.stage}.optimizer.lr. The "
            "checkpoint of the last good epoch is kept."
        )
