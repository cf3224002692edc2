import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F

from hmtnet.data.crops import CropSettings
from hmtnet.losses import supervised_contrastive
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.mfen import DANSettings
from hmtnet.models.mfen.dan import DANLossSettings, DANStageSettings
from hmtnet.models.mfen.network import MFENLossSettings, QualityStageSettings
from hmtnet.models.mfen.task import type_loss
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.quality import make_crops
from hmtnet.models.score_loss import ScoreLossSettings, score_terms
from hmtnet.models.system import find_system

FIT = {
    "crops": CropSettings(size=48, count=1),
    "optimizer": OptimizerSettings(lr=1e-2),
    "augment": (),
}
# Two images of a type: sharpness, which the network sees, tells the types apart.
PAIRS = torch.arange(8) // 2
PAIR_MOS = torch.linspace(0.1, 0.9, 4)


@pytest.fixture
def make_task(mfen_settings, make_dan, make_labels, grades):
    """Make the task of a stage as the chain does."""

    def make(name, keys=PAIRS, **changes):
        upstream = {} if name == "dan" else {"dan": make_dan().eval()}
        methods = [None if key < 0 else f"method {key}" for key in keys.tolist()]
        mos = [float(PAIR_MOS[key]) for key in keys.tolist()]
        given = StageInputs(grades, upstream, make_labels(methods, mos))
        backbone = BackboneSettings(widths=(16, 16, 16))
        settings = {
            "dan": DANStageSettings(network=DANSettings(backbone=backbone, embedding=12), **FIT),
            "quality": QualityStageSettings(network=mfen_settings, **FIT),
        }[name]
        settings = dataclasses.replace(settings, **changes)
        stage = find_system("mfen").stage(name)
        network = stage.network(settings, given)
        return stage.make_task(network.train(), settings, given)

    return make


NAMES = {"srcc", "plcc", "krcc", "rmse", "mapped_plcc", "mapped_rmse", "loss"}


