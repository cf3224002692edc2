"""What an interrupted stage resumes from: one file per epoch, proven by its SHA-256.

An epoch's checkpoint knows all there is to know: the state of the training, the curve so far, and
which epoch has been the best, with its weights. So nothing depends on another file, or on where the
run lies. The one before is kept until the next is proven.
"""

import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor

from hmtnet.artifact.digests import digest_beside, is_as_recorded_beside, record_beside
from hmtnet.errors import ArtifactError
from hmtnet.files import written_aside
from hmtnet.models.task import SELECTED_BY

log = logging.getLogger(__name__)

_NAME = re.compile(r"epoch-(\d+)\.ckpt")
_OURS = "hmtnet"
_KEPT = 2


@dataclass(frozen=True)
class Candidate:
    """A network at the end of an epoch.

    Attributes:
        epoch: Completed epochs; 0 is the network before its first step.
        score: Its SRCC on the images that the epoch is chosen on; NaN where it is undefined.
        state: Its weights.
    """

    epoch: int
    score: float
    state: dict[str, Tensor]

    def yields_to(self, score: float) -> bool:
        """Return whether a later epoch with this score is chosen instead.

        Of equals the earlier one stays, but for the start: of equals the trained ones are chosen.
        """
        ours, theirs = _ranked(self.score), _ranked(score)
        return theirs > ours or (self.epoch == 0 and theirs == ours)


class EpochCheckpoints(Checkpoint):
    """Write a checkpoint at the end of each epoch and remember the best epoch.

    Args:
        folder: Where checkpoints lie.
        key: The stage's key, by which a checkpoint of another stage is recognised.
        start: The network before its first step, where that is a candidate.
    """

    def __init__(self, folder: Path, key: str, start: Candidate | None = None) -> None:
        self.folder = folder
        self.key = key
        self.best = start

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write the epoch's checkpoint, then let go of all but the one before it."""
        del pl_module
        epoch = trainer.current_epoch + 1
        trainer.save_checkpoint(self.folder / f"epoch-{epoch:04}.ckpt")
        if trainer.is_global_zero:
            for _, old in _by_epoch(self.folder)[_KEPT:]:
                old.unlink()
                digest_beside(old).unlink(missing_ok=True)

    def on_save_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the best epoch, which may be this one, to the checkpoint."""
        del pl_module
        score = float(trainer.callback_metrics.get(SELECTED_BY, math.nan))
        if self.best is None or self.best.yields_to(score):
            # What the checkpoint holds is what was validated, averaged weights included.
            state = {
                name.removeprefix("network."): tensor.detach().cpu().clone()
                for name, tensor in checkpoint["state_dict"].items()
                if name.startswith("network.")
            }
            self.best = Candidate(trainer.current_epoch + 1, score, state)
        checkpoint[_OURS] = {"key": self.key, "best": vars(self.best)}

    def on_load_checkpoint(
        self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take up the best epoch so far."""
        del trainer, pl_module
        self.best = Candidate(**checkpoint[_OURS]["best"])


class ProvenCheckpoints(TorchCheckpointIO):
    """Checkpoints that appear whole or not at all, are proven, and are read as weights only."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        """Write aside, write the digest, then rename: what has the name is whole and proven."""
        del storage_options
        path = Path(path)
        with written_aside(path, durable=True) as aside:
            torch.save(checkpoint, aside)
            record_beside(path, aside, durable=True)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load tensors and plain values only."""
        del args, kwargs
        checkpoint: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return checkpoint


def check_best(chosen: Candidate | None, curve: Sequence[Mapping[str, float]]) -> Candidate:
    """Return the chosen epoch, which must be the best of the curve.

    Raises:
        ArtifactError: It is not: whatever has gone wrong, no other epoch's weights are kept.
    """
    scores = {int(row["epoch"]): row[SELECTED_BY] for row in curve if SELECTED_BY in row}
    if chosen is None or any(_ranked(score) > _ranked(chosen.score) for score in scores.values()):
        told = "none is" if chosen is None else f"epoch {chosen.epoch} ({chosen.score:.4f}) is"
        raise ArtifactError(
            f"The stage was not finished: {told} about to be kept, but validation SRCC by epoch "
            f"is {scores}. Remove the folder 'checkpoints' of the run and train the stage again."
        )
    return chosen


class Resumable(NamedTuple):
    """A checkpoint, and how many epochs are completed in it."""

    epoch: int
    path: Path


def newest(folder: Path) -> Resumable | None:
    """Return the newest checkpoint in a folder; None without any."""
    return next(iter(_by_epoch(folder)), None)


def set_damaged_aside(folder: Path, key: str) -> None:
    """Rename what cannot be resumed from, and name it; what is left can be.

    Args:
        folder: Where checkpoints lie.
        key: The stage's key.
    """
    for _, path in _by_epoch(folder):
        reason = _flaw_of(path, key)
        if reason:
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            left = newest(folder)
            log.warning(
                "%s %s. It was set aside as %s, and the stage goes on from %s.",
                path,
                reason,
                aside.name,
                f"the end of epoch {left[0]}" if left else "its beginning",
            )


def _ranked(score: float) -> float:
    """Return what scores are compared by: an undefined one is below all others."""
    return -math.inf if math.isnan(score) else score


def _flaw_of(path: Path, key: str) -> str | None:
    """Return why a checkpoint cannot be resumed from; None if it can."""
    proven = is_as_recorded_beside(path)
    if proven is None:
        return "has no SHA-256 beside it that could be read"
    if not proven:
        return "is damaged: its SHA-256 is not the one beside it"
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return None if content[_OURS]["key"] == key else "is of another stage"
    except Exception:  # whatever a whole file holds that is no checkpoint of ours
        return "is no checkpoint of a stage"


def _by_epoch(folder: Path) -> list[Resumable]:
    """Return the checkpoints in a folder, the newest first."""
    matched = [(_NAME.fullmatch(path.name), path) for path in folder.glob("epoch-*.ckpt")]
    return sorted((Resumable(int(m[1]), path) for m, path in matched if m), reverse=True)
