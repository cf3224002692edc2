"""Runs of Weights & Biases: started, found again, and sent later."""

import json
import netrc
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hmtnet.errors import SettingsError
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.files import read_json, write_text
from hmtnet.settings import build
from hmtnet.storage.directory import RunDirectory


@dataclass(frozen=True)
class Logged:
    """What W&B has been told of a stage, by whichever process.

    Attributes:
        epoch: The last epoch.
        finished: Whether the stage was finished.
        subsets: Whose predictions.
        where: The run's address, or its folder.
    """

    epoch: int = -1
    finished: bool = False
    subsets: tuple[str, ...] = ()
    where: str = ""


def start(card: Card, settings: LoggerSettings, directory: RunDirectory) -> Any:
    """Start a run, or go on with the one of the same stage.

    Raises:
        Exception: Whatever W&B raises.
    """
    # W&B's own hints and summaries would interleave with the progress bars.
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    # What an earlier stage left open, because W&B failed on it half-way.
    wandb.finish()
    offline = settings.mode == "offline" or (settings.mode == "auto" and not _has_account())
    run = wandb.init(
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
        settings=wandb.Settings(console="off"),
    )
    # The summary is the chosen epoch, not the last one.
    run.define_metric("epoch", summary="none")
    run.define_metric("*", step_metric="epoch", summary="none")
    return run


def abandon() -> None:
    """Let go of a run that W&B has failed on."""
    import wandb

    with suppress(Exception):
        wandb.finish(exit_code=1)


def read_logged(directory: RunDirectory) -> Logged:
    """Read what W&B has been told of a stage; nothing, where that cannot be read."""
    try:
        return build(Logged, read_json(_note(directory)))
    except (OSError, ValueError, SettingsError):
        return Logged()


def write_logged(directory: RunDirectory, logged: Logged) -> None:
    """Remember what W&B has been told."""
    write_text(_note(directory), json.dumps(asdict(logged), indent=2) + "\n")


def _note(directory: RunDirectory) -> Path:
    return directory.path / "wandb" / "logged.json"


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
