"""What reading a file must never do: write elsewhere, start a program, connect, run a pickle."""

import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""Of processor time that one input may take; on a quiet machine none takes a tenth of it."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {  # which argument is a path, and which the open folder that it may start from
    "os.remove": {0: 1},
    "os.rmdir": {0: 1},
    "os.mkdir": {0: 2},
    "os.chmod": {0: 2},
    "os.rename": {0: 2, 1: 3},
    "os.link": {0: 2, 1: 3},
    "os.symlink": {1: 2},
}
_ACTS = (
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect"),
    *("pickle.find_class", "webbrowser.open", "ctypes.dlopen"),
)

_seen: list[str] | None = None
_inside: list[str] = []
_allowed: tuple[str, ...] = ()


class TooSlowError(Exception):
    """An input that takes too much processor time."""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    touched = []
    if event == "open":
        path, mode, flags = arguments
        if not isinstance(path, int) and (flags & _WRITES or set(str(mode)) & set("wax+")):
            touched = [os.path.realpath(os.fsdecode(path))]
    elif event in _CHANGES:
        touched = [
            _resolved(arguments[place], arguments[folder])
            for place, folder in _CHANGES[event].items()
            if not isinstance(arguments[place], int)
        ]
    elif event in _ACTS and event not in _allowed:
        _seen.append(f"{event} {str(arguments)[:200]}")
    for found in touched:
        if not any(Path(found).is_relative_to(folder) for folder in _inside):
            _seen.append(f"{event} {found}")


def _resolved(path: str | bytes | os.PathLike, folder: int) -> str:
    """Return what is changed: of a link itself, not what it leads to."""
    path = Path(os.fsdecode(path))
    if folder < 0:
        base = Path()
    elif sys.platform == "darwin":
        base = Path(os.fsdecode(fcntl.fcntl(folder, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")))
    else:
        base = Path(f"/proc/self/fd/{folder}")
    return f"{os.path.realpath(base / path.parent)}/{path.name}"


sys.addaudithook(_hook)


@contextmanager
def watched(*folders: Path, allowed: tuple[str, ...] = ()) -> Iterator[None]:
    """Fail if the block writes outside the folders, starts or loads anything, or does not end.

    Args:
        folders: Where the block may write.
        allowed: Audit events that it may raise nevertheless.

    Raises:
        AssertionError: It has done something that it must not.
        TooSlowError: It has taken too much processor time.
    """
    global _seen, _inside, _allowed

    def late(*_: object) -> None:
        raise TooSlowError(f"more than {SECONDS} s of processor time")

    _seen, _inside, _allowed = [], [os.path.realpath(folder) for folder in folders], allowed
    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        found, _seen = _seen, None
    assert not found, found
