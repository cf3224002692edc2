import pickle
import shutil
from argparse import Namespace
from pathlib import PurePosixPath

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from hmtnet.errors import WeightsError
from hmtnet.files import digest_file
from hmtnet.models.backbone import Backbone, BackboneSettings
from hmtnet.models.weights import hub_state, identity_of, load_backbone, read_weights, weights_file

MOBILENET = "mobilenetv2_100.ra_in1k"


@pytest.fixture(scope="module")
def mobilenet():
    """The state of a whole MobileNetV2, classifier included, of random weights."""
    torch.manual_seed(5)
    state = timm.create_model("mobilenetv2_100").state_dict()
    return {name: torch.randn_like(t) if t.is_floating_point() else t for name, t in state.items()}


def write(state, path):
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_a_whole_networks_file_fills_every_tensor_of_the_backbone(mobilenet, tmp_path, suffix):
    path = write(mobilenet, tmp_path / f"mobilenet{suffix}")
    backbone = Backbone(BackboneSettings(name=MOBILENET, weights=str(path)))
    state = backbone.body.state_dict()
    assert len(state) > 250
    assert all(torch.equal(tensor, mobilenet[name]) for name, tensor in state.items())


def test_a_checkpoint_may_hold_the_state_one_level_down(mobilenet, tmp_path):
    path = write({"state_dict": mobilenet, "epoch": 3}, tmp_path / "checkpoint.pth")
    assert read_weights(path).keys() == mobilenet.keys()


NUMBERS = (np.float64(0.8), np.float32(0.8), np.float16(0.5), np.int64(3), np.uint8(7), np.bool_(1))


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_training_checkpoint_with_its_command_line_and_numbers_is_read(tmp_path, key):
    state = {"conv.weight": torch.rand(2, 3)}
    held = {
        "epoch": 3,
        "arch": "resnet18",
        key: state,
        "args": Namespace(lr=0.1, data="x", f=None),
        "optimizer": {"state": {0: {"step": torch.ones(())}}},
        "metric": NUMBERS,
    }
    found = read_weights(write(held, tmp_path / "checkpoint.pth"))
    assert found.keys() == state.keys() and torch.equal(found["conv.weight"], state["conv.weight"])


