"""CNNIQA by the command line."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment import callbacks
from hmtnet.experiment.settings import train_settings
from hmtnet.models.cnniqa import CNNIQANet
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore

WORDS = ("system.cnniqa.epochs=3", "system.cnniqa.network.hidden=64")


def only(runs):
    (path,) = runs.glob("qads/*/cnniqa-*")
    return path


@pytest.fixture(scope="module")
def trained(hmtnet, one_stage, tmp_path_factory):
    """The run directory of a finished stage."""
    runs = tmp_path_factory.mktemp("cnniqa") / "runs"
    done = hmtnet(*one_stage("cnniqa", runs, *WORDS))
    assert done.code == 0, done.err
    return only(runs)


def test_it_is_one_stage_that_starts_from_nothing():
    (stage,) = find_system("cnniqa").stages
    assert (stage.name, stage.after, stage.borrows) == ("cnniqa", (), ())


def test_it_leaves_scores_and_no_grades(trained):
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"]) == ("cnniqa", "cnniqa")
    assert meta["grade_accuracy"] is None and np.isfinite(meta["val_srcc"])
    found = prediction_files.read(trained / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]
    assert found.probabilities.shape == (24, 0)


def test_what_is_restored_scores_as_predicted(trained, scores_of):
    restored = restore(trained)
    assert isinstance(restored.network, CNNIQANet) and restored.network.settings.hidden == 64
    found = prediction_files.read(trained / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


def test_killed_in_the_middle_it_resumes_to_the_same_bits(hmtnet, one_stage, trained, tmp_path):
    class Killed(BaseException):
        pass

    written = callbacks.EpochRecord.on_train_epoch_end

    def killed(self, trainer, pl_module):
        if trainer.current_epoch == 1:  # what is kept is the first epoch
            raise Killed
        written(self, trainer, pl_module)

    words = one_stage("cnniqa", tmp_path, *WORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.EpochRecord, "on_train_epoch_end", killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and "cnniqa: resuming" in done.err
    path = only(tmp_path)
    ours, theirs = store.load(path).tensors, store.load(trained).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    for name in ("metrics.csv", "predictions.csv"):
        assert (path / name).read_bytes() == (trained / name).read_bytes()


def test_crops_smaller_than_a_patch_are_bad_input(hmtnet, one_stage, tmp_path):
    done = hmtnet(*one_stage("cnniqa", tmp_path / "runs", "system.cnniqa.crops.size=24"))
    assert done.code == BAD_INPUT and "at least network.patch=32 pixels, found 24" in done.err
    assert not (tmp_path / "runs").exists()


def stage_of(*words):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        tree = OmegaConf.to_container(compose("train", ["system=cnniqa", *words]), resolve=True)
    return train_settings(tree, complete=True)[0].system.stages["cnniqa"]


def test_published_takes_the_paper_s_patches():
    stage = stage_of("size=published")
    assert (stage.crops.size, stage.crops.count, stage.crops.grid) == (32, 128, "cover")
    assert (stage.optimizer.name, stage.optimizer.clip, stage.epochs) == ("adam", 0, 40)
    assert (stage.schedule.name, stage.schedule.every, stage.schedule.factor) == ("step", 1, 0.9)
    network = stage.network
    assert (network.patch, network.kernels, network.kernel_size) == (32, 50, 7)
    assert (network.hidden, network.dropout, stage.loss.of) == (800, 0.5, "patches")


@pytest.mark.parametrize("size", ["tiny", "small", "full"])
def test_the_network_is_the_same_in_every_size(size):
    assert stage_of(f"size={size}").network == stage_of("size=published").network
