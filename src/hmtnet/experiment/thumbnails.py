"""Small pictures of images, once per split, for the reports and logs that show cases."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.data.images import ImageStore, Pixels, decode
from hmtnet.data.manifest import Manifest
from hmtnet.data.threads import map_images
from hmtnet.storage.directory import RunDirectory


def write_thumbnails(
    directory: RunDirectory, manifest: Manifest, images: ImageStore, rows: Sequence[int]
) -> None:
    """Write the thumbnails that are missing beside the run directories of one split.

    Args:
        directory: One of them.
        manifest: The dataset.
        images: Decoded images of these rows.
        rows: The test images.
    """
    row_of = {manifest.records[row].image: row for row in rows}
    _write_missing(_folder(directory), row_of, lambda name: images[row_of[name]])


def read_thumbnails(
    directory: RunDirectory, manifest: Manifest, names: Sequence[str]
) -> dict[str, Pixels]:
    """Return images' thumbnails (H, W, 3), by name; those that are missing are made first.

    Args:
        directory: A run directory of the split.
        manifest: The dataset.
        names: The images.

    Raises:
        DataError: An image cannot be decoded.
    """
    folder = _folder(directory)
    _write_missing(folder, names, lambda name: decode(manifest.path(name)))
    found = {}
    for name in names:
        with Image.open(folder / thumbnail_name(name)) as image:
            found[name] = np.asarray(image.convert("RGB"))
    return found


def _folder(directory: RunDirectory) -> Path:
    return directory.path.parent / THUMBNAILS


def _write_missing(folder: Path, names: Iterable[str], decoded: Callable[[str], Pixels]) -> None:
    map_images(
        lambda name: write_thumbnail(folder / thumbnail_name(name), decoded(name)),
        [name for name in names if not (folder / thumbnail_name(name)).exists()],
        "thumbnails",
        show_above=500,
    )
