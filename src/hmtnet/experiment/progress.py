"""How far the training of a stage is: one live line in a terminal, a line per epoch in a file."""

import logging
import math
import time
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm

from hmtnet.experiment.context import RunContext
from hmtnet.experiment.plan import Planned
from hmtnet.models.task import SELECTED_BY
from hmtnet.terminal import DISABLED

log = logging.getLogger(__name__)

_SHAPE = "{desc} {bar:16}{postfix}"
_LOSS = "train/loss"


class StageProgress(Callback):
    """Says epoch, loss, validation SRCC, images per second and the time that is left.

    The loss is the mean over the last epoch. Images are counted while they are trained on, not
    while validation is predicted; the time that is left includes both.

    Args:
        title: The stage, and which one of its chain it is.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: Any = None
        self._began = self._epoch_began = 0.0
        self._batches = self._images = 0
        self._rate = math.nan

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Open the bar; a resumed stage starts where it stopped."""
        del pl_module
        if not trainer.is_global_zero:
            return
        per_epoch = int(trainer.num_training_batches)
        self._began, self._batches = time.perf_counter(), 0
        self.bar = tqdm(
            total=per_epoch * int(trainer.max_epochs or 1),
            initial=per_epoch * trainer.current_epoch,
            desc=self.title,
            bar_format=_SHAPE,
            dynamic_ncols=True,
            disable=DISABLED,
        )

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Count anew."""
        del trainer, pl_module
        self._epoch_began, self._images = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        """Advance."""
        del pl_module, outputs, index
        if self.bar is None:
            return
        self._batches += 1
        self._images += len(batch) * trainer.world_size
        self._rate = self._images / (time.perf_counter() - self._epoch_began)
        if not self.bar.disable:
            self.bar.set_postfix_str(self._told(trainer), refresh=False)
        self.bar.update()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show the epoch's result."""
        del pl_module
        if self.bar is None:
            return
        told = self._told(trainer)
        if self.bar.disable:
            log.info("%s: %s", self.title, told)
        else:
            self.bar.set_postfix_str(told)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Leave the bar as it stands."""
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

    def _told(self, trainer: L.Trainer) -> str:
        loss, srcc = (
            float(trainer.callback_metrics.get(name, torch.tensor(math.nan)))
            for name in (_LOSS, SELECTED_BY)
        )
        epoch = trainer.current_epoch + 1
        parts = [f"epoch {epoch}/{trainer.max_epochs}"]
        parts += [f"loss {loss:.3g}"] if math.isfinite(loss) else []
        parts += [f"validation SRCC {srcc:.3f}"] if math.isfinite(srcc) else []
        parts += [f"{self._rate:.3g} images/s"] if math.isfinite(self._rate) else []
        return ", ".join([*parts, f"{_clock(self._left(trainer))} left"])

    def _left(self, trainer: L.Trainer) -> float:
        """Return the seconds that are left, by what batches have taken so far."""
        per_epoch, epochs = int(trainer.num_training_batches), int(trainer.max_epochs or 1)
        done = trainer.current_epoch * per_epoch + (self._batches - 1) % per_epoch + 1
        passed = time.perf_counter() - self._began
        return (epochs * per_epoch - done) * passed / max(self._batches, 1)


def title_of(context: RunContext, planned: Planned) -> str:
    """Say which stage of its chain is trained, and what a sweep's trial changes."""
    name, changes = planned.stage.name, context.settings.logger.changes.values()
    chain = [s.name for s in context.system.stages if s.name not in context.settings.upstream]
    chain = [s for s in chain if s in context.settings.stages] or chain
    title = f"{name} {chain.index(name) + 1}/{len(chain)}" if name in chain else name
    if context.whole is not None:
        title = f"{name}, fold {planned.directory.path.name.partition('-')[0]}"
    return ", ".join([title, *changes])


def _clock(seconds: float) -> str:
    """Return a time as ``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
