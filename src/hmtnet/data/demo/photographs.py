"""The twelve reference images, cut from the photographs that scikit-image carries in its wheel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage
from numpy.typing import NDArray
from PIL import Image as PillowImage

from hmtnet.data.demo.pixels import lanczos, resize, to_bytes, to_unit
from hmtnet.errors import DataError

SIDE = 192  # pixels of a reference: a multiple of every scale, and enough for MS-SSIM's five scales


@dataclass(frozen=True)
class Photograph:
    """One photograph and the square of it that becomes a reference.

    Attributes:
        number: The reference's number, RR in ``imgRR``.
        file: The file under scikit-image's ``data`` folder.
        reduction: How much the photograph is reduced first, so that it is sharp at full detail.
        left: First column of the square, in the reduced photograph.
        top: First row of the square, in the reduced photograph.
        colour: False for a grey photograph, which is stored as three equal channels.
        source: What it shows, who made it, and its licence.
    """

    number: int
    file: str
    reduction: float
    left: int
    top: int
    colour: bool
    source: str

    @property
    def name(self) -> str:
        """The reference's name in the dataset, ``imgRR``."""
        return f"img{self.number:02d}"


# One square per photograph, so that no two references share content.
PHOTOGRAPHS = (
    Photograph(1, "astronaut.png", 1.9, 40, 0, True, "Eileen Collins; NASA; public domain"),
    Photograph(2, "chelsea.png", 1.5, 45, 5, True, "a cat; Stefan van der Walt; CC0"),
    Photograph(3, "coffee.png", 2.0, 50, 8, True, "a cup of coffee; Rachel Michetti; CC0"),
    Photograph(4, "rocket.jpg", 2.0, 70, 21, True, "Falcon 9; SpaceX; public domain"),
    Photograph(
        5, "motorcycle_left.png", 1.25, 290, 70, True,
        "left view of a stereo pair; Middlebury 2014 stereo benchmark (Scharstein et al., GCPR "
        "2014); no licence stated",
    ),
    Photograph(
        6, "ihc.png", 1.6, 40, 40, True,
        "stained colon tissue; Center for Microscopy and Molecular Imaging; no known copyright "
        "restrictions",
    ),
    Photograph(7, "retina.jpg", 5.5, 5, 35, True, "a retina; Mikael Häggström; CC0"),
    Photograph(
        8, "hubble_deep_field.jpg", 2.0, 90, 140, True,
        "Hubble eXtreme Deep Field; NASA; public domain",
    ),
    Photograph(9, "camera.png", 2.0, 40, 5, False, "a photographer; Lav Varshney; CC0"),
    Photograph(
        10, "coins.png", 1.0, 180, 20, False,
        "Greek coins from Pompeii; Brooklyn Museum; no known copyright restrictions",
    ),
    Photograph(11, "brick.png", 1.2, 70, 70, False, "a brick wall; CC0Textures; CC0"),
    Photograph(12, "grass.png", 1.0, 90, 90, False, "grass; linolafett (DeviantArt); CC0"),
)  # fmt: skip

# Lends its texture to the hallucinating method; being no reference, it leaks nothing.
TEXTURE = Photograph(0, "gravel.png", 1.0, 50, 50, False, "gravel; CC0Textures; CC0")


def reference(photograph: Photograph) -> NDArray[np.uint8]:
    """Cut the reference image out of a photograph.

    Args:
        photograph: Which one, and where to cut.

    Returns:
        RGB, shape (192, 192, 3), uint8.

    Raises:
        DataError: If the installed scikit-image does not carry the photograph.
    """
    path = Path(skimage.__file__).parent / "data" / photograph.file
    try:
        with PillowImage.open(path) as stored:
            pixels = np.asarray(stored.convert("RGB"))
    except OSError as error:
        raise DataError(
            f"The demo set is cut from scikit-image's photographs, but {path} cannot be read "
            f"({error}). Wheels of scikit-image carry it: reinstall it with "
            f"'pip install --force-reinstall scikit-image'."
        ) from error
    height, width = (round(side / photograph.reduction) for side in pixels.shape[:2])
    # Lanczos keeps the reduced photograph as sharp as its pixels allow.
    reduced = to_bytes(resize(to_unit(pixels), height, width, lanczos))
    top, left = photograph.top, photograph.left
    return np.ascontiguousarray(reduced[top : top + SIDE, left : left + SIDE])
