import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from hmtnet.data import sharpness
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.sharpness import laplacian_variance, sharpness_of
from hmtnet.errors import DataError


def test_known_values():
    assert laplacian_variance(np.full((5, 7, 3), 90, dtype=np.uint8)) == 0
    assert laplacian_variance(np.full((1, 1, 3), 90, dtype=np.uint8)) == 0
    dot = np.zeros((5, 5, 3), dtype=np.uint8)
    dot[2, 2] = 10
    # -40 at the dot, 10 at its four neighbours: their mean is 0, their squares sum to 2000.
    assert laplacian_variance(dot) == 2000 / 25


def test_against_scipy_on_the_whole_image_without_overflow():
    image = np.random.default_rng(0).choice(np.uint8([0, 255]), (40, 31, 1)).repeat(3, axis=2)
    expected = ndimage.laplace(image[..., 0].astype(np.float64), mode="nearest").var()
    assert laplacian_variance(image) == pytest.approx(expected)


@pytest.fixture
def manifest(tmp_path, noise, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    for i in range(3):
        noise(tmp_path / "set" / f"{i}.png", seed=i)
    return made(tmp_path / "set")


def made(root):
    records = [Record(image=f"{i}.png", mos=0.5) for i in range(3)]
    return Manifest.create(
        "set", root, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
    )


def test_each_image_is_measured_once(manifest, monkeypatch, noise):
    def pixels(i):
        return np.asarray(Image.open(manifest.root / f"{i}.png"))

    first = sharpness_of(manifest, [0, 2])
    assert first.tolist()[::2] == [laplacian_variance(pixels(i)) for i in (0, 2)]
    assert np.isnan(first[1])
    looked = []
    decode = sharpness.decode
    monkeypatch.setattr(sharpness, "decode", lambda path: looked.append(path.name) or decode(path))
    everything = sharpness_of(manifest, range(3))
    assert looked == ["1.png"] and np.isfinite(everything).all()
    noise(manifest.root / "0.png", seed=9)  # other bytes, another digest
    changed = sharpness_of(made(manifest.root), range(3))
    assert looked == ["1.png", "0.png"]
    assert changed[0] == laplacian_variance(pixels(0)) != everything[0]


def test_an_image_that_cannot_be_decoded_is_named(manifest):
    (manifest.root / "1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"1\.png.*cannot be decoded"):
        sharpness_of(made(manifest.root), range(3))
