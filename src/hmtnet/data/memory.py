"""Whether decoded images fit into this machine's memory."""

import logging
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from hmtnet.errors import SettingsError
from hmtnet.files import size_words

Cache = Literal["auto", "memory", "none"]

# Training needs memory besides, and other programs may ask for theirs meanwhile.
SHARE = 0.5
"""The part of the free memory that ``auto`` fills."""

# Where the system does not say what is free: a quarter of all memory, else what any machine has.
_SHARE_OF_ALL = 0.25
_ASSUMED = 2 * 10**9

# By version of Linux's control groups: the folder, and in it the limit, the use, and what of the
# use are unused copies of files, which are given up before the limit is felt.
_GROUPS = {
    2: ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    1: (
        *("sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
        "total_inactive_file",
    ),
}


def keeps(cache: Cache, what: str, needed: int, free: tuple[int, str] | None = None) -> bool:
    """Decide whether images are decoded once and kept, and say why in one logged line.

    Args:
        cache: ``memory`` keeps them, ``none`` does not, ``auto`` keeps them if they need no more
            than half of the free memory.
        what: The images, for messages.
        needed: Bytes that they need when decoded, in all processes together.
        free: As ``free_memory`` returns it; measured by default.

    Raises:
        SettingsError: ``memory``, and they need more than is free.
    """
    if cache == "none":
        return False
    most, source = free or free_memory()
    numbers = f"{what} need {size_words(needed)} of memory, and {size_words(most)} are {source}"
    if cache == "memory" and needed > most:
        raise SettingsError(
            f"data.cache=memory cannot keep the decoded images: {numbers}. Set data.cache=none, "
            "which decodes each image when it is used (trainer.workers=<n> does so ahead), or "
            "data.cache=auto, or make memory free."
        )
    kept = cache == "memory" or needed <= SHARE * most
    logging.getLogger(__name__).info(
        "data.cache=%s: %s. %s.",
        *(cache, numbers),
        "They are kept" if kept else "That is more than half, so each is decoded when it is used",
    )
    return kept


def copies(devices: int, workers: int) -> int:
    """Return how many processes hold the decoded images.

    Args:
        devices: Processes that train.
        workers: Loader processes of each; they share its images only where processes are forked.
            Training and validation have loader processes of their own.
    """
    is_forked = multiprocessing.get_all_start_methods()[0] == "fork"
    return devices if is_forked else devices * (1 + 2 * workers)


def free_memory(root: Path = Path("/")) -> tuple[int, str]:
    """Return how many bytes can still be used, and how that is known.

    On Linux it is the smaller one of what the machine has and of what the limits of the process's
    control groups (containers, batch systems) leave. Elsewhere it is a cautious guess.

    Args:
        root: The folder that holds ``proc`` and ``sys``.
    """
    known = [(left, "left below this container's limit") for left in _left_by_groups(root)]
    available = _entry(root / "proc/meminfo", "MemAvailable:")
    if available is not None:
        known.append((1024 * available, "free"))
    if known:
        return min(known)
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return _ASSUMED, "assumed to be free"
    return int(_SHARE_OF_ALL * whole), "assumed to be free (a quarter of all)"


def _left_by_groups(root: Path) -> Iterator[int]:
    """Yield what the limit of each control group leaves, those of the outer groups included."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        mount, limit, use, unused = _GROUPS[1 if controllers else 2]
        group = PurePosixPath(path.lstrip("/"))
        for place in (group, *group.parents):
            folder = root / mount / place
            most, used = (_text(folder / name).strip() for name in (limit, use))
            if most.isdecimal() and used.isdecimal():  # without a limit it is the word max
                copied = _entry(folder / "memory.stat", unused) or 0
                yield max(int(most) - int(used) + copied, 0)


def _entry(path: Path, name: str) -> int | None:
    """Return the number that follows a name in a file of names and numbers."""
    rows = (line.split() for line in _text(path).splitlines())
    return next((int(row[1]) for row in rows if row[:1] == [name]), None)


def _text(path: Path) -> str:
    """Return what a file of the system says; nothing where it is not there."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
