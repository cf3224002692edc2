"""How sharp images are: the variance of the Laplacian, measured once per image file."""

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image

from hmtnet.data.cache import recall, remember
from hmtnet.data.images import Pixels, decode
from hmtnet.data.labels import FloatArray
from hmtnet.data.manifest import Manifest
from hmtnet.data.threads import map_images
from hmtnet.files import digest_text

_KIND = "sharpness"
_VERSION = "1"  # of the measure; a changed one must not use what an earlier one has cached


def laplacian_variance(image: Pixels) -> float:
    """Return the variance of the Laplacian of an image's luminance, on the image as it is.

    Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy: a comparative study", ICPR
    2000. The Laplacian is that of the four neighbours, the border is replicated; the luminance is
    that of ITU-R BT.601 in 256 levels.

    Args:
        image: (H, W, 3) uint8, RGB.

    Returns:
        0 (flat) or above.
    """
    grey = np.asarray(Image.fromarray(image).convert("L"), dtype=np.int16)
    padded = np.pad(grey, 1, mode="edge")
    across = padded[1:-1, :-2] + padded[1:-1, 2:]
    down = padded[:-2, 1:-1] + padded[2:, 1:-1]
    return float((across + down - 4 * grey).var(dtype=np.float64))


def sharpness_of(manifest: Manifest, rows: Iterable[int]) -> FloatArray:
    """Measure some images of a dataset; what was measured before, on this machine, is recalled.

    Args:
        manifest: The dataset.
        rows: Rows of the images to be judged.

    Returns:
        (N,) :func:`laplacian_variance` of the dataset's images; NaN for other rows.

    Raises:
        DataError: An image cannot be decoded.
    """
    name = f"{digest_text(f'{_VERSION} {manifest.root.resolve()}', 16)}.json"
    kept = _checked(recall(_KIND, name))
    path_of = {
        manifest.digests[row]: manifest.path(manifest.records[row].image) for row in set(rows)
    }
    new = sorted(path_of.keys() - kept.keys())
    measured = map_images(
        lambda digest: laplacian_variance(decode(path_of[digest])),
        new,
        f"sharpness of {manifest.name}",
        show_above=200,
    )
    if new:
        kept |= dict(zip(new, measured, strict=True))
        remember(_KIND, name, kept)
    return np.array([kept[d] if d in path_of else math.nan for d in manifest.digests])


def _checked(value: object) -> dict[str, float]:
    """Return variance by digest, as far as the cache has the form that we write."""
    entries = value.items() if isinstance(value, dict) else ()
    return {
        digest: number
        for digest, number in entries
        if isinstance(number, float) and math.isfinite(number) and number >= 0
    }
