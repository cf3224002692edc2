"""How far a run is, for people and for other processes: ``status.json``."""

import dataclasses
import json
import math
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from hmtnet.errors import ArtifactError, HmtnetError, SettingsError
from hmtnet.files import read_json, write_text
from hmtnet.settings import build
from hmtnet.storage.lock import is_held

GONE = "its process is gone: it was killed, or the machine stopped"
"""What is said of a run that could not say itself how it ended."""


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a run.

    Attributes:
        state: ``running``, ``finished``, ``interrupted`` (stopped from outside) or ``failed``.
        stage: The stage's name.
        key: The stage's key.
        started: When the run began or resumed, ISO 8601 in UTC.
        updated: When this was written, ISO 8601 in UTC.
        epoch: Completed epochs.
        epochs: Epochs in all.
        pid: The process that runs it.
        host: The machine it runs on.
        objective: What the stage is judged by on validation data; None while unknown or undefined.
        message: Why it failed or was interrupted.
        process_started: When that process began, as its system counts; None where it does not tell.
    """

    state: Literal["running", "finished", "interrupted", "failed"]
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
    process_started: str | None = None

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
            process_started=_beginning_of(os.getpid()),
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
        if _overwrite(Path(path), text + "\n"):
            return
        raise HmtnetError(
            f"The status {path} cannot be written: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def read(path: Path) -> Status | None:
    """Read a status; None if there is none that can be understood.

    A damaged status, as a power failure can leave, counts as none: the run is then not finished,
    resumes from its checkpoint and writes a new status, and nobody has to repair anything. Fields
    that only a newer hmtnet knows are ignored. A run whose process is gone, and had no time to say
    so, is ``interrupted``.

    Raises:
        ArtifactError: There is one that may not be read, so that nobody knows how far the run is.
    """
    try:
        document = read_json(Path(path))
        known = {field.name for field in dataclasses.fields(Status)}
        found = build(Status, {name: document[name] for name in known & document.keys()})
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except (ValueError, AttributeError, SettingsError):  # no JSON, no object, wrong fields
        return None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}. Make it readable.") from error
    if found.state == "running" and not _lives(found, Path(path).parent):
        return dataclasses.replace(found, state="interrupted", message=GONE)
    return found


def _lives(status: Status, folder: Path) -> bool:
    """Return whether the process that runs a stage is still there, or may be."""
    here = status.host == socket.gethostname()
    if here and _is_process(status.pid):
        begun = _beginning_of(status.pid)
        if None in (begun, status.process_started) or begun == status.process_started:
            return True
    # Processes of a container have numbers of their own, and other machines have other ones.
    held = is_held(folder)
    return not here if held is None else held


def _is_process(pid: int) -> bool:
    if pid < 1:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True


def _beginning_of(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine did, by which its number is known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _overwrite(path: Path, text: str) -> bool:
    """Write a status over the one before: a full disk has no room for a new file."""
    try:
        with path.open("r+b") as stream:
            stream.write(text.encode("utf-8"))
            stream.truncate()
    except OSError:
        return False
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
