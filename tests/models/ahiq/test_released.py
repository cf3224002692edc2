"""The authors' checkpoint, by random weights in its layout."""

import re

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.models.ahiq.fusion import DeformableFusion
from hmtnet.models.ahiq.head import ComparingHead
from hmtnet.scoring.scorer import Scorer

NETWORK = "system.ahiq.network"


def published_parts(transformer, cnn, fusion, embedding, head):
    """The layers of the two state dicts, named as the authors' are."""
    channels = transformer + cnn
    return {
        "deform_net_model_state_dict": {
            "conv_offset": nn.Conv2d(transformer, 18, 3),
            "deform": nn.Conv2d(cnn, cnn, 3),
            "conv1.0": nn.Conv2d(cnn, fusion, 3),
            "conv1.2": nn.Conv2d(fusion, cnn, 3),
        },
        "regressor_model_state_dict": {
            "down_channel": nn.Conv2d(channels, embedding, 1),
            "feat_smoothing.0": nn.Conv2d(3 * embedding, head[0], 3),
            "feat_smoothing.2": nn.Conv2d(head[0], head[1], 3),
            "conv1.0": nn.Conv2d(head[1], head[2], 3),
            "conv_attent.0": nn.Conv2d(head[2], 1, 1),
            "conv.0": nn.Conv2d(head[2], 1, 1),
        },
    }


@pytest.fixture(scope="module")
def checkpoint():
    """Of a network with two blocks of 64 channels and a CNN's level of 16."""
    torch.manual_seed(3)
    parts = published_parts(2 * 64, 16, 24, 8, (16, 16, 8))
    states = {
        key: {
            f"{name}.{kind}": t for name, m in layers.items() for kind, t in m.state_dict().items()
        }
        for key, layers in parts.items()
    }
    optimizer = {"state": {}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
    return {"epoch": 33, **states, "optimizer_state_dict": optimizer, "loss": np.float64(0.012)}


def test_at_the_published_size_the_layout_has_the_published_parameters():
    with torch.device("meta"):
        theirs = published_parts(3840, 768, 512, 256, (1024, 512, 256))
        fuse = DeformableFusion(3840, 768, 512, 8, "deformable")
        ours = (fuse, ComparingHead(4608, 256, (1024, 512, 256)))
    for layers, part in zip(theirs.values(), ours, strict=True):
        found = sorted(tuple(p.shape) for m in layers.values() for p in m.parameters())
        assert found == sorted(tuple(p.shape) for p in part.parameters())


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """What makes the network small, with weights of its two extractors."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("test_vit", "mobilenetv2_050"):
        torch.manual_seed(2)
        save_file(timm.create_model(name).state_dict(), folder / f"{name}.safetensors")
    return [
        f"{NETWORK}.transformer.name=test_vit.r160_in1k",
        f"{NETWORK}.transformer.weights={folder / 'test_vit.safetensors'}",
        f"{NETWORK}.transformer.blocks=2",
        "size.backbone.name=mobilenetv2_050.lamb_in1k",
        f"size.backbone.weights={folder / 'mobilenetv2_050.safetensors'}",
        *("size.crops.size=48", f"{NETWORK}.fusion_width=24", f"{NETWORK}.embedding=8"),
        *(f"{NETWORK}.head=[16,16,8]", "system.ahiq.crops.size=48"),
    ]


@pytest.fixture
def convert(hmtnet, words, tmp_path):
    def run(checkpoint, *more):
        torch.save(checkpoint, tmp_path / "authors.pth")
        runs = tmp_path / "runs"
        return hmtnet(
            "convert", f"checkpoint={tmp_path / 'authors.pth'}", f"runs={runs}", *words, *more
        )

    return run


def test_it_becomes_an_artifact_that_scores_in_a_unit_that_is_said(
    convert, checkpoint, hmtnet, tiny_root, tmp_path
):
    done = convert(checkpoint)
    assert done.code == 0, done.err
    assert "PIPAL's MOS: 0 is the worst of the labels it was trained on, 1 the best" in done.out
    (folder,) = (tmp_path / "runs").glob("pipal/released/ahiq-*")
    assert str(folder) in done.out
    meta = store.read_meta(folder)
    assert meta["dataset"]["mos_range"] == [0, 1] and meta["dataset"]["label_kind"] == "human"
    assert meta["reference"] == "always" and len(meta["released"]["sha256"]) == 64
    scorer = Scorer(folder, "cpu")
    network = scorer.restored.network
    theirs = checkpoint["regressor_model_state_dict"]
    assert torch.equal(network.head.compare[3].weight, theirs["conv1.0.weight"])
    assert torch.equal(network.head.score.bias, theirs["conv.0.bias"])
    theirs = checkpoint["deform_net_model_state_dict"]
    assert torch.equal(network.fuse.offsets.weight, theirs["conv_offset.weight"])
    assert torch.equal(network.fuse.sample.weight, theirs["deform.weight"])
    assert torch.equal(network.fuse.reduce[2].bias, theirs["conv1.2.bias"])
    image, reference = np.random.default_rng(0).integers(0, 256, (2, 64, 70, 3), dtype=np.uint8)
    verdict = scorer(image, reference=reference)
    assert np.isfinite(verdict.score) and verdict.score == verdict.unit_score
    assert verdict.label == "MOS" and verdict.mos_range == (0, 1)
    # It is evaluated like any other; on what its authors trained on, it is not.
    words = ("evaluate", f"artifact={folder}", "data=qads", f"data.root={tiny_root}", "trainer=cpu")
    done = hmtnet(*words, f"runs={tmp_path / 'runs'}")
    assert done.code == 0 and "trained on pipal" in done.out, done.err
    done = hmtnet(*words, f"runs={tmp_path / 'runs'}", "data.name=pipal")
    assert done.code == BAD_INPUT and "has seen 24 of 24 test images" in done.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c.pop("deform_net_model_state_dict"),
            "expected the keys .* found epoch, regres",
        ),
        (
            lambda c: c["regressor_model_state_dict"].pop("conv.0.bias"),
            r"1 missing: head\.score\.bias",
        ),
        (
            lambda c: c["regressor_model_state_dict"].update({"more.weight": torch.zeros(1)}),
            r"1 unexpected: head\.more\.weight",
        ),
        (
            lambda c: c["deform_net_model_state_dict"].update({"deform.bias": torch.zeros(7)}),
            r"fuse\.sample\.bias \(expected \(16,\), found \(7,\)\)",
        ),
    ],
)
def test_another_checkpoint_is_refused_and_leaves_nothing(
    convert, checkpoint, tmp_path, change, message
):
    other = {k: dict(v) if isinstance(v, dict) else v for k, v in checkpoint.items()}
    change(other)
    done = convert(other)
    assert done.code == BAD_INPUT and re.search(message, done.err), done.err
    assert not (tmp_path / "runs").exists()


def test_random_extractors_and_other_systems_are_refused(convert, hmtnet, checkpoint):
    done = convert(checkpoint, f"{NETWORK}.transformer.weights=none")
    assert done.code == BAD_INPUT and "weights for both" in done.err
    done = hmtnet("convert", "system=pmt", "checkpoint=x.pth")
    assert done.code == BAD_INPUT and "No checkpoint of the authors of 'pmt'" in done.err
