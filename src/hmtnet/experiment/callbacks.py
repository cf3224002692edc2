"""What a stage leaves while Lightning trains it: curves, status, checkpoints."""

import csv
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO

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
        write_curve(self.directory.metrics, row)
        self.status = self.status.then(epoch=epoch + 1)
        run_status.write(self.directory.status, self.status)


def write_curve(path: Path, row: dict[str, Any]) -> None:
    """Put one epoch's row into a CSV of curves, replacing this and later epochs."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [r for r in csv.DictReader(stream) if int(r["epoch"]) < row["epoch"]]
    names = list(dict.fromkeys([*row, *(name for r in rows for name in r)]))
    with written_aside(path) as aside, aside.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*rows, row])


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


class Stopping(EarlyStopping):
    """End a stage after so many epochs without a better validation SRCC."""

    def __init__(self, epochs: int) -> None:
        # An undefined SRCC is no better one, and no reason to stop at once.
        super().__init__(SELECTED_BY, patience=epochs, mode="max", check_finite=False)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Stop at once if what is resumed had come to its end."""
        del pl_module
        if self.wait_count >= self.patience:
            trainer.should_stop = True


def checkpointing(directory: RunDirectory, averaged: bool) -> list[ModelCheckpoint]:
    """Keep the best epoch (by validation SRCC) and the last one (to resume from).

    Lightning puts averaged weights into whole checkpoints alone, so then the best one is whole.

    The last is written after the best, so that whatever is killed in between, the last checkpoint
    knows no better epoch than the best file holds or will hold again.
    """
    return [
        ModelCheckpoint(
            directory.checkpoints,
            filename="best",
            monitor=SELECTED_BY,
            mode="max",
            save_weights_only=not averaged,
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
