"""PMT-IQA by the command line."""

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch.optim import SGD

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment import callbacks
from hmtnet.experiment.settings import train_settings
from hmtnet.models.pmt import PMTNet
from hmtnet.models.schedules import schedule_for
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore

WORDS = (
    "system.pmt.epochs=3",
    "size.backbone.widths=[16,16,16,16]",
    "system.pmt.network.classes=5",
)


def only(runs):
    (path,) = runs.glob("qads/*/pmt-*")
    return path


@pytest.fixture(scope="module")
def trained(hmtnet, one_stage, tmp_path_factory):
    """The run directory of a finished stage."""
    runs = tmp_path_factory.mktemp("pmt") / "runs"
    done = hmtnet(*one_stage("pmt", runs, *WORDS))
    assert done.code == 0, done.err
    return only(runs)


def test_it_is_one_stage_that_starts_from_nothing():
    (stage,) = find_system("pmt").stages
    assert (stage.name, stage.after, stage.borrows) == ("pmt", (), ())


def test_it_leaves_scores_and_no_grades(trained):
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"]) == ("pmt", "pmt")
    assert meta["grade_accuracy"] is None and np.isfinite(meta["val_srcc"])
    found = prediction_files.read(trained / "predictions.csv")
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [16, 4, 4]
    assert found.probabilities.shape == (24, 0)
    header, *rows = (trained / "metrics.csv").read_text().splitlines()
    place = header.split(",").index("score_weight")
    assert [float(row.split(",")[place]) for row in rows] == [0, 0.5, 1]


def test_what_is_restored_scores_as_predicted(trained, scores_of):
    restored = restore(trained)
    assert isinstance(restored.network, PMTNet) and restored.network.settings.classes == 5
    found = prediction_files.read(trained / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


@pytest.mark.full
def test_killed_in_the_middle_it_resumes_to_the_same_bits(hmtnet, one_stage, trained, tmp_path):
    class Killed(BaseException):
        pass

    written = callbacks.EpochRecord.on_train_epoch_end

    def killed(self, trainer, pl_module):
        if trainer.current_epoch == 1:  # what is kept is the first epoch
            raise Killed
        written(self, trainer, pl_module)

    words = one_stage("pmt", tmp_path, *WORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks.EpochRecord, "on_train_epoch_end", killed)
        with pytest.raises(Killed):
            hmtnet(*words)
    done = hmtnet(*words)
    assert done.code == 0 and "pmt: resuming" in done.err
    path = only(tmp_path)
    ours, theirs = store.load(path).tensors, store.load(trained).tensors
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
    for name in ("metrics.csv", "predictions.csv"):
        assert (path / name).read_bytes() == (trained / name).read_bytes()


def test_a_backbone_of_too_few_levels_is_bad_input(hmtnet, one_stage, tmp_path):
    done = hmtnet(*one_stage("pmt", tmp_path))
    assert done.code == BAD_INPUT and "4 coarsest levels" in done.err
    words = ("system.pmt.network.multi_scale=false", "system.pmt.epochs=1")
    assert hmtnet(*one_stage("pmt", tmp_path, *words)).code == 0


def stage_of(*words):
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        tree = OmegaConf.to_container(compose("train", ["system=pmt", *words]), resolve=True)
    return train_settings(tree, complete=True)[0].system.stages["pmt"]


def test_published_is_the_authors_recipe():
    stage = stage_of("size=published")
    optimizer, schedule = stage.optimizer, stage.schedule
    assert (optimizer.name, optimizer.weight_decay, optimizer.clip) == ("adam", 5e-4, 0)
    assert optimizer.decay_vectors
    assert optimizer.lr == optimizer.loaded_lr == 1.093e-4
    (rate,) = schedule_for(SGD([torch.zeros(1)], 1.0), schedule, 30).lr_lambdas
    assert [t for t in range(1, 30) if rate(t) < 0.2 * rate(t - 1)] == [7, 13, 19, 25]
    assert (stage.epochs, stage.batch_size, stage.augment) == (30, 12, ("horizontal_flip",))
    assert (stage.crops.size, stage.crops.count, stage.crops.grid) == (224, 4, 2)
    backbone = stage.network.backbone
    assert (backbone.name, backbone.weights) == ("resnet50.tv_in1k", "hub")
    assert not backbone.frozen_norms and not backbone.sees_mscn
    assert (stage.network.classes, stage.loss.progressive) == (10, "linear")
    assert stage.loss.mos_range == 1


@pytest.mark.parametrize("size", ["tiny", "quick", "small", "full"])
def test_elsewhere_the_score_rules_earlier(size):
    assert stage_of(f"size={size}").loss.mos_range == 100


def test_static_weights_can_be_asked_for():
    loss = stage_of("system.pmt.loss.progressive=off").loss
    assert (loss.progressive, loss.score_weight, loss.class_weight) == ("off", 0.942, 0.96)