def test_a_number_of_an_earlier_numpy_is_read(tmp_path):
    path = tmp_path / "old.pth"
    held = {"model": {"a": torch.ones(2)}, "rho": np.float64(0.5)}
    torch.save(held, path, _use_new_zipfile_serialization=False)  # in which names are plain text
    text = path.read_bytes()
    assert text.count(b"numpy._core.multiarray") == 1
    path.write_bytes(text.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert read_weights(path)["a"].tolist() == [1, 1]


@pytest.mark.parametrize("other", [PurePosixPath("x"), np.zeros(2), np.array(["a"], object)])
def test_nothing_else_that_is_pickled_is_taken(tmp_path, other):
    held = {"state_dict": {"a": torch.ones(1)}, "args": Namespace(path=other)}
    with pytest.raises(WeightsError, match="cannot read"):
        read_weights(write(held, tmp_path / "checkpoint.pth"))


@pytest.mark.parametrize("name", ["test_convnext", "test_resnet", "test_byobnet"])
def test_backbones_whose_modules_timm_renames_load_completely_too(name, tmp_path):
    whole = timm.create_model(name)
    path = write(whole.state_dict(), tmp_path / "whole.safetensors")
    backbone = Backbone(BackboneSettings(name=name, weights=str(path))).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        levels = backbone(x)
        expected = whole.eval().forward_intermediates(x, intermediates_only=True)
    torch.testing.assert_close(levels[-1], expected[-1])


def test_weights_without_batch_counters_load(mobilenet, tmp_path):
    state = {k: v for k, v in mobilenet.items() if not k.endswith("num_batches_tracked")}
    path = write(state, tmp_path / "old.safetensors")
    backbone = Backbone(BackboneSettings(name=MOBILENET, weights=str(path)))
    assert torch.equal(backbone.body.conv_stem.weight, mobilenet["conv_stem.weight"])


def test_a_missing_and_a_misshaped_tensor_are_named_and_nothing_is_loaded():
    torch.manual_seed(0)
    backbone = timm.create_model("test_resnet", features_only=True)
    before = {k: v.clone() for k, v in backbone.state_dict().items()}
    state = {k: torch.zeros_like(v) for k, v in before.items()}
    del state["layer2.0.conv1.weight"]
    state["layer1.0.bn1.bias"] = torch.zeros(7)
    with pytest.raises(WeightsError, match="do not fit backbone 'x'") as error:
        load_backbone(backbone, state, "backbone 'x'")
    assert "missing layer2.0.conv1.weight;" in str(error.value)
    assert "another shape layer1.0.bn1.bias" in str(error.value)
    assert all(torch.equal(v, before[k]) for k, v in backbone.state_dict().items())


def test_weights_of_another_backbone_are_refused(mobilenet, tmp_path):
    path = write(mobilenet, tmp_path / "mobilenet.safetensors")
    with pytest.raises(WeightsError, match="Weights do not fit backbone 'test_resnet': missing"):
        Backbone(BackboneSettings(name="test_resnet", weights=str(path)))


class Harmful:
    def __reduce__(self):
        return (open, ("harmed", "w"))


@pytest.mark.parametrize("protocol", ["torch", "pickle"])
def test_a_pickle_that_is_more_than_tensors_is_not_executed(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "weights.pth"
    if protocol == "torch":
        torch.save({"conv_stem.weight": Harmful()}, path)
    else:
        path.write_bytes(pickle.dumps(Harmful(), protocol=2))
    with pytest.raises(WeightsError, match=r"cannot read .*weights\.pth'") as error:
        read_weights(path)
    assert "holds '" in str(error.value) and "Save a state dict" in str(error.value)
    assert str(error.value).isprintable() and "weights_only" not in str(error.value)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("content", [b"", b"not weights at all"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_damaged_file_is_named(tmp_path, content, suffix):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"damaged{suffix}': it is damaged") as error:
        read_weights(path)
    assert str(error.value).isprintable()


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {"a": torch.zeros(1), "b": 3}])
def test_a_file_that_holds_no_state_dict_is_refused(tmp_path, content):
    path = write(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not hold a state dict of tensors"):
        read_weights(path)


def test_a_folder_is_no_weights_file(tmp_path):
    with pytest.raises(WeightsError, match="no file"):
        weights_file(str(tmp_path))


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w.pth").touch()
    assert weights_file("~/w.pth") == tmp_path / "w.pth"


def test_weights_are_identified_by_content_not_by_path(tmp_path):
    first = write({"a": torch.zeros(2)}, tmp_path / "first.safetensors")
    copy = shutil.copy(first, tmp_path / "copy.safetensors")
    other = write({"a": torch.ones(2)}, tmp_path / "other.safetensors")
    identity = identity_of("resnet50", str(first))
    assert identity == f"sha256:{digest_file(first)}" == identity_of("resnet50", str(copy))
    assert identity != identity_of("resnet50", str(other))
    assert identity_of(MOBILENET, "hub") == f"hub:{MOBILENET}"
    assert identity_of("plain", "none") == "none"


@pytest.fixture
def hub(monkeypatch):
    """The hub's client: what it has cached, and what it answers."""
    asked = []

    def download(repository, file):
        asked.append((repository, file))
        raise ConnectionError("no network")

    monkeypatch.delenv("HMTNET_OFFLINE", raising=False)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_the_hub_needs_a_tag(hub):
    with pytest.raises(WeightsError, match=r"no tag.*mobilenetv2_100\.ra_in1k"):
        hub_state("mobilenetv2_100")
    assert not hub


def test_a_backbone_without_weights_on_the_hub_says_so(hub):
    with pytest.raises(WeightsError, match=r"no weights on the hub.*weights=none"):
        hub_state("convnext_atto_rms.untrained")
    assert not hub


def test_a_hub_that_cannot_be_reached_is_an_error_not_random_weights(hub):
    with pytest.raises(WeightsError, match=r"cannot be reached \(ConnectionError\).*=<file>"):
        hub_state(MOBILENET)
    assert hub == [("timm/mobilenetv2_100.ra_in1k", "model.safetensors")]


def test_what_the_hub_sends_is_loaded(hub, monkeypatch, mobilenet, tmp_path):
    path = write(mobilenet, tmp_path / "model.safetensors")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args: str(path))
    backbone = Backbone(BackboneSettings(name=MOBILENET, weights="hub"))
    assert torch.equal(backbone.body.conv_stem.weight, mobilenet["conv_stem.weight"])


@pytest.mark.parametrize("offline", ["1", "0"])
def test_cached_weights_need_no_network(hub, monkeypatch, mobilenet, tmp_path, offline):
    path = write(mobilenet, tmp_path / "model.safetensors")
    monkeypatch.setenv("HMTNET_OFFLINE", offline)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *args: str(path))
    assert hub_state(MOBILENET).keys() == mobilenet.keys()
    assert not hub


def test_offline_does_not_ask_the_hub(hub, monkeypatch):
    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    with pytest.raises(WeightsError, match="HMTNET_OFFLINE=1"):
        hub_state(MOBILENET)
    assert not hub
