"""AHIQ by the command line: chosen like any other system, for datasets with references."""

import dataclasses
import functools
import re
import shutil

import numpy as np
import pytest
import timm
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image
from safetensors.torch import load_file, save_file

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.composing import conf_folder
from hmtnet.experiment import training
from hmtnet.experiment.settings import train_settings
from hmtnet.models.ahiq import AHIQ, AHIQSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.system import find_system, unweighted
from hmtnet.scoring.restore import restore

NETWORK = "system.ahiq.network"
# Enough to have every part, and to be quick.
TINY = (
    *("system.ahiq.epochs=2", f"{NETWORK}.transformer.blocks=2", f"{NETWORK}.transformer.width=12"),
    *(f"{NETWORK}.fusion_width=16", f"{NETWORK}.embedding=16", f"{NETWORK}.head=[16,16,16]"),
)


@pytest.fixture(scope="module")
def trained(hmtnet, one_stage, tmp_path_factory):
    """The run directory of a finished AHIQ stage."""
    runs = tmp_path_factory.mktemp("ahiq") / "runs"
    done = hmtnet(*one_stage("ahiq", runs, *TINY))
    assert done.code == 0, done.err
    (path,) = runs.glob("qads/*/ahiq-*")
    return path


def pixels_of(path):
    with Image.open(path) as file:
        return torch.from_numpy(np.array(file)).permute(2, 0, 1)


def test_it_is_one_stage_that_always_needs_references():
    system = find_system("ahiq")
    (only,) = system.stages
    assert (only.name, only.after, only.borrows) == ("ahiq", (), ())
    assert system.reference == "always"


def test_what_it_leaves_says_what_it_is(trained):
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"], meta["reference"]) == ("ahiq", "ahiq", "always")
    assert meta["grade_accuracy"] is None and np.isfinite(meta["val_srcc"])
    # Nothing was loaded, so everything was trained.
    assert meta["cost"]["trained_parameters"] == meta["cost"]["parameters"]
    found = prediction_files.read(trained / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]


def test_what_is_restored_scores_as_predicted(trained, tiny_root, assess):
    restored = restore(trained)
    assert isinstance(restored.network, AHIQ) and not restored.network.training
    found = prediction_files.read(trained / "predictions.csv")
    assert len(set(found.score)) > 12
    for image, score in zip(found.image, found.score, strict=True):
        content = image.rpartition("/")[2].partition("_")[0]
        reference = tiny_root / "source_images" / f"{content}.png"
        prediction = assess(
            restored.network,
            pixels_of(tiny_root / image),
            restored.settings.crops,
            reference=pixels_of(reference),
        )
        assert prediction.unit_score.item() == pytest.approx(score, abs=1e-6)


