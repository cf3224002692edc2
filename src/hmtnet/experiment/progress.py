"""The progress bar of a stage."""

import math
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from hmtnet.models.task import SELECTED_BY


class StageProgress(Callback):
    """One bar per stage, over all its epochs; it names the epoch and the validation SRCC."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.bar: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar; a resumed stage starts where it stopped."""
        del pl_module
        if trainer.is_global_zero:
            self.bar = tqdm(
                total=int(trainer.estimated_stepping_batches),
                initial=trainer.global_step,
                desc=f"{self.stage:<8}",
                unit="step",
                bar_format="{l_bar}{bar:24}| {n}/{total} [{elapsed}<{remaining}{postfix}]",
            )

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any, **kwargs: Any) -> None:
        """Advance."""
        del args, kwargs
        if self.bar is not None:
            self.bar.update(trainer.global_step - self.bar.n)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the epoch's result."""
        del pl_module
        if self.bar is not None:
            srcc = float(trainer.callback_metrics.get(SELECTED_BY, torch.tensor(math.nan)))
            self.bar.set_postfix_str(
                f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, val SRCC {srcc:.3f}"
            )

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the bar."""
        del trainer, pl_module
        self.close()

    def on_exception(
        self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException
    ) -> None:
        """Close the bar, so that the error stands on a line of its own."""
        del trainer, pl_module, exception
        self.close()

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar is not None:
            self.bar.close()
            self.bar = None
