import dataclasses

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.models.cnniqa import CNNIQASettings
from hmtnet.models.cnniqa.network import CNNIQALossSettings, CNNIQAStageSettings
from hmtnet.models.cnniqa.task import kept_units
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.quality import make_crops
from hmtnet.models.system import find_system


@pytest.fixture
def make_task(grades):
    def make(seed=0, dropout=0.5, **changes):
        torch.manual_seed(seed)
        settings = CNNIQAStageSettings(
            network=CNNIQASettings(kernels=8, hidden=64, dropout=dropout),
            crops=CropSettings(size=48, count=1),
            optimizer=OptimizerSettings(lr=1e-2),
            augment=(),
        )
        settings = dataclasses.replace(settings, **changes)
        stage = find_system("cnniqa").stage("cnniqa")
        network = stage.network(settings, StageInputs(grades))
        return stage.make_task(network.train(), settings, StageInputs(grades))

    return make


@pytest.mark.parametrize("of", ["patches", "images"])
def test_it_overfits_one_batch(make_task, make_data, train, of):
    task = make_task(dropout=0.1, loss=CNNIQALossSettings(of=of))
    curve = train(task, make_data(), 30, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.3 * curve[0]["train/loss"]
    assert curve[-1]["val/srcc"] > 0.95
    terms = {f"{subset}/{term}" for subset in ("train", "val") for term in ("loss", "score")}
    assert set(curve[-1]) == terms | {
        "val/srcc",
        "val/plcc",
        "val/krcc",
        "val/rmse",
        "val/mapped_plcc",
        "val/mapped_rmse",
    }


def test_every_patch_has_its_image_s_score_and_no_image_counts_twice(make_task, make_batch):
    task = make_task().eval()
    batch = make_batch(2)
    pixels = torch.rand(4, 3, 96, 96)
    crops = Crops(pixels, torch.tensor([0, 0, 0, 1]), 2)
    prediction = task.judge(crops, batch)
    scores = prediction.patch_score
    first, second = (
        (scores[:3] - batch.unit_mos[0]).abs().mean(),
        (scores[3] - batch.unit_mos[1]).abs(),
    )
    found = task.losses(prediction, batch, crops)
    torch.testing.assert_close(found, {"score": (first + second.mean()) / 2})

    of_images = make_task(loss=CNNIQALossSettings(of="images")).eval()
    found = of_images.losses(prediction, batch, crops)
    assert torch.equal(found["score"], (prediction.unit_score - batch.unit_mos).abs().mean())


def test_units_are_left_out_by_luck_and_by_nothing_else():
    dropout_draw = torch.rand(5)
    first = kept_units(dropout_draw, (200, 50), 0.25)
    assert first.float().mean().item() == pytest.approx(0.75, abs=0.02)
    torch.manual_seed(7)
    assert torch.equal(kept_units(dropout_draw, (200, 50), 0.25), first)
    other = kept_units(torch.rand(5), (200, 50), 0.25)
    assert (other == first).float().mean().item() == pytest.approx(0.625, abs=0.02)


def test_only_training_leaves_units_out(make_task, make_batch):
    task, batch = make_task(), make_batch(4)
    crops = make_crops(batch, 48, None)
    trained = task.judge(crops, batch).unit_score
    assert torch.equal(task.judge(crops, batch).unit_score, trained)
    task.eval()
    assert not torch.isclose(task.judge(crops, batch).unit_score, trained).all()
    plain = make_task(dropout=0.0)
    assert torch.equal(plain.judge(crops, batch).unit_score, plain.network.eval()(crops).unit_score)


def test_crops_smaller_than_a_patch_are_refused_before_anything_is_made():
    with pytest.raises(ValueError, match=r"crops\.size: expected .*network\.patch=32.*found 16"):
        CNNIQAStageSettings(crops=CropSettings(size=16))


class KilledError(Exception):
    pass


class KillBefore(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KilledError


def test_resumed_in_the_middle_it_equals_uninterrupted(make_task, make_data, train, tmp_path):
    def data():
        return make_data(10, batch_size=4, augment=("horizontal_flip",))

    def checkpoints():
        return ModelCheckpoint(tmp_path / "kept", filename="last", enable_version_counter=False)

    whole = make_task()
    curve = train(whole, data(), 4)
    with pytest.raises(KilledError):
        train(make_task(), data(), 4, callbacks=[checkpoints(), KillBefore(2)])
    second = make_task(seed=1)
    torch.manual_seed(99)  # what is left out must not come from here
    last = tmp_path / "kept" / "last.ckpt"
    rest = train(second, data(), 4, resume=last, callbacks=[checkpoints()])
    assert rest == curve[2:]
    expected, found = whole.network.state_dict(), second.network.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
