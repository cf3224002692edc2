"""What a stage does while Lightning trains it: progress, curves, status, checkpoints."""

import csv
import math
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from tqdm import tqdm

from hmtnet.files import written_aside
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status


class StageProgress(Callback):
    """One bar a stage, over all its epochs; it names the epoch and the validation SRCC."""

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


class EpochRecord(Callback):
    """One row an epoch in ``metrics.csv``, and the run's status.

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