def test_killed_after_an_epoch_it_resumes_to_the_same_bits(hmtnet, one_stage, trained, tmp_path):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    words = one_stage("ahiq", tmp_path, *TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "predict", killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and "ahiq: resuming" in done.err
    (path,) = tmp_path.glob("qads/*/ahiq-*")
    ours, theirs = store.load(path).tensors, store.load(trained).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of timm's smallest vision transformer."""
    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(timm.create_model("test_vit").state_dict(), path)
    return path


def test_loaded_parts_stay_frozen_and_are_named_by_what_they_are(
    hmtnet, one_stage, weights, tmp_path
):
    def words(runs, file):
        transformer = f"{{name: test_vit.r160_in1k, weights: {file}, blocks: 2}}"
        return one_stage(
            *("ahiq", runs, *TINY, "system.ahiq.epochs=1", "evaluate.test=false"),
            *(f"{NETWORK}.transformer.width=null", f"{NETWORK}.transformer.heads=null"),
            f"{NETWORK}.transformer={transformer}",
        )

    assert (done := hmtnet(*words(tmp_path / "runs", weights))).code == 0, done.err
    (path,) = (tmp_path / "runs").glob("qads/*/ahiq-*")
    meta = store.read_meta(path)
    named = meta["settings"]["network"]["transformer"]["weights"]
    assert named.startswith("sha256:") and str(weights) not in (path / "stage.json").read_text()
    untrained = meta["cost"]["parameters"] - meta["cost"]["trained_parameters"]
    restored = restore(path).network  # needs no weights file
    assert untrained == sum(p.numel() for p in restored.transformer.parameters())
    given = load_file(weights)
    assert all(torch.equal(t, given[n]) for n, t in restored.transformer.body.state_dict().items())
    # The same file elsewhere is the same stage.
    moved = shutil.copy(weights, tmp_path / "moved.safetensors")
    again = hmtnet(*words(tmp_path / "runs", moved))
    assert again.code == 0 and "ahiq: reused" in again.err


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("size.crops.size=56", "56 pixels .* patches of 16.*size.crops.size=48"),
        (f"{NETWORK}.transformer.blocks=20", "blocks: expected at most the 12"),
        (f"{NETWORK}.transformer.weights=hub", "width: the weights are those of the network as it"),
        (
            f"{NETWORK}.transformer={{width: null, heads: null, weights: hub}}",
            "'vit_tiny_patch16_224' has no tag, .*Give name.tag",
        ),
        (f"{NETWORK}.transformer.name=resnet18", "Choose a vision transformer of timm"),
        ("size.backbone.widths=[16,16]", "levels of stride .* expected one of stride 4"),
        (f"{NETWORK}.fusion=nearest", "'nearest' is not one of deformable, none"),
        (f"{NETWORK}.frozen=yes", "frozen"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_trained(
    hmtnet, one_stage, tmp_path, word, message
):
    done = hmtnet(*one_stage("ahiq", tmp_path, *TINY[:1], word))
    assert done.code != 0 and not list(tmp_path.rglob("stage.json"))
    assert not list(tmp_path.rglob("metrics.csv"))
    assert re.search(message, done.err, re.DOTALL), done.err


def test_a_dataset_without_references_is_refused(hmtnet, one_stage, tiny_root, tmp_path):
    lines = (tiny_root / "mos_with_names.txt").read_text().split("\n")
    rows = [line.split() for line in lines if line]
    root = shutil.copytree(tiny_root / "super-resolved_images", tmp_path / "images")
    (root / "labels.csv").write_text(
        "image,mos\n" + "".join(f"{name},{mos}\n" for mos, name in rows)
    )
    done = hmtnet(
        *one_stage("ahiq", tmp_path / "runs", *TINY, "data=table", "split=image"),
        *(f"data.root={root}", "data.label_kind=human", "data.range=[0,1]"),
        "data.direction=higher",
    )
    assert done.code != 0 and "'ahiq' compares images with their reference" in done.err
    assert not (tmp_path / "runs").exists()


@functools.cache
def settings_of(size, system="ahiq"):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        config = compose("train", [f"system={system}", f"size={size}"])
    tree = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    return train_settings(tree)[0].system.stages[system]


@pytest.mark.parametrize("size", ["full", "published"])
def test_two_sizes_are_the_published_network(size):
    network = settings_of(size).network
    assert network == dataclasses.replace(AHIQSettings(), backbone=network.backbone)
    assert (network.backbone.name, network.backbone.weights) == ("resnet50.a1_in1k", "hub")


def test_one_of_them_is_the_published_recipe_too():
    stage_settings = settings_of("published")
    optimizer, schedule = stage_settings.optimizer, stage_settings.schedule
    assert (optimizer.name, optimizer.lr, optimizer.weight_decay) == ("adam", 1e-4, 1e-5)
    assert (schedule.name, schedule.period) == ("wave", 50)
    assert (stage_settings.epochs, stage_settings.batch_size) == (200, 4)
    assert stage_settings.crops.size == 224


def test_the_others_share_budget_and_optimiser_with_everyone():
    for size in ("tiny", "small", "full"):
        ours, plain = settings_of(size), settings_of(size, "plain")
        for field in dataclasses.fields(FitSettings):
            assert getattr(ours, field.name) == getattr(plain, field.name), field.name


@pytest.mark.parametrize(("size", "most"), [("tiny", 0.3e6), ("small", 1e6)])
def test_small_sizes_are_small(size, most):
    network = unweighted(settings_of(size).network)
    made = AHIQ(network)
    assert sum(p.numel() for p in made.parameters()) < most
