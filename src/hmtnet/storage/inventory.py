"""What lies under a folder of runs: which runs, how far, how large, and which builds on which.

Only what a run's own files say is used, and nothing is changed. Links to folders are not followed,
so nothing outside is found.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from typing import Any

from hmtnet.files import read_json
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.lock import LOCK_FILE, is_held
from hmtnet.storage.status import Status

RUNNING = "running"
UNFINISHED = ("interrupted", "failed", "incomplete", "empty")

_NAMED = re.compile(r"(?P<stage>.+)-(?P<key>[0-9a-f]{12})")
# A machine that shares the folder may hold a lock that is not seen here.
_SILENT = timedelta(days=1)


@dataclass(frozen=True)
class FoundRun:
    """A run as it lies there.

    Attributes:
        path: Its folder.
        state: ``finished``, ``running``, ``interrupted``, ``failed``, ``incomplete`` (it says that
            it is finished, and lacks files) or ``empty`` (nothing was begun).
        stage: The stage's name, or the baseline's.
        key: The stage's key; None where nothing tells it.
        size: Bytes on the disk, of all its files.
        updated: When its status was written, ISO 8601 in UTC; None where there is none.
        message: Why it has ended, where it is not finished.
        builds_on: Keys of the stages that it was made from.
    """

    path: Path
    state: str
    stage: str
    key: str | None
    size: int
    updated: str | None
    message: str | None
    builds_on: tuple[str, ...]


def find_runs(folder: Path) -> list[FoundRun]:
    """Find the runs in and under a folder, ordered by path."""
    found = []
    for root, folders, _ in os.walk(folder):
        folders.sort()
        if is_run(Path(root)):
            folders.clear()  # the folds inside are the run's own
            found.append(look_at(Path(root)))
    return found


def is_run(folder: Path) -> bool:
    """Whether a folder is a run: a real one with a status, a description, or a run's name."""
    if folder.is_symlink() or not folder.is_dir():
        return False
    directory = RunDirectory(folder)
    if run_status.read(directory.status) is not None or "key" in _description(directory):
        return True
    marks = (directory.status, directory.meta, directory.predictions, folder / LOCK_FILE)
    return bool(_NAMED.fullmatch(folder.name)) and any(mark.is_file() for mark in marks)


def look_at(folder: Path) -> FoundRun:
    """Describe the run in a folder."""
    directory = RunDirectory(folder)
    status, meta = run_status.read(directory.status), _description(directory)
    named = _NAMED.fullmatch(folder.name)
    stage = meta.get("stage") or (status and status.stage) or (named and named["stage"])
    key = meta.get("key") or (status and status.key) or (named and named["key"])
    return FoundRun(
        path=folder,
        state=_state(directory, status, meta),
        stage=str(stage or folder.name),
        key=str(key) if key else None,
        size=sum(size_of(path) for path in files_in(folder)),
        updated=status.updated if status else None,
        message=status.message if status else None,
        builds_on=tuple(_keys_below(meta)),
    )


def users_of(run: FoundRun, runs: Sequence[FoundRun]) -> list[FoundRun]:
    """Return the runs that were made from a run, as they say themselves."""
    return [other for other in runs if run.key in other.builds_on and other.path != run.path]


def may_use(run: FoundRun, runs: Sequence[FoundRun]) -> list[FoundRun]:
    """Return the unfinished runs beside a run, which do not say yet what they are made from."""
    return [
        other
        for other in runs
        if other.state in (RUNNING, *UNFINISHED)
        and other.path.parent == run.path.parent
        and other.stage != run.stage
    ]


def lock_folders(folder: Path) -> list[Path]:
    """Return the folders of a run that a process may hold: its own, and those of its folds."""
    folds = (path.parent for path in files_in(folder) if path.name == LOCK_FILE)
    return list(dict.fromkeys([folder, *folds]))


def files_in(folder: Path) -> Iterator[Path]:
    """Yield all files and links in and under a folder; a link is not followed."""
    for root, folders, files in os.walk(folder):
        links = [name for name in folders if Path(root, name).is_symlink()]
        yield from (Path(root, name) for name in (*files, *links))


def size_of(file: Path) -> int:
    """Return what a file takes on the disk; 0 where it has gone meanwhile."""
    try:
        found = file.lstat()
    except OSError:
        return 0
    blocks = getattr(found, "st_blocks", None)  # of 512 bytes; Windows does not count them
    return found.st_size if blocks is None else 512 * blocks


def _state(directory: RunDirectory, status: Status | None, meta: dict[str, Any]) -> str:
    if _is_running(directory, status):
        return RUNNING
    # Baselines and converted checkpoints have no status. Evaluations, adopted scores and baselines
    # have no weights.
    is_result = bool({"evaluated", "adopted"} & meta.keys()) or (status is None and not meta)
    needed = [directory.predictions] if is_result else [directory.meta, directory.weights]
    is_whole = all(path.is_file() for path in needed)
    if status is None:
        # A damaged status counts as none, and the run still resumes from its checkpoint.
        begun = any(path.name != LOCK_FILE for path in files_in(directory.path))
        left = "incomplete" if meta else "interrupted" if begun else "empty"
        return "finished" if is_whole else left
    if status.state == "finished":
        return "finished" if is_whole else "incomplete"
    return status.state


def _is_running(directory: RunDirectory, status: Status | None) -> bool:
    if any(is_held(folder) for folder in lock_folders(directory.path)):
        return True
    if status is None or status.state == RUNNING:
        return status is not None
    if status.message != run_status.GONE or status.host == gethostname():
        return False
    try:
        return datetime.now(UTC) - datetime.fromisoformat(status.updated) < _SILENT
    except (ValueError, TypeError):  # no time, or one without a zone
        return False


def _description(directory: RunDirectory) -> dict[str, Any]:
    """Read what a run says of itself; nothing where it is not there, or damaged."""
    try:
        found = read_json(directory.meta)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _keys_below(meta: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of what a run was made from: stages, a start, and what it evaluates."""
    upstream = meta.get("upstream")
    given = [meta.get("start"), meta.get("evaluated")]
    given += upstream.values() if isinstance(upstream, dict) else []
    for reference in given:
        key = reference.get("key") if isinstance(reference, dict) else None
        if isinstance(key, str):
            yield key
