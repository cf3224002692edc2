"""Which files people mean by paths, folders and patterns."""

import glob
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmtnet.data.readers.folder import is_clutter
from hmtnet.errors import DataError, listed
from hmtnet.files import harmless, is_there

SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".j2k", ".jp2", ".jpeg", ".jpg"),
    *(".pgm", ".png", ".ppm", ".sgi", ".tif", ".tiff", ".webp"),
)
"""Which files of a folder are taken; one that is named is taken whatever its name."""


@dataclass(frozen=True)
class Listed:
    """An image file that is to be scored.

    Attributes:
        path: Where it lies.
        inner: Its path below the folder that was given; its name where the file itself was given.
    """

    path: Path
    inner: Path

    @property
    def name(self) -> str:
        """The path as tables show it, with forward slashes.

        A spreadsheet program would run ``=a.png`` as a formula. ``./=a.png`` is the same file.
        """
        text = self.path.as_posix()
        return f"./{text}" if harmless(text) != text else text


def find_images(given: Sequence[str], passed_over: Path | None = None) -> list[Listed]:
    """List image files: files as they are named, folders with all below them, patterns.

    Args:
        given: Paths of files or folders, or patterns such as ``results/**/*_x4.png``. What exists
            by that very name is no pattern.
        passed_over: A folder whose files are no input, such as that of pictures to be written.

    Returns:
        Each file once, in the order given; those of a folder in the order of their paths, without
        hidden ones and what a Mac leaves beside the real files (``._a.png``).

    Raises:
        DataError: Paths do not exist (all of them are named), or there is no image.
    """
    found: dict[str, Listed] = {}
    missing = []
    for text in given:
        path = Path(text).expanduser()
        matches = [path] if is_there(path) else _matches(str(path))
        if not matches:
            missing.append(text)
        for match in matches:
            for one in _below(match) if match.is_dir() else [Listed(match, Path(match.name))]:
                found.setdefault(os.path.abspath(one.path), one)  # noqa: PTH100 - follows no link
    if missing:
        raise DataError(
            f"{len(missing)} of {len(given)} paths lead to no file and no folder: "
            f"{listed(missing)}. Give image files, folders of images, or patterns such as "
            "'results/*.png'."
        )
    if passed_over is not None:
        outside = passed_over.absolute()
        found = {key: one for key, one in found.items() if not Path(key).is_relative_to(outside)}
    if not found:
        raise DataError(
            f"There is no image in {listed(given)}. Of a folder, files that end in "
            f"{', '.join(SUFFIXES)} are taken."
        )
    return list(found.values())


def _matches(pattern: str) -> list[Path]:
    found = glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob: no absolute patterns
    return [Path(path) for path in sorted(found)]


def _below(folder: Path) -> list[Listed]:
    inner = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return [
        Listed(folder / path, path)
        for path in inner
        if path.suffix.lower() in SUFFIXES and not any(map(is_clutter, path.parts))
    ]
