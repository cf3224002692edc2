"""Small pictures of the images a report shows, beside the runs that predicted them.

They lie in ``<runs>/<dataset>/<split>/thumbnails/``, once for all stages of a split, so that a
report needs no dataset.
"""

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hmtnet.errors import ArtifactError
from hmtnet.files import written_aside

THUMBNAILS = "thumbnails"
"""The folder, beside the run directories of a split."""

_QUALITY = 80  # of WebP: artefacts stay visible at this size, a file takes 2 to 6 KiB


def thumbnail_name(image: str) -> str:
    """Return the file name of an image's thumbnail.

    It is a digest, because an image's name may hold folders and whatever a file system refuses.

    Args:
        image: The image's name as in ``predictions.csv``.

    >>> thumbnail_name("images/a.png")
    '50edaf76ce4dfb9d.webp'
    """
    return f"{hashlib.sha256(image.encode('utf-8')).hexdigest()[:16]}.webp"


def write_thumbnail(path: Path, pixels: NDArray[np.uint8], side: int = 160) -> None:
    """Write an image as a small WebP file, whole or not at all.

    Args:
        path: The file to write.
        pixels: (H, W, 3) uint8, RGB; see `as_thumbnail`.
        side: Pixels.

    Raises:
        ArtifactError: The pixels are no RGB image, or the file cannot be written.
    """
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ArtifactError(
            f"{path}: expected pixels as uint8 of shape (H, W, 3), found {pixels.dtype} of shape "
            f"{pixels.shape}."
        )
    try:
        with written_aside(Path(path)) as aside:
            aside.write_bytes(as_thumbnail(pixels, side))
    except OSError as error:
        raise ArtifactError(
            f"The thumbnail {path} cannot be written: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def as_thumbnail(pixels: NDArray[np.uint8], side: int) -> bytes:
    """Return a small WebP file of an image.

    Args:
        pixels: (H, W, 3) uint8, RGB. The longer side is brought to ``side``; a smaller image is
            kept as it is, since enlarging would add blur of our own.
        side: Pixels.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, format="WEBP", quality=_QUALITY, method=4)
    return stream.getvalue()
