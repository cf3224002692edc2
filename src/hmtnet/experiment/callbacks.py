"""What a stage leaves while Lightning trains it: its curve and its status."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback, EarlyStopping

from hmtnet.artifact import curves
from hmtnet.experiment.context import Watch
from hmtnet.models.task import SELECTED_BY
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status


class EpochRecord(Callback):
    """One row per epoch in ``metrics.csv``, and the run's status.

    The rows travel in checkpoints, and the file is written whole each time: so a resumed run's
    curve reads as if nothing had happened, whatever became of the file meanwhile.

    Args:
        directory: The run directory.
        status: The status that the run begins with.
        start: The row of epoch 0, where the stage's start is a candidate.
    """

    def __init__(
        self, directory: RunDirectory, status: Status, start: Mapping[str, float] | None = None
    ) -> None:
        self.directory = directory
        self.status = status
        self.rows: list[dict[str, float]] = [] if start is None else [dict(start)]

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch down."""
        del pl_module
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch
        row: dict[str, float] = {"epoch": epoch + 1, "step": trainer.global_step}
        groups = trainer.optimizers[0].param_groups
        if groups:  # there are none where the weights are solved for
            row["lr"] = float(max(group["lr"] for group in groups))
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self.rows.append(row)
        curves.write(self.directory.metrics, self.rows)
        self.status = self.status.then(epoch=epoch + 1)
        run_status.write(self.directory.status, self.status)

    def state_dict(self) -> dict[str, Any]:
        """Return the curve so far."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the curve so far."""
        self.rows = state_dict["rows"]


class Watched(Callback):
    """Tells somebody how good every epoch of a stage is."""

    def __init__(self, stage: str, watch: Watch) -> None:
        self.stage = stage
        self.watch = watch

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Tell."""
        del pl_module
        if trainer.is_global_zero:
            found = float(trainer.callback_metrics[SELECTED_BY])
            self.watch(self.stage, trainer.current_epoch + 1, found)


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
