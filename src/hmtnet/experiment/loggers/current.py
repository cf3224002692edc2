"""The log of the stage that runs, as its training finds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status

if TYPE_CHECKING:
    from hmtnet.experiment.loggers.wandb_log import WandbLog

CURRENT: ContextVar["WandbLog | None"] = ContextVar("the log of the stage that runs", default=None)


@contextmanager
def logging_to(
    settings: LoggerSettings, directory: RunDirectory, status: Status
) -> "Iterator[WandbLog | None]":
    """Yield what Lightning tells of every epoch: the log of the stage that runs, opened.

    Args:
        settings: Where curves go.
        directory: The run directory, which the log knows.
        status: The status that the training begins with, likewise.
    """
    del directory, status
    log = CURRENT.get() if settings.name == "wandb" else None
    if log is not None:
        log.open()
    yield log
