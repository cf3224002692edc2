"""Small photographs: what scikit-image carries, reduced."""

from pathlib import Path

import pytest
import skimage
from PIL import Image

from hmtnet.synthesis.settings import SynthesisSettings

SIDE = 176


@pytest.fixture
def photos(tmp_path):
    """Three photographs of different scenes, wide enough for a crop of 176 pixels."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for name, place in (("chelsea.png", "cat"), ("coffee.png", "cup"), ("rocket.jpg", "deep/sky")):
        with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
            image.convert("RGB").resize((270, 200)).save(folder / f"{place}.png")
    return folder


@pytest.fixture
def settings(photos, tmp_path):
    """Return settings of a set that takes seconds; fields may be replaced."""

    def make(**fields):
        defaults = {
            "photos": str(photos),
            "output": str(tmp_path / "set"),
            "side": SIDE,
            "images": 3,
            "scales": (2.0, 4.0),
            "methods": ("bicubic", "lanczos", "hallucinated", "learned-filters", "blend"),
            "processes": 1,
            "formula": "fidelity",
        }
        return SynthesisSettings(**{**defaults, **fields})

    return make
