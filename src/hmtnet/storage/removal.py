"""What can be removed of runs, and its removal: never through a link, never while it is in use."""

import re
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hmtnet.errors import HmtnetError
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.inventory import RUNNING, FoundRun, files_in, is_run, lock_folders
from hmtnet.storage.lock import LOCK_FILE, HeldError, locked

# What `hmtnet.files.written_aside` calls a file until it is whole.
_ASIDE = re.compile(r"\..+-[a-z0-9_]{8}(\.\w+)?")


def leftovers(run: FoundRun) -> list[Path]:
    """Return what nobody will read again of a run that is not running, files and folders.

    That is what a killed process was writing, checkpoints that were set aside as damaged, and those
    of a finished run. What an interrupted run resumes from is none.
    """
    if run.state == RUNNING:
        return []
    done = run.state == "finished"
    checkpoints = RunDirectory(run.path).checkpoints
    whole = [checkpoints] if done and checkpoints.is_dir() and not checkpoints.is_symlink() else []
    return whole + [
        path
        for path in files_in(run.path)
        if (_ASIDE.fullmatch(path.name) or path.suffix == ".damaged")
        and not path.is_symlink()
        and not any(path.is_relative_to(folder) for folder in whole)
    ]


def remove_leftovers(run: FoundRun) -> None:
    """Remove a run's leftovers.

    Raises:
        HmtnetError: A process works on the run, or something cannot be removed.
    """
    with _alone(run):
        for path in leftovers(run):
            _remove(path)


def remove_run(run: FoundRun) -> None:
    """Remove a run.

    Raises:
        HmtnetError: It is no run any more, a process works on it, or it cannot be removed.
    """
    if not is_run(run.path):
        raise HmtnetError(f"{run.path} is no run directory any more, so it is not removed.")
    directory = RunDirectory(run.path)
    with _alone(run):
        # First what says that it is finished: a removal that is cut short leaves no half a result.
        for path in (directory.status, directory.meta):
            path.unlink(missing_ok=True)
        for path in run.path.iterdir():
            if path.name != LOCK_FILE:
                _remove(path)
        with suppress(OSError):  # where an open file cannot be removed, an empty run stays
            (run.path / LOCK_FILE).unlink(missing_ok=True)
            run.path.rmdir()


@contextmanager
def _alone(run: FoundRun) -> Iterator[None]:
    """Hold a run and its folds, so that no process takes it up meanwhile."""
    if run.state == RUNNING:  # also on a machine whose locks are not seen here
        raise HeldError(f"{run.path} is running. Wait until it ends, or end it.")
    with ExitStack() as stack:
        for folder in lock_folders(run.path):
            stack.enter_context(locked(folder, wait=False))
        try:
            yield
        except OSError as error:
            raise HmtnetError(
                f"{run.path} cannot be removed whole: {error}. Check that it is writable."
            ) from error


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
