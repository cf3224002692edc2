"""Real networks: found without importing their packages, aligned to the pixel, without seams."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hmtnet.data.demo.photographs import PHOTOGRAPHS, reference
from hmtnet.data.demo.pixels import enlarge as resized
from hmtnet.data.demo.pixels import reduce, to_bytes, to_unit
from hmtnet.data.readers import read_dataset
from hmtnet.errors import DataError, SettingsError
from hmtnet.synthesis import networks, weights
from hmtnet.synthesis.build import build
from hmtnet.synthesis.methods import Toolbox

QUICK = [f for f in networks.FAMILIES if not f.name.startswith("realesrgan")]


def psnr(first, second):
    inside = np.s_[6:-6, 6:-6]
    error = first[inside].astype(float) - second[inside]
    return 10 * np.log10(255.0**2 / np.mean(error**2))


@pytest.mark.parametrize("family", QUICK, ids=lambda family: family.name)
def test_a_network_enlarges_in_place(family):
    reason = networks.absent(family)
    if reason:
        pytest.skip(reason)
    source = reference(PHOTOGRAPHS[1])[:96, :120]
    for factor, files in family.files.items():
        whole = np.s_[: 96 // factor * factor, : 120 // factor * factor]
        low = to_bytes(reduce(to_unit(source[whole]), factor))
        high = networks.enlarge(family, low, factor, files[0])
        assert high.shape == source[whole].shape and high.dtype == np.uint8
        plain = psnr(to_bytes(resized(to_unit(low), factor)), source[whole])
        found = {
            (down, right): psnr(np.roll(high, (down, right), (0, 1)), source[whole])
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        assert max(found, key=found.get) == (0, 0) and found[0, 0] > plain - 6.0, (factor, found)
        assert abs(high.mean() - source[whole].mean()) < 4.0


def test_tiles_have_no_seams(monkeypatch):
    family = next(f for f in networks.FAMILIES if f.name == "waifu2x-upconv-photo")
    if networks.absent(family):
        pytest.skip(networks.absent(family))
    low = reference(PHOTOGRAPHS[1])[:61, :75]
    weights = family.files[2][0]
    whole = networks.enlarge(family, low, 2, weights)
    monkeypatch.setattr(networks, "TILE", 24)
    tiled = networks.enlarge(family, low, 2, weights)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory as Linux does")
def test_networks_keep_no_memory_of_their_own():
    family = next(f for f in networks.FAMILIES if f.name == "waifu2x-upconv-photo")
    if networks.absent(family):
        pytest.skip(networks.absent(family))
    low = np.zeros((128, 128, 3), dtype=np.uint8)
    resident = []
    for name in family.files[2]:
        networks.enlarge(family, low, 2, name)
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        resident.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    assert resident[-1] - resident[0] < 200, resident  # MB; some 700 if each kept its own


def test_a_wheel_without_its_weights_is_named_and_the_others_go_on(tmp_path, monkeypatch):
    for package in ("ncnn", *{family.package for family in networks.FAMILIES}):
        (tmp_path / package / "models").mkdir(parents=True)
        (tmp_path / package / "__init__.py").write_text("raise ImportError('needs libvulkan')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Toolbox()
    assert "lacks realesrgan-x4plus.param" in found.missing["realesrgan-x4plus"]
    assert len(found.missing) == len(networks.FAMILIES)
    assert {"bicubic", "hallucinated", "blend"} <= set(found.methods)
    assert not {family.package for family in networks.FAMILIES} & set(sys.modules)


def test_a_network_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(networks, "find_spec", lambda name: None)
    assert "ncnn is not installed ('make synthesis'" in networks.absent(networks.FAMILIES[0])


@pytest.fixture
def weight_file(tmp_path):
    """Weights of a tiny network of Real-ESRGAN's compact kind, which repeats its input ×2."""
    pytest.importorskip("spandrel", reason="the extra [synthesis] is not installed")
    import torch

    def make(name, fill):
        shapes = {"body.0": (4, 3, 3, 3), "body.2": (4, 4, 3, 3), "body.4": (12, 4, 3, 3)}
        state = {f"{key}.weight": torch.full(shape, fill) for key, shape in shapes.items()}
        state |= {f"{key}.bias": torch.zeros(shape[0]) for key, shape in shapes.items()}
        state |= {f"{key}.weight": torch.full((4,), 0.1) for key in ("body.1", "body.3")}
        torch.save(state, tmp_path / name)
        return str(tmp_path / name)

    return make


def test_a_weight_file_is_one_more_method_and_one_that_fails_is_named(settings, weight_file):
    files = (weight_file("own.pth", 0.0), weight_file("broken.pth", float("nan")))
    built = build(
        settings(weights=files, methods=("own", "broken", "nearest"), scales=(2.0,), images=3)
    )
    assert {row["enlargement"]["method"] for row in built.rows} == {"own", "nearest"}
    failed = {name: why for name, why in built.left_out.items() if "broken.pth" in why}
    assert len(failed) == 3 and all(name.endswith("_2_62.png") for name in failed)
    by_method = {r["image"][:5] + r["enlargement"]["method"]: r["sha256"] for r in built.rows}
    assert len(by_method) == 6 and len(built.rows) == 6


def test_a_network_that_fails_on_one_image_leaves_the_others(settings, weight_file, monkeypatch):
    asked = []

    def fails_once(path, low):
        asked.append(path)
        if len(asked) == 2:
            raise DataError(f"the network of '{path.name}' failed on an image")
        return enlarge(path, low)

    enlarge = weights.enlarge
    monkeypatch.setattr(weights, "enlarge", fails_once)
    told = {"weights": (weight_file("own.pth", 0.0),), "scales": (2.0,), "images": 2}
    built = build(settings(**told, methods=("own", "nearest")))
    ((failed, reason),) = built.left_out.items()
    assert failed.endswith("_2_61.png") and "own.pth" in reason and len(built.rows) == 5
    # Nothing of the failed image is left, and the set can be read.
    names = {path.name for path in (built.folder / "super-resolved_images").iterdir()}
    assert names == {row["image"] for row in built.rows}
    assert len(read_dataset("synthesized", root=str(built.folder))) == 5
    # The same command tries that image again, and no other.
    assert build(settings(**told, methods=("own", "nearest"))).made == 1 and len(asked) == 4


def test_a_file_that_would_run_code_is_refused(tmp_path):
    pytest.importorskip("spandrel", reason="the extra [synthesis] is not installed")
    import torch

    class Evil:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"a": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(DataError, match="cannot be loaded as an SR network"):
        Toolbox([tmp_path / "evil.pth"])
    with pytest.raises(SettingsError, match="same name"):
        Toolbox([tmp_path / "a" / "x.pth", tmp_path / "b" / "x.pth"])
