"""One call of Lightning's trainer, set up the way every stage needs it."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, WandbLogger

from hmtnet.data.datamodule import QualityData
from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.experiment.callbacks import EpochRecord, StageProgress, WholeCheckpoints, checkpointing
from hmtnet.experiment.settings import LoggerSettings, TrainerSettings
from hmtnet.models.task import QualityTask
from hmtnet.runs.directory import RunDirectory
from hmtnet.runs.status import Status

# Advice of Lightning's that our design has already answered.
ANSWERED = (
    ".*does not have many workers.*",  # small uint8 images are prepared faster than trained on
    ".*The number of training batches.*is smaller than the logging interval.*",
    ".*Checkpoint directory.*exists and is not empty.*",  # resuming
    ".*treespec, LeafSpec.*",  # Lightning's own, of torch
    ".*module\\(s\\) in eval mode at the start of training.*",  # frozen norms, a frozen stage
)


def fit(
    task: QualityTask,
    data: QualityData,
    directory: RunDirectory,
    status: Status,
    trainer_settings: TrainerSettings,
    logger_settings: LoggerSettings,
    epochs: int,
) -> dict[str, torch.Tensor]:
    """Train a task to its last epoch, resuming from its last checkpoint if there is one.

    Returns:
        The state dict of the network at the epoch that validation chose.

    Raises:
        SettingsError: The hardware that is asked for is not there.
    """
    resume = directory.last_checkpoint if directory.last_checkpoint.exists() else None
    checkpoints = checkpointing(directory)
    callbacks: list[Callback] = [
        StageProgress(status.stage),
        EpochRecord(directory, status),
        *checkpoints,
    ]
    with quiet_lightning(), _logging_to(logger_settings, directory, status) as logger:
        try:
            trainer = L.Trainer(
                accelerator=trainer_settings.accelerator,
                devices=trainer_settings.devices,
                strategy="ddp" if trainer_settings.devices > 1 else "auto",
                precision=trainer_settings.precision,
                deterministic=trainer_settings.deterministic,
                max_epochs=epochs,
                limit_train_batches=trainer_settings.debug.batches,
                limit_val_batches=trainer_settings.debug.batches,
                gradient_clip_val=task.fit_settings.optimizer.clip or None,
                callbacks=callbacks,
                logger=logger,
                plugins=[WholeCheckpoints()],
                default_root_dir=directory.path,
                num_sanity_val_steps=0,
                enable_progress_bar=False,
                enable_model_summary=False,
                use_distributed_sampler=False,
                log_every_n_steps=1,
            )
        except (RuntimeError, ValueError, ImportError) as error:
            if isinstance(error, HmtnetError):
                raise
            raise SettingsError(
                f"Lightning refuses the trainer settings: {error} "
                "Use trainer=auto to take what this machine has."
            ) from error
        trainer.fit(task, datamodule=data, ckpt_path=None if resume is None else str(resume))
    best = directory.checkpoints / "best.ckpt"
    state = torch.load(best, map_location="cpu", weights_only=True)["state_dict"]
    return {
        key.removeprefix("network."): value
        for key, value in state.items()
        if key.startswith("network.")
    }


def device_of(settings: TrainerSettings) -> torch.device:
    """Return the device on which one process predicts."""
    if settings.accelerator in ("auto", "gpu") and torch.cuda.is_available():
        return torch.device("cuda")
    if settings.accelerator == "mps":
        return torch.device("mps")
    return torch.device("cpu")


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning tells every user; warnings that nobody has answered come through."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in ANSWERED:
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            logger.setLevel(level)


@contextmanager
def _logging_to(
    settings: LoggerSettings, directory: RunDirectory, status: Status
) -> Iterator[Logger | bool]:
    """Yield the logger; a W&B run is finished even if training fails.

    Without ``finish`` the next job of a sweep would log into this run.
    """
    if settings.name == "csv":
        yield False
        return
    import wandb

    online = settings.mode == "online" or (
        settings.mode == "auto" and wandb.api.api_key is not None
    )
    # W&B's own hints and summaries would interleave with the progress bars.
    os.environ.setdefault("WANDB_SILENT", "true")
    try:
        yield WandbLogger(
            project=settings.project,
            group=settings.group,
            name=directory.path.name,
            id=status.key,
            resume="allow",
            save_dir=directory.path,
            offline=not online,
            tags=[status.stage],
        )
    finally:
        wandb.finish()
