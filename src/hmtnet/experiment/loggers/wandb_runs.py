"""Runs of Weights & Biases: started, found again, and sent later."""

import logging
import netrc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.sink import short
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.storage.directory import RunDirectory

log = logging.getLogger(__name__)


def start(card: Card, settings: LoggerSettings, directory: RunDirectory) -> Any:
    """Start a run, or go on with the one of the same stage; offline where W&B is not reached.

    Raises:
        Exception: Whatever W&B raises.
    """
    # W&B's own hints and summaries would interleave with the progress bars.
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    try:
        wandb.env.get_cache_dir().mkdir(parents=True, exist_ok=True)
    except OSError:
        # Without a place for its own log, W&B's service would write it to the terminal.
        os.environ["WANDB_CACHE_DIR"] = str((directory.path / "wandb").resolve())
    # What an earlier stage left open, because W&B failed on it half-way.
    wandb.finish()
    offline = "offline" in (settings.mode, os.environ.get("WANDB_MODE")) or (
        settings.mode == "auto" and not _has_account()
    )
    try:
        run = _init(card, settings, directory, offline)
    except Exception as error:
        if offline:
            raise
        log.warning("W&B cannot be reached (%s); it logs offline.", short(error))
        os.environ["WANDB_MODE"] = "offline"  # the rest of this process does not wait again
        wandb.teardown()  # it would remember the run as begun, and the environment as it was
        run = _init(card, settings, directory, offline=True)
    # The summary is the chosen epoch, not the last one.
    run.define_metric("epoch", summary="none")
    run.define_metric("*", step_metric="epoch", summary="none")
    return run


def _init(card: Card, settings: LoggerSettings, directory: RunDirectory, offline: bool) -> Any:
    import wandb

    return wandb.init(
        project=settings.project,
        group=card.group,
        name=card.name,
        job_type=card.stage,
        tags=card.tags,
        config=dict(card.config),
        id=card.key,
        resume="allow",
        dir=directory.path,
        mode="offline" if offline else None,
        settings=wandb.Settings(console="off", init_timeout=30),
    )


@contextmanager
def kept_in(directory: RunDirectory) -> Iterator[None]:
    """Let W&B keep files that wait to be sent in the run directory, not in the home directory."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str((directory.path / "wandb").resolve())
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def sync_words(directories: Sequence[RunDirectory]) -> str | None:
    """Return the command that sends what was logged offline; None where nothing waits."""
    folders = [
        folder
        for directory in directories
        for folder in sorted(directory.path.glob("wandb/offline-run-*"))
        if not any(folder.glob("*.synced"))
    ]
    return " ".join(["wandb sync", *map(str, folders)]) if folders else None


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
