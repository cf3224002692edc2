"""How far a run is, for people and for other processes: ``status.json``."""

import dataclasses
import json
import math
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.files import read_json, write_text
from hmtnet.settings import build


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a run.

    ``running`` with no live process means that the run was interrupted; the lock, not this file,
    says whether somebody works on it.

    Attributes:
        state: ``running``, ``finished`` or ``failed``.
        stage: The stage's name.
        key: The stage's key.
        started: When the run began or resumed, ISO 8601 in UTC.
        updated: When this was written, ISO 8601 in UTC.
        epoch: Completed epochs.
        epochs: Epochs in all.
        pid: The process that runs it.
        host: The machine it runs on.
        objective: What the stage is judged by on validation data; None while unknown or undefined.
        message: Why it failed.
    """

    state: Literal["running", "finished", "failed"]
    stage: str
    key: str
    started: str
    updated: str
    epoch: int
    epochs: int
    pid: int
    host: str
    objective: float | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        """Refuse an objective that JSON cannot hold and no comparison can use."""
        if self.objective is not None and not math.isfinite(self.objective):
            raise ValueError(f"objective must be finite or None, not {self.objective!r}.")

    @classmethod
    def begin(cls, stage: str, key: str, epochs: int, epoch: int = 0) -> Self:
        """Return the status of a run that this process starts, or resumes at ``epoch``."""
        return cls(
            state="running",
            stage=stage,
            key=key,
            started=_now(),
            updated=_now(),
            epoch=epoch,
            epochs=epochs,
            pid=os.getpid(),
            host=socket.gethostname(),
        )

    def then(self, **changes: Any) -> Self:
        """Return a copy with some fields changed and ``updated`` set to now."""
        return dataclasses.replace(self, **{"updated": _now(), **changes})


def write(path: Path, status: Status) -> None:
    """Write a status, whole or not at all.

    Raises:
        HmtnetError: The file cannot be written.
    """
    text = json.dumps(dataclasses.asdict(status), indent=2, ensure_ascii=False)
    try:
        write_text(Path(path), text + "\n")
    except OSError as error:
        raise HmtnetError(
            f"The status {path} cannot be written: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def read(path: Path) -> Status | None:
    """Read a status; None if there is none that can be understood.

    A damaged status, as a power failure can leave, counts as none: the run is then not finished,
    resumes from its checkpoint and writes a new status, and nobody has to repair anything. Fields
    that only a newer hmtnet knows are ignored.
    """
    try:
        document = read_json(Path(path))
        known = {field.name for field in dataclasses.fields(Status)}
        return build(Status, {name: document[name] for name in known & document.keys()})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, AttributeError, SettingsError):  # no JSON, no object, wrong fields
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
