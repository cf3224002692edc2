import dataclasses

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch.nn import functional

from hmtnet.losses import ssim_loss
from hmtnet.models.quality import make_crops

TERMS = {"score", "error_mse", "error_ssim"}


def test_it_overfits_one_batch(make_nemg_task, make_pairs, train):
    task, data = make_nemg_task(), make_pairs()
    curve = train(task, data, 30, gradient_clip_val=1.0)
    first, last = curve[0], curve[-1]
    assert last["train/loss"] < 0.2 * first["train/loss"]
    assert last["train/error_ssim"] < 0.3 * first["train/error_ssim"]
    assert last["val/srcc"] > 0.95
    quality = {"srcc", "plcc", "krcc", "rmse", "mapped_plcc", "mapped_rmse", "loss"}
    assert {n.removeprefix("val/") for n in last if n.startswith("val/")} == quality | TERMS
    for subset in ("train", "val"):
        total = sum(last[f"{subset}/{term}"] for term in TERMS)
        assert last[f"{subset}/loss"] == pytest.approx(total, rel=1e-4)


def prediction_of(task, batch):
    crops = make_crops(batch, 48, None)
    return task.judge(crops, batch), crops


def test_its_loss_is_the_published_one(make_nemg_task, make_pairs):
    task = make_nemg_task().eval()
    batch = next(iter(make_pairs().val_dataloader()))
    prediction, crops = prediction_of(task, batch)
    e = task.network.true_error(crops)
    difference = prediction.unit_score - batch.unit_mos
    # Below 1 the smooth L1 distance is half the squared one.
    expected = {
        "score": 1000 * difference.square().mean() / 2,
        "error_mse": 50 * functional.mse_loss(prediction.maps["error_mse"], e),
        "error_ssim": 150 * ssim_loss(prediction.maps["error_ssim"], e, 11, 1.5),
    }
    found = task.losses(prediction, batch, crops)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_weights_and_window_are_settings(make_nemg_task, make_pairs):
    batch = next(iter(make_pairs().val_dataloader()))
    task = make_nemg_task().eval()
    prediction, crops = prediction_of(task, batch)
    base = task.losses(prediction, batch, crops)
    other = make_nemg_task(score=1.0, mse=5.0, ssim=0.0).eval()
    found = other.losses(prediction, batch, crops)
    torch.testing.assert_close(found["score"], base["score"] / 1000)
    torch.testing.assert_close(found["error_mse"], base["error_mse"] / 10)
    assert found["error_ssim"] == 0
    narrow = make_nemg_task(window=5, sigma=1.0).eval().losses(prediction, batch, crops)
    assert narrow["error_ssim"] != base["error_ssim"]


def test_without_references_only_the_score_is_left(make_nemg_task, make_pairs):
    task = make_nemg_task().eval()
    batch = next(iter(make_pairs(use="none").val_dataloader()))
    prediction, crops = prediction_of(task, batch)
    assert crops.reference is None
    assert set(task.losses(prediction, batch, crops)) == {"score"}


def test_predictions_need_no_references(make_pairs):
    data = make_pairs()
    assert next(iter(data.train_dataloader())).references is not None
    assert next(iter(data.val_dataloader())).references is not None
    assert next(iter(data.tiled("val"))).references is None


def test_identical_references_teach_that_there_is_no_error(make_nemg_task, make_pairs):
    task = make_nemg_task().eval()
    batch = next(iter(make_pairs().val_dataloader()))
    prediction, crops = prediction_of(task, batch)
    crops = dataclasses.replace(crops, reference=crops.pixels)
    perfect = {name: torch.ones_like(m) for name, m in prediction.maps.items()}
    found = task.losses(dataclasses.replace(prediction, maps=perfect), batch, crops)
    assert found["error_mse"].item() == pytest.approx(0, abs=1e-6)
    assert found["error_ssim"].item() == pytest.approx(0, abs=1e-3)


def test_bfloat16_trains_to_finite_numbers(make_nemg_task, make_pairs, train):
    curve = train(make_nemg_task(), make_pairs(), 2, precision="bf16-mixed")
    assert all(abs(value) < 1000 for value in curve[-1].values())


class KilledError(Exception):
    pass


class KillBefore(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise KilledError


def test_resumed_equals_uninterrupted_to_the_last_bit(make_nemg_task, make_pairs, train, tmp_path):
    def data():
        return make_pairs(6, batch_size=3, size=44, augment=("horizontal_flip", "quarter_turn"))

    kept = ModelCheckpoint(tmp_path / "kept", filename="last", enable_version_counter=False)
    whole = make_nemg_task(size=44)
    curve = train(whole, data(), 4)
    with pytest.raises(KilledError):
        train(make_nemg_task(size=44), data(), 4, callbacks=[kept, KillBefore()])
    # Other weights and another state of chance: all must come from the checkpoint.
    second = make_nemg_task(seed=1, size=44)
    torch.manual_seed(99)
    rest = train(second, data(), 4, resume=tmp_path / "kept" / "last.ckpt")
    np.testing.assert_equal(rest, curve[2:])  # undefined metrics are equal
    expected, found = whole.network.state_dict(), second.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())
