"""Image files as Pillow opens them: what may be opened at all, and what goes wrong."""

import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from hmtnet.data.depth import container
from hmtnet.errors import DataError, SettingsError

LIMIT = "HMTNET_MAX_MEGAPIXELS"
"""Environment variable: an image that claims more million pixels is refused; 100 by default.

300 MB as RGB; a file that claims more is most often damaged or hostile.
"""

DAMAGED = (
    *(ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, OSError),
    *(RuntimeError, SyntaxError, TypeError, ValueError, struct.error, zlib.error),
    Image.DecompressionBombError,
)
"""What Pillow's parsers have been seen to raise on damaged files; not lack of memory."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image file of at most 8 bits per channel and of a sensible size; decode nothing.

    Raises:
        DataError: A sound image that is deeper, too large, or of a container that is not read.
        DAMAGED: Whatever a damaged file makes its parsers stumble over.
    """
    Image.init()
    with path.open("rb") as stream:
        name = container(stream, path)
        if name not in Image.OPEN:
            raise DataError(
                f"Image '{path}' is of the format {name}, which the installed Pillow "
                "cannot read. Update Pillow, or save it as PNG."
            )
        stream.seek(0)
        # Not by Image.open, whose own limit can only be changed for the whole program.
        with Image.OPEN[name][0](stream, str(path)) as image:
            width, height = image.size
            most = max_megapixels()
            if width * height > most * 1e6:
                raise DataError(
                    f"Image '{path}' claims {width}×{height} pixels; at most {most:g} megapixels "
                    f"are decoded. Crop it, remove its label, or set {LIMIT} higher."
                )
            yield image


def max_megapixels() -> float:
    """Return how many million pixels an image may have.

    Raises:
        SettingsError: The environment variable is no number above 0.
    """
    given = os.environ.get(LIMIT) or "100"
    try:
        most = float(given)
    except ValueError:
        most = 0.0
    if not most > 0:
        raise SettingsError(f"{LIMIT}={given!r}: expected millions of pixels, such as 400.")
    return most
