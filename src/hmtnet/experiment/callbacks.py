"""What a stage leaves while Lightning trains it: curves, status, checkpoints."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

from hmtnet.artifact import curves
from hmtnet.files import written_aside
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status


class EpochRecord(Callback):
    """One row per epoch in ``metrics.csv``, and the run's status.

    The file is rewritten whole each time; rows of epochs that a resumed run trains again are
    replaced, so that it reads as if nothing had happened.
    """

    def __init__(self, directory: RunDirectory, status: Status) -> None:
        self.directory = directory
        self.status = status

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch down."""
        del pl_module
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch
        row: dict[str, float] = {"epoch": epoch + 1, "step": trainer.global_step}
        groups = trainer.optimizers[0].param_groups
        if groups:  # there are none where the weights are solved for
            row["lr"] = max(group["lr"] for group in groups)
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        curves.write(self.directory.metrics, row)
        self.status = self.status.then(epoch=epoch + 1)
        run_status.write(self.directory.status, self.status)


class WholeCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, and are read as weights only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write aside, then rename: a kill while writing leaves the previous checkpoint."""
        del storage_options
        with written_aside(Path(path)) as aside:
            torch.save(checkpoint, aside)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load tensors and plain values only."""
        del args, kwargs
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint


def checkpointing(directory: RunDirectory) -> list[ModelCheckpoint]:
    """Keep the best epoch (by validation SRCC) and the last one (to resume from).

    The last is written after the best, so that whatever is killed in between, the last checkpoint
    knows no better epoch than the best file holds or will hold again.
    """
    return [
        ModelCheckpoint(
            directory.checkpoints,
            filename="best",
            monitor=SELECTED_BY,
            mode="max",
            save_weights_only=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
        ModelCheckpoint(
            directory.checkpoints,
            filename="last",
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
