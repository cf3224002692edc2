"""Digests of a dataset's files: present, inside the root, and hashed by several threads, once."""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from hmtnet.data.cache import recall, remember
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_file, digest_text

DIGEST_LENGTH = 16

# A file that changes twice within one tick of its file system's clock looks as if it had changed
# once. FAT has the coarsest: two seconds.
COARSEST_TICK = 2_000_000_000  # ns

_KIND = "digests"
_DIGEST = re.compile(f"[0-9a-f]{{{DIGEST_LENGTH}}}")

# What changes with a file's bytes: size, time of the last change to bytes (ns), time of the last
# change to anything (ns), inode. Programs that unpack, copy or touch a file may set the second one
# back, but none can set the third; the fourth tells files apart that were swapped. On Windows the
# third is the time of creation, so a change of equal size that was hidden on purpose goes unseen.
_Status = tuple[int, int, int, int]


def digest_images(root: Path, names: Iterable[str], links: bool = False) -> dict[str, str]:
    """Digest the bytes of images below ``root``.

    Every image of every dataset passes here before it is used, so paths that leave the root (by
    ``..``, by an absolute path or by a symbolic link) are refused here too.
    A file that was digested before, on this machine, and has not changed since is not read again.

    Args:
        root: The dataset's folder.
        names: Paths relative to ``root``; repeated ones are read once.
        links: Whether links inside the root may lead out of it.

    Returns:
        Each name's digest: the first 16 hexadecimal digits of the SHA-256 of the file's bytes.

    Raises:
        DataError: A name leaves the root, or files are missing or unreadable; all are listed.
    """
    wanted = sorted(set(names))
    _check_inside(root, wanted, links)
    cache = f"{digest_text(str(root.resolve()), DIGEST_LENGTH)}.json"
    kept = _recall(cache)
    digests, lasting, failed = {}, {}, []
    changed = [name for name in wanted if name not in kept or kept[name][0] != _status(root, name)]

    def digest(name: str) -> tuple[str, _Status | None] | OSError:
        begin = time.time_ns()
        before = _status(root, name)
        try:
            found = digest_file(root / name)[:DIGEST_LENGTH]
        except OSError as error:
            return error
        # The status from before reading: a file that changes meanwhile will never have it again.
        settled = before is not None and max(before[1:3]) < begin - COARSEST_TICK
        return found, before if settled else None

    results = map_images(digest, changed, f"digesting {root.name}", show_above=200)
    for name, result in zip(changed, results, strict=True):
        if isinstance(result, OSError):
            failed.append(f"{name} ({result.strerror})")
            continue
        found, status = result
        digests[name] = found
        if status is not None:
            lasting[name] = (status, found)
    if lasting:
        remember(_KIND, cache, {**kept, **lasting})
    if failed:
        raise DataError(
            f"{len(failed)} of {len(wanted)} images below '{root}' cannot be read: "
            f"{listed(failed)}. Complete the folder or remove their labels."
        )
    return {name: digests[name] if name in digests else kept[name][1] for name in wanted}


def _recall(cache: str) -> dict[str, tuple[_Status, str]]:
    """Return status and digest by name, as far as the cache has the form that we write."""
    value = recall(_KIND, cache)
    if not isinstance(value, dict):
        return {}
    kept = {}
    for name, entry in value.items():
        match entry:
            case [[int(a), int(b), int(c), int(d)], str(digest)] if _DIGEST.fullmatch(digest):
                kept[name] = ((a, b, c, d), digest)
    return kept


def _status(root: Path, name: str) -> _Status | None:
    """Return what changes with a file's bytes, or None if there is no such file.

    Strings instead of paths, as below: this runs for each of ten thousand files at every start.
    """
    try:
        found = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 - see above
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _check_inside(root: Path, names: list[str], links: bool) -> None:
    """Refuse names that leave the root; each folder is resolved once, a file only if it is a link.

    Strings instead of paths: for ten thousand names, pathlib would be too slow.
    """
    place_of = os.path.abspath if links else os.path.realpath
    inside = place_of(root)
    leaves: dict[str, bool] = {}

    def outside(path: str) -> bool:
        return not Path(place_of(path)).is_relative_to(inside)

    def outside_by_folder(path: str) -> bool:
        folder, last = os.path.split(path)
        if last in ("", os.curdir, os.pardir) or os.path.islink(path):  # noqa: PTH114 - see above
            return outside(path)
        if folder not in leaves:
            leaves[folder] = outside(folder)
        return leaves[folder]

    found = [name for name in names if outside_by_folder(os.path.join(root, name))]  # noqa: PTH118 - see above
    for folder in (parent for name in found for parent in [*Path(name).parents][-2::-1]):
        if (root / folder).is_symlink():
            raise DataError(
                f"{len(found)} image paths leave the dataset's folder '{root}': '{folder}' in it "
                f"is a link to '{(root / folder).resolve()}'. To allow links, set "
                "data.links=true, or copy the images into it."
            )
    if found:
        raise DataError(
            f"{len(found)} image paths leave the dataset's folder '{root}': {listed(found)}. "
            "Copy the images into the folder and name them relative to it; links need "
            "data.links=true."
        )
