"""NEMG by the command line: it learns from references, and judges without."""

import shutil

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment import training
from hmtnet.experiment.settings import train_settings
from hmtnet.models.nemg import NEMGNet
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore

EPOCHS = "system.nemg.epochs=2"


@pytest.fixture(scope="module")
def trained(hmtnet, one_stage, tmp_path_factory):
    """The run directory of a finished NEMG stage."""
    runs = tmp_path_factory.mktemp("nemg") / "runs"
    done = hmtnet(*one_stage("nemg", runs, EPOCHS))
    assert done.code == 0, done.err
    (path,) = runs.glob("qads/*/nemg-*")
    return path


@pytest.fixture(scope="module")
def without_references(tmp_path_factory):
    """A folder of labelled images, and the words that name it as a dataset."""
    root = tmp_path_factory.mktemp("blind")
    rng = np.random.default_rng(5)
    lines = ["image,mos"]
    for i in range(8):
        pixels = rng.integers(0, 255, (60 + i, 70, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{i}.png")
        lines.append(f"{i}.png,{i / 8}")
    (root / "labels.csv").write_text("\n".join(lines))
    return [
        *("data=table", f"data.root={root}", "data.table=labels.csv", "data.label_kind=human"),
        *("data.range=[0,1]", "data.direction=higher"),
    ]


def test_it_is_one_stage_that_starts_from_nothing_and_learns_from_references():
    system = find_system("nemg")
    (only,) = system.stages
    assert (only.name, only.after, only.borrows) == ("nemg", (), ())
    assert system.reference == "training"


def test_it_leaves_what_every_stage_leaves(trained):
    names = {"settings.yaml", "status.json", "metrics.csv", "predictions.csv", "scatter.svg"}
    names |= {"report.html"}
    assert {path.name for path in trained.iterdir()} == names | {
        "stage.safetensors",
        "scenes.safetensors",
        "stage.json",
        ".lock",
    }
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"], meta["upstream"]) == ("nemg", "nemg", {})
    assert meta["reference"] == "training" and np.isfinite(meta["val_srcc"])
    header = (trained / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/error_mse", "val/error_mse", "train/error_ssim", "val/error_ssim"} <= {*header}
    found = prediction_files.read(trained / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]


def test_what_is_restored_scores_as_predicted(trained, scores_of):
    restored = restore(trained)
    assert isinstance(restored.network, NEMGNet)
    found = prediction_files.read(trained / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


@pytest.mark.full
def test_killed_after_an_epoch_it_resumes_to_the_same_bits(hmtnet, one_stage, trained, tmp_path):
    class Killed(BaseException):
        pass

    def killed(*_):
        raise Killed

    words = one_stage("nemg", tmp_path, EPOCHS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "predict", killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and "nemg: resuming" in done.err
    (path,) = tmp_path.glob("qads/*/nemg-*")
    ours, theirs = store.load(path).tensors, store.load(trained).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


def test_it_judges_a_dataset_without_references(hmtnet, trained, without_references, tmp_path):
    done = hmtnet(
        *("evaluate", f"artifact={trained}", "split=whole", "trainer=cpu"),
        *(f"runs={tmp_path / 'runs'}", *without_references),
    )
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("runs/*/*/*/predictions.csv")
    found = prediction_files.read(path)
    assert len(found) == 8 and np.isfinite(found.score).all()


def test_its_test_images_need_no_references(hmtnet, one_stage, tiny_root, trained, tmp_path):
    """Another source of the test content changes nothing that is predicted."""
    found = prediction_files.read(trained / "predictions.csv")
    (content,) = set(found.select("test").reference)
    root = shutil.copytree(tiny_root, tmp_path / "qads")
    (source,) = (root / "source_images").glob(f"{content}.*")
    Image.fromarray(np.zeros((64, 64, 3), dtype=np.uint8)).save(source)
    done = hmtnet(*one_stage("nemg", tmp_path / "runs", EPOCHS, f"data.root={root}"))
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("runs/qads/*/nemg-*")
    again = prediction_files.read(path / "predictions.csv")
    np.testing.assert_array_equal(again.score, found.score)


def test_training_on_a_dataset_without_references_is_refused(hmtnet, without_references, tmp_path):
    runs = tmp_path / "runs"
    done = hmtnet("train", "system=nemg", "trainer=cpu", f"runs={runs}", *without_references)
    assert done.code == BAD_INPUT and "Traceback" not in done.err
    assert "'nemg' is trained with references" in done.err and "plain" in done.err
    assert not runs.exists()


def test_crops_that_are_too_small_are_refused(hmtnet, one_stage, tmp_path):
    done = hmtnet(*one_stage("nemg", tmp_path / "runs", "size.crops.size=32"))
    assert done.code == BAD_INPUT and not (tmp_path / "runs").exists()
    assert "32 pixels make error maps of 8 places, smaller than the window of SSIM" in done.err


@pytest.mark.parametrize(
    ("size", "expected"),
    [("published", (True, "relu")), ("full", (True, "relu")), ("quick", (False, "softplus"))],
)
def test_the_sizes_of_a_minute_start_smaller_and_cannot_die(size, expected):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        tree = OmegaConf.to_container(
            compose("train", ["system=nemg", f"size={size}"]), resolve=True
        )
    stage = train_settings(tree, complete=True)[0].system.stages["nemg"]
    assert (stage.network.kaiming_heads, stage.network.sensitivity) == expected
    assert stage.optimizer.decay_vectors == (size == "published")
