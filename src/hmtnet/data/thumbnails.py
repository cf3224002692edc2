"""Thumbnails in which two photographs of one scene correlate, and others do not.

Grey values themselves correlate wherever a bright sky lies above dark ground or a lit thing in the
middle of the dark. What tells scenes apart is where there is detail, so a thumbnail here is the
logarithm of grey, by its local mean and local contrast (as MSCN coefficients are: Mittal et al.,
IEEE TIP 2012): exposure adds a constant to it, blur and compression below a pixel leave it alone.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from hmtnet.data.pillow import DAMAGED, opened
from hmtnet.data.threads import map_images
from hmtnet.errors import DataError, listed

Floats = npt.NDArray[np.float32]
Greys = npt.NDArray[np.uint8]

SIDE = 24
"""Columns and rows of a thumbnail, whatever the shape of the image."""

FLATTEST = 0.1
"""Root mean square below which a thumbnail shows nothing that could be recognised.

Most photographs have 0.5 to 0.8, a sheet of white paper has 0.
"""

_LOCAL = 2.25  # pixels of a thumbnail: standard deviation of what counts as local
_DARK = 16.0  # grey levels: detail far below that is noise
_FAINT = 0.03  # of the logarithm: contrast far below that is noise

_log = logging.getLogger(__name__)


def thumbnails(paths: Sequence[Path]) -> tuple[Floats, tuple[int, ...]]:
    """Make the thumbnails of image files, by several threads.

    Args:
        paths: The files.

    Returns:
        (N, 24, 24) local contrast, about within ±3, 0 everywhere where an image is flat or cannot
        be decoded; and the positions of those that cannot, which are logged too.
    """
    greys, unreadable = grey_thumbnails(paths)
    return local_contrast(greys.astype(np.float32)), unreadable


def grey_thumbnails(paths: Sequence[Path]) -> tuple[Greys, tuple[int, ...]]:
    """Make thumbnails that can be kept: (N, 24, 24) grey levels, black where there is no image.

    Args:
        paths: The files.

    Returns:
        The thumbnails, and the positions of files that cannot be decoded, which are logged too.
    """
    found = map_images(_grey, [str(path) for path in paths], "looking at images", show_above=200)
    unreadable = tuple(i for i, grey in enumerate(found) if grey is None)
    if unreadable:
        _log.warning(
            "%d of %d images cannot be decoded, so nobody knows which scenes they show: %s.",
            len(unreadable),
            len(paths),
            listed(paths[i] for i in unreadable),
        )
    blank = np.zeros((SIDE, SIDE), dtype=np.uint8)
    stack = np.array([blank if grey is None else grey for grey in found], dtype=np.uint8)
    return stack.reshape(-1, SIDE, SIDE), unreadable


def local_contrast(grey: Floats) -> Floats:
    """Standardise thumbnails by their local mean and contrast.

    Args:
        grey: (N, H, W) in [0, 255].

    Returns:
        (N, H, W); flat thumbnails are 0 everywhere.
    """
    local = (0.0, _LOCAL, _LOCAL)
    tone = np.log(grey + np.float32(_DARK))
    detail = tone - gaussian_filter(tone, local)
    contrast = detail / (np.sqrt(gaussian_filter(detail**2, local)) + np.float32(_FAINT))
    flat = np.sqrt(np.mean(without_stripes(contrast) ** 2, axis=(1, 2))) < FLATTEST
    contrast[flat] = 0.0
    return np.asarray(contrast, dtype=np.float32)


def without_stripes(windows: Floats) -> Floats:
    """Subtract the mean of every row and of every column: a horizon alone is no scene.

    Args:
        windows: (N, H, W).

    Returns:
        (N, H, W); rows and columns have mean 0.
    """
    rows = windows - windows.mean(axis=2, keepdims=True)
    return np.asarray(rows - rows.mean(axis=1, keepdims=True))


def _grey(name: str) -> Greys | None:
    """Decode an image to 24×24 grey, or None if it cannot be used."""
    try:
        with opened(Path(name)) as image:
            image.draft("L", (2 * SIDE, 2 * SIDE))  # JPEG: decodes an eighth of it, eight times
            small = image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (*DAMAGED, DataError):
        return None
    return np.asarray(small)
