"""Images of noise, and a dataset of them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record

HEIGHT, WIDTH = 384, 512


def make_manifest(folder: Path, images: int) -> Manifest:
    """Write noise, about as easy to compress as a photograph."""
    random = np.random.default_rng(0)
    for i in range(images):
        coarse = random.integers(0, 256, (HEIGHT // 4, WIDTH // 4, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((WIDTH, HEIGHT)).save(folder / f"{i}.png")
    records = [Record(image=f"{i}.png", mos=i / images, reference=str(i)) for i in range(images)]
    return Manifest.create(
        "noise", folder, records, label_kind="pseudo", mos_range=(0, 1), higher_is_better=True
    )


def make_pixels(megapixels: float, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Make noise of 4:3 in memory, (H, W, 3) uint8."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    shape = (height, round(height * 4 / 3), 3)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