@pytest.mark.full
def test_the_dan_overfits_one_batch(make_task, make_data, train):
    curve = train(make_task("dan"), make_data(), 60, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.3 * curve[0]["train/loss"]
    assert curve[-1]["train/type_accuracy"] == 1
    # Types that are right score at least in the right order.
    assert curve[-1]["val/srcc"] > 0.9
    terms = {"loss", "contrast", "type", "type_accuracy"}
    # The types of validation images are not told, so nothing there is lost or won.
    assert {*curve[-1]} == {f"train/{term}" for term in terms} | {f"val/{n}" for n in NAMES}
    total = curve[-1]["train/contrast"] + curve[-1]["train/type"]
    assert curve[-1]["train/loss"] == pytest.approx(total, rel=1e-4)


def test_the_quality_stage_overfits_one_batch(make_task, make_data, train):
    task = make_task("quality")
    before = {k: v.clone() for k, v in task.network.dan.state_dict().items()}
    curve = train(task, make_data(), 30, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.3 * curve[0]["train/loss"]
    assert curve[-1]["val/srcc"] > 0.95 and curve[-1]["train/type_accuracy"] > 0.5
    terms = {"loss", "score", "type", "type_accuracy"}
    assert {*curve[-1]} == {f"train/{term}" for term in terms} | {
        f"val/{name}" for name in NAMES | {"score"}
    }
    after = task.network.dan.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_without_types_the_quality_stage_learns_the_score_alone(make_task, make_data, train):
    curve = train(make_task("quality", torch.full((8,), -1)), make_data(), 1)
    assert {*curve[-1]} == {"train/loss", "train/score"} | {
        f"val/{name}" for name in NAMES | {"score"}
    }


@pytest.fixture
def seen(make_batch):
    """A batch of four images, two crops each, and its crops."""
    batch = make_batch(4, crops=2)
    return batch, make_crops(batch, 48, None)


def test_the_contrast_is_the_multi_positive_nt_xent(make_task, seen):
    batch, crops = seen
    task = make_task("dan", keys=torch.tensor([0, 0, 1, -1]))
    prediction = task.judge(crops, batch)
    angle = torch.tensor([0.0, 0.3, 0.5, 0.9, 1.5, 1.7, 2.5, 3.0])
    prediction.embedding = torch.stack([angle.cos(), angle.sin()], 1)

    def likeness(i, j):
        return math.exp(math.cos(float(angle[i] - angle[j])) / 0.1)

    # Only images 0 and 1 are of one type, so only their crops have positives: those of the other
    # image. Crops of the same image are neither positives nor negatives.
    terms = []
    for i in range(4):
        others = [j for j in range(8) if j // 2 != i // 2]
        total = sum(likeness(i, j) for j in others)
        positives = [2, 3] if i < 2 else [0, 1]
        terms.append(-sum(math.log(likeness(i, p) / total) for p in positives) / 2)
    found = task.losses(prediction, batch, crops)
    assert found["contrast"].item() == pytest.approx(sum(terms) / 4, rel=1e-5)
    expected = F.nll_loss(prediction.log_types[:3], torch.tensor([0, 0, 1]))
    torch.testing.assert_close(found["type"], expected)


def test_images_of_unknown_type_are_of_no_type(make_task, seen):
    batch, crops = seen
    task = make_task("dan")
    task.types.fill_(-1)
    found = task.losses(task.judge(crops, batch), batch, crops)
    assert found["contrast"].item() == found["type"].item() == 0
    sum(found.values()).backward()
    assert not any(p.grad is not None and p.grad.any() for p in task.network.parameters())


def test_the_temperature_is_a_setting(make_task, seen):
    batch, crops = seen
    task = make_task("dan", loss=DANLossSettings(temperature=0.4))
    prediction = task.judge(crops, batch)
    prediction.embedding = F.normalize(torch.randn(8, 12), dim=1)
    keys = PAIRS[:4].repeat_interleave(2)
    expected = supervised_contrastive(
        prediction.embedding, keys, torch.arange(4).repeat_interleave(2), temperature=0.4
    )
    torch.testing.assert_close(task.losses(prediction, batch, crops)["contrast"], expected)


def test_the_quality_loss_is_the_score_s_and_a_share_of_the_type_s(make_task, seen):
    batch, crops = seen
    score = ScoreLossSettings(score="mse", relation="plcc")
    task = make_task("quality", loss=MFENLossSettings(score=score, types=0.25))
    prediction = task.judge(crops, batch)
    found = task.losses(prediction, batch, crops)
    expected = score_terms(prediction.unit_score, batch.unit_mos, score)
    assert found.keys() == {*expected, "type"}
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    types = F.nll_loss(prediction.log_types, PAIRS[:4])
    torch.testing.assert_close(found["type"], 0.25 * types)
    # Smooth L1 by hand: quadratic below a tenth of the scale, then linear.
    default = make_task("quality")
    prediction.unit_score = batch.unit_mos + torch.tensor([0.05, -0.1, 0.3, 0.0])
    terms = default.losses(prediction, batch, crops)
    assert terms["score"].item() == pytest.approx((0.0125 + 0.05 + 0.25) / 4, abs=1e-6)


@pytest.mark.parametrize("name", ["dan", "quality"])
def test_validation_is_told_no_types(make_task, seen, name):
    batch, crops = seen
    task = make_task(name).eval()
    found = task.losses(task.judge(crops, batch), batch, crops)
    assert found.keys() == ({"score"} if name == "quality" else set())


def test_the_type_loss_passes_over_unknown_types():
    logs = torch.tensor([[0.5, 0.5], [0.25, 0.75], [0.1, 0.9]]).log().requires_grad_()
    found = type_loss(logs, torch.tensor([0, 1, -1]))
    assert found.item() == pytest.approx(-(math.log(0.5) + math.log(0.75)) / 2)
    nothing = type_loss(logs, torch.tensor([-1, -1, -1]))
    nothing.backward()
    assert nothing.item() == 0 and not logs.grad.any()


def test_types_are_the_dataset_s_and_no_part_of_a_checkpoint(make_task):
    assert not any("distortion" in name for name in make_task("dan").state_dict())
