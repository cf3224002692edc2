"""What reading a file must never do: write elsewhere, start a program, connect, run a pickle."""

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
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod")
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
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, int) or not (flags & _WRITES or set(str(mode)) & set("wax+")):
            return
        paths = [path]
    elif event in _CHANGES:
        paths = [path for path in arguments[:2] if isinstance(path, (str, bytes, os.PathLike))]
    elif event in _ACTS and event not in _allowed:
        _seen.append(f"{event} {str(arguments)[:200]}")
        return
    else:
        return
    for path in paths:
        found = _resolved(os.fsdecode(path), event in _CHANGES)
        if not any(Path(found).is_relative_to(folder) for folder in _inside):
            _seen.append(f"{event} {found}")


def _resolved(path: str, is_link_itself: bool) -> str:
    """Return what is touched: of a link what it leads to, unless it is removed or renamed."""
    if not is_link_itself:
        return os.path.realpath(path)
    return f"{os.path.realpath(Path(path).parent)}/{Path(path).name}"


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
