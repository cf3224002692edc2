"""The model that comes with hmtnet: it scores at once, offline, as when it was made."""

from pathlib import Path

import pytest
import skimage
from PIL import Image

import hmtnet
from hmtnet.artifact.shipped import MODELS, list_models

# Its scores of the middle of scikit-image's photographs, on a CPU.
SCORES = {"chelsea.png": 0.497536, "coffee.png": 0.652544, "rocket.jpg": 0.654097}


@pytest.fixture(scope="module")
def scorer():
    return hmtnet.load("hmtnet-lite", device="cpu")


@pytest.mark.parametrize("name", SCORES)
def test_it_scores_as_when_it_was_made(scorer, name):
    with Image.open(Path(skimage.__file__).parent / "data" / name) as image:
        middle = image.convert("RGB").crop((80, 40, 336, 232))
    assert scorer(middle, maps=False).score == pytest.approx(SCORES[name], abs=1e-5)


def test_each_model_is_small_and_says_what_it_is():
    assert list_models() == ["hmtnet-lite"]
    for name in list_models():
        files = {path.name: path.stat().st_size for path in (MODELS / name).iterdir()}
        assert files.keys() >= {"card.md", "stage.json", "stage.safetensors", "scenes.safetensors"}
        assert sum(files.values()) < 16e6
