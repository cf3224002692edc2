"""One process trains a stage; others that want the same one wait for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hmtnet.errors import HmtnetError

LOCK_FILE = ".lock"


class HeldError(HmtnetError):
    """Another process holds a folder, and it is not waited for."""


@contextmanager
def locked(
    folder: Path,
    on_wait: Callable[[], None] | None = None,
    only_read: bool = False,
    wait: bool = True,
) -> Iterator[None]:
    """Hold ``folder`` for the length of the block; wait while another process holds it.

    The operating system keeps the lock, so it ends with its process, however that ends. The file
    ``.lock`` stays behind and means nothing by itself.

    Args:
        folder: The run directory; made if it does not exist.
        on_wait: Called once, if another process holds the folder, before waiting for it.
        only_read: Nothing will be written, so a folder that cannot be written to needs no lock.
        wait: Whether to wait for another process.

    Raises:
        HeldError: Another process holds the folder, and is not waited for.
        HmtnetError: The folder cannot be made or written to.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, poll_interval=0.2)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise HeldError(
                    f"{folder} is in use: another process works on it. Wait until it ends."
                ) from None
            if on_wait is not None:
                on_wait()
            lock.acquire()
    except OSError as error:
        if only_read:
            yield
            return
        raise HmtnetError(
            f"The run directory {folder} cannot be used: {error}. Check that it is writable, or "
            "choose another place for runs."
        ) from error
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool | None:
    """Return whether a process holds ``folder``; None where that cannot be found out."""
    path = Path(folder) / LOCK_FILE
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:
        return None
