"""One call of Lightning's trainer, set up the way every stage needs it."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, WeightAveraging
from lightning.pytorch.loggers import Logger
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hmtnet.data.datamodule import QualityData
from hmtnet.errors import SettingsError
from hmtnet.experiment.callbacks import EpochRecord, Stopping
from hmtnet.experiment.checkpoints import (
    Candidate,
    EpochCheckpoints,
    ProvenCheckpoints,
    check_best,
    newest,
)
from hmtnet.experiment.devices import device_kind
from hmtnet.experiment.faults import Divergence, StopAfterEpoch
from hmtnet.experiment.processes import is_helper
from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.models.task import SELECTED_BY, QualityTask
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status

# Advice of Lightning's that our design has already answered.
ANSWERED = (
    ".*does not have many workers.*",  # small uint8 images are prepared faster than trained on
    ".*The number of training batches.*is smaller than the logging interval.*",
    ".*Checkpoint directory.*exists and is not empty.*",  # resuming
    ".*treespec, LeafSpec.*",  # Lightning's own, of torch
    ".*module\\(s\\) in eval mode at the start of training.*",  # frozen norms, a frozen stage
    ".*this fit will run with no optimizer.*",  # weights that are solved for
    ".*`training_step` returned `None`.*",  # the same
    ".*no gradient clipping will occur.*",  # the same
    ".*`srun` command is available.*",  # a node of a cluster may be worked on by hand
    ".*sync_dist=True.*",  # metrics synchronise themselves
)


def fit(
    task: QualityTask,
    data: QualityData,
    directory: RunDirectory,
    status: Status,
    trainer_settings: TrainerSettings,
    logger: Logger | None = None,
    start: Candidate | None = None,
    before: Sequence[Callback] = (),
    after: Sequence[Callback] = (),
) -> Candidate:
    """Train a task until it ends, resuming from its last checkpoint if there is one.

    Args:
        task: What is trained.
        data: What it learns from.
        directory: The run directory.
        status: The status that the run begins with; it says how many epochs there are.
        trainer_settings: The hardware.
        logger: Told of every epoch; None in a process that only helps.
        start: The network before its first step, where that is a candidate. A resumed training
            takes what its checkpoint says.
        before: Callbacks that are called before those which write an epoch down.
        after: Callbacks that are called last; what they raise ends the training.

    Returns:
        The best epoch, by what epochs are chosen by.

    Raises:
        ArtifactError: That epoch is not the best of the curve.
        TrainingError: The loss is no number any more.
        KeyboardInterrupt: Training was interrupted from the keyboard, or by a signal.
    """
    fit_settings = task.fit_settings
    resume = newest(directory.checkpoints)
    epoch_zero = None if start is None else {"epoch": 0, "step": 0, SELECTED_BY: start.score}
    record = EpochRecord(directory, status, epoch_zero)
    checkpoints = EpochCheckpoints(directory.checkpoints, status.key, start)
    stopping = StopAfterEpoch()
    callbacks: list[Callback] = [
        *(*before, Divergence(status.stage), record, stopping, checkpoints)
    ]
    if fit_settings.ema > 0:
        # Lightning's own exponential average, decay * a + (1 - decay) * b, lets constants and what
        # is frozen drift in their last digits; this one leaves what is equal alone.
        callbacks.append(WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(fit_settings.ema)))
    if fit_settings.early_stopping is not None:
        callbacks.append(Stopping(fit_settings.early_stopping))
    callbacks += after
    if trainer_settings.devices > 1 and not is_helper(trainer_settings):
        # For the helpers, which inherit it.
        os.environ["TQDM_DISABLE"] = "1"
    with quiet_lightning():
        trainer = make_trainer(
            trainer_settings,
            max_epochs=status.epochs,
            gradient_clip_val=fit_settings.optimizer.clip or None,
            accumulate_grad_batches=fit_settings.accumulate,
            callbacks=callbacks,
            logger=logger or False,
            plugins=[ProvenCheckpoints()],
            default_root_dir=directory.path,
        )
        if trainer_settings.compile:
            # In place, so that its tensors keep their names in checkpoints.
            eager = trainer_settings.compile == "eager"
            task.network.compile(backend="eager" if eager else "inductor")
        try:
            trainer.fit(task, datamodule=data, ckpt_path=resume and str(resume.path))
        except SystemExit as stop:
            # Lightning turns what stops it into an exit like any other.
            asked = stop.__context__
            raise (asked if isinstance(asked, KeyboardInterrupt) else KeyboardInterrupt()) from None
        stopping.check()
    return check_best(checkpoints.best, record.rows)


def check_hardware(settings: TrainerSettings) -> None:
    """Check that this machine has what the settings ask for, before anything is begun.

    Raises:
        SettingsError: It has not.
    """
    with quiet_lightning():
        make_trainer(settings, logger=False, enable_checkpointing=False)


def make_trainer(settings: TrainerSettings, **options: Any) -> L.Trainer:
    """Make a trainer on the hardware that the settings name.

    Args:
        settings: The hardware and the caps.
        options: More of Lightning's own arguments.

    Raises:
        SettingsError: Lightning refuses, as where the hardware is not there.
    """
    plugins = [*options.pop("plugins", ())]
    if SLURMEnvironment.detect():
        # Who submits a job requeues it. Lightning would do it a second time.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    try:
        return L.Trainer(
            plugins=plugins,
            accelerator=device_kind(settings),
            devices=settings.devices,
            # Which losses are on decides which parameters are used, so not all need to be.
            strategy="ddp_find_unused_parameters_true" if settings.devices > 1 else "auto",
            precision=settings.precision,
            deterministic=settings.deterministic,
            limit_train_batches=settings.debug.batches,
            limit_val_batches=settings.debug.batches,
            num_sanity_val_steps=0,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            log_every_n_steps=1,
            **options,
        )
    except (MisconfigurationException, RuntimeError, ValueError, ImportError) as error:
        raise SettingsError(
            f"Lightning refuses the trainer settings: {error} "
            "Use trainer=auto to take what this machine has."
        ) from error


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence what Lightning tells every user; warnings that nobody has answered come through."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    with warnings.catch_warnings():
        for message in ANSWERED:
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
