"""File systems of our own, for those that may mount some."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.scene import SkippedError


@contextmanager
def memory_disk(folder: Path, size: int | None = None) -> Iterator[Path]:
    """Mount a file system in memory; ``size`` in bytes, None for as much as it takes."""
    folder.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", *(("-o", f"size={size}") if size else ()), "tmpfs", str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


def enlarge(folder: Path) -> None:
    """Give a mounted file system room."""
    _mount("-o", "remount,size=1g", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[Path]:
    """Let nobody, not even root, write below a folder."""
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,ro,bind", str(folder))
        yield folder
    finally:
        _unmount(folder)


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SkippedError(f"nothing can be mounted here: {done.stderr.strip()}")


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
