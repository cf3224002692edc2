"""What ends a training early: a signal that asks for it, or a loss that is no number any more."""

import signal
import threading
import time
from types import FrameType
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from hmtnet.data.batch import Batch
from hmtnet.data.datamodule import QualityData
from hmtnet.errors import TerminatedError, TrainingError, listed

PATIENCE = 5.0
"""Seconds from SIGTERM to the stop; what asks for it often kills after ten."""


class StopAfterEpoch(Callback):
    """Stop on SIGTERM, but wait for the checkpoint of an epoch that ends soon.

    A second SIGTERM, Ctrl-C, and a terminal that closes stop at once.
    """

    def __init__(self) -> None:
        self._asked: float | None = None

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
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
    """Stop when the loss is no finite number, before anything is validated, chosen or kept.

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
        self._check(trainer)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Look at the epoch's last step."""
        del pl_module
        self._check(trainer)

    def _check(self, trainer: L.Trainer) -> None:
        last, self._last = self._last, None
        if last is None or bool(last.finite):
            return
        data: Any = trainer.datamodule
        assert isinstance(data, QualityData)
        names = listed((data.images[row] for row in last.rows.tolist()), limit=8)
        raise TrainingError(
            f"The training of '{self.stage}' has diverged: its loss is no finite number at "
            f"{last.where}. The batch: {names}. Lower system.{self.stage}.optimizer.lr. The last "
            "good epoch's checkpoint is kept."
        )
