"""Where curves go besides ``metrics.csv``."""

import logging
import netrc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from lightning.pytorch.loggers import WandbLogger

from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status

log = logging.getLogger(__name__)


@contextmanager
def logging_to(
    settings: LoggerSettings, directory: RunDirectory, status: Status
) -> Iterator[WandbLogger | None]:
    """Yield the logger of one stage, or None where ``metrics.csv`` is all that is wanted.

    A W&B run that cannot be started costs a warning, never the training. One that was started is
    finished even if training fails: else the next job of a sweep would log into it.
    """
    logger = _start(settings, directory, status) if settings.name == "wandb" else None
    if logger is None:
        yield None
        return
    import wandb

    try:
        yield logger
    except BaseException:
        wandb.finish(exit_code=1)
        raise
    try:
        wandb.finish()
    except Exception as error:
        log.warning("W&B could not finish its run (%s); metrics.csv has the curves.", _short(error))


def _start(settings: LoggerSettings, directory: RunDirectory, status: Status) -> WandbLogger | None:
    # W&B's own hints and summaries would interleave with the progress bars.
    os.environ.setdefault("WANDB_SILENT", "true")
    try:
        import wandb

        # What an earlier job left open, because W&B failed on it half-way.
        wandb.finish()
        logger = WandbLogger(
            project=settings.project,
            group=settings.group,
            name=directory.path.name,
            id=status.key,
            resume="allow",
            save_dir=directory.path,
            offline=settings.mode == "offline" or (settings.mode == "auto" and not _has_account()),
            tags=[status.stage],
        )
        _ = logger.experiment  # starts the run, which Lightning would do in the midst of training
    except Exception as error:  # whatever W&B may raise, it must not cost a training run
        log.warning("W&B is not available (%s); metrics.csv has the curves.", _short(error))
        return None
    return logger


def _short(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _has_account() -> bool:
    """Return whether W&B finds a key, or is told by WANDB_MODE what to do without one.

    The places are those that W&B documents; its own function asks at the terminal or raises.
    """
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_MODE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    for path in (os.environ.get("NETRC"), "~/.netrc", "~/_netrc"):
        try:
            if path and netrc.netrc(Path(path).expanduser()).authenticators(host):
                return True
        except (OSError, netrc.NetrcParseError):
            continue
    return False
