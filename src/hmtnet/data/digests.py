"""Digests of a dataset's files: present, inside the root, and hashed by several threads."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from hmtnet.errors import DataError, listed
from hmtnet.files import digest_file

DIGEST_LENGTH = 16
_SHOW_PROGRESS_ABOVE = 200  # fewer files take less time than reading a progress bar


def digest_images(root: Path, names: Iterable[str]) -> dict[str, str]:
    """Digest the bytes of images below ``root``.

    Every image of every dataset passes here before it is used, so this is also the door at which
    paths that leave the root (by ``..``, by an absolute path or by a symbolic link) are stopped.

    Args:
        root: The dataset's folder.
        names: Paths relative to ``root``; repeated ones are read once.

    Returns:
        Each name's digest: the first 16 hexadecimal digits of the SHA-256 of the file's bytes.

    Raises:
        DataError: A name leaves the root, or files are missing or unreadable; all are listed.
    """
    wanted = sorted(set(names))
    _check_inside(root, wanted)

    def digest(name: str) -> str | OSError:
        try:
            return digest_file(root / name)[:DIGEST_LENGTH]
        except OSError as error:
            return error

    with ThreadPoolExecutor(thread_count()) as pool:
        results = list(
            tqdm(
                pool.map(digest, wanted),
                desc=f"digesting {root.name}",
                total=len(wanted),
                unit="image",
                disable=len(wanted) <= _SHOW_PROGRESS_ABOVE,
            )
        )
    digests = {n: d for n, d in zip(wanted, results, strict=True) if isinstance(d, str)}
    failed = [
        f"{n} ({d.strerror})" for n, d in zip(wanted, results, strict=True) if n not in digests
    ]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(wanted)} images below '{root}' cannot be read: "
            f"{listed(failed)}. Complete the folder or remove their labels."
        )
    return digests


def thread_count() -> int:
    """Return how many threads read or decode: hashing and decoding release Python's lock."""
    return min(8, os.cpu_count() or 1)


def _check_inside(root: Path, names: list[str]) -> None:
    inside = root.resolve()
    outside = [name for name in names if not (root / name).resolve().is_relative_to(inside)]
    if outside:
        raise DataError(
            f"{len(outside)} image paths leave the dataset's folder '{root}': {listed(outside)}. "
            "Copy the images into the folder and name them relative to it."
        )
