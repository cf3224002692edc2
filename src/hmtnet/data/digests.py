"""Digests of a dataset's files: present, inside the root, and hashed by several threads."""

from collections.abc import Iterable
from pathlib import Path

from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_file

DIGEST_LENGTH = 16


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

    results = map_images(digest, wanted, f"digesting {root.name}", show_above=200)
    digests = {n: d for n, d in zip(wanted, results, strict=True) if isinstance(d, str)}
    failed = [
        f"{n} ({error.strerror})"
        for n, error in zip(wanted, results, strict=True)
        if isinstance(error, OSError)
    ]
    if failed:
        raise DataError(
            f"{len(failed)} of {len(wanted)} images below '{root}' cannot be read: "
            f"{listed(failed)}. Complete the folder or remove their labels."
        )
    return digests


def _check_inside(root: Path, names: list[str]) -> None:
    inside = root.resolve()
    outside = [name for name in names if not (root / name).resolve().is_relative_to(inside)]
    if outside:
        raise DataError(
            f"{len(outside)} image paths leave the dataset's folder '{root}': {listed(outside)}. "
            "Copy the images into the folder and name them relative to it."
        )
