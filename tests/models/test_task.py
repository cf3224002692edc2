import dataclasses

import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from hmtnet.data.crops import CropSettings
from hmtnet.metrics import median_grade, rmse, srcc
from hmtnet.metrics.checks import MetricError
from hmtnet.models.hmtnet.settings import (
    GradingLossSettings,
    GradingStageSettings,
    HMTNetSettings,
    JointLossSettings,
    JointStageSettings,
    SFENStageSettings,
)
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.quality import Prediction, QualityNetwork, make_crops
from hmtnet.models.schedules import ScheduleSettings
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.system import find_system
from hmtnet.models.task import QualityTask

STAGES = ["grading", "sfen", "joint"]
FIT = {
    "crops": CropSettings(size=48, count=1),
    "optimizer": OptimizerSettings(lr=1e-2, loaded_lr=1e-2),
    "schedule": ScheduleSettings(warmup=0.1),
    "augment": (),
}
# A loss that can fall to nothing: soft targets leave their entropy.
GRADING_LOSS = GradingLossSettings(grade="ordinal", contrast=0.02)


@pytest.fixture
def make_task(grading_settings, sfen_settings, make_grading, grades):
    """Make the task of a stage as the chain does."""

    def make(name, seed=0, **changes):
        both = HMTNetSettings(grading=grading_settings, sfen=sfen_settings)
        settings = {
            "grading": GradingStageSettings(network=grading_settings, loss=GRADING_LOSS, **FIT),
            "sfen": SFENStageSettings(network=sfen_settings, **FIT),
            "joint": JointStageSettings(
                network=both, loss=JointLossSettings(grading=GRADING_LOSS), **FIT
            ),
        }[name]
        settings = dataclasses.replace(settings, **changes)
        torch.manual_seed(seed)
        upstream = {"grading": make_grading().eval()} if name == "sfen" else {}
        given = StageInputs(grades, upstream)
        stage = find_system("hmtnet").stage(name)
        network = stage.network(settings, given)
        return stage.make_task(network.train(), settings, given)

    return make


@pytest.mark.parametrize("name", STAGES)
def test_a_task_overfits_one_batch(make_task, make_data, train, name):
    curve = train(make_task(name), make_data(), 40, gradient_clip_val=1.0)
    first, last = curve[0], curve[-1]
    assert last["train/loss"] < 0.3 * first["train/loss"]
    assert last["val/srcc"] > 0.95
    # What is reported, beside the terms of the loss, whose sum is the loss.
    grades = {"accuracy", "adjacent_accuracy", "kappa", "ece"}
    terms = {"grading": {"grade", "contrast"}, "sfen": {"score", "relation"}}
    terms["joint"] = terms["grading"] | terms["sfen"]
    names = (
        {"srcc", "plcc", "krcc", "rmse", "mapped_plcc", "mapped_rmse", "loss"}
        | grades
        | terms[name]
    )
    assert {key.removeprefix("val/") for key in last if key.startswith("val/")} == names
    assert {key.removeprefix("train/") for key in last if key.startswith("train/")} == {
        "loss",
        *terms[name],
    }
    for subset in ("train", "val"):
        total = sum(last[f"{subset}/{term}"] for term in terms[name])
        assert last[f"{subset}/loss"] == pytest.approx(total, rel=1e-4)
    if name != "sfen":
        assert last["val/accuracy"] > first["val/accuracy"]


def test_a_network_without_grades_reports_none(make_task, make_data, train, sfen_settings):
    settings = dataclasses.replace(sfen_settings, prior="none")
    curve = train(make_task("sfen", network=settings), make_data(), 2)
    assert "val/srcc" in curve[-1] and "val/accuracy" not in curve[-1]


class Contrasts(QualityNetwork):
    """Score an image by how strongly its pixels vary; what it says of grades follows from that."""

    graded = True

    def forward(self, crops):
        score = crops.mean_by_image(crops.pixels.flatten(1).std(1))
        distance = (score[:, None] - torch.linspace(0, 0.2, 5)).abs()
        return Prediction(score, (-30 * distance).log_softmax(1))


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_validation_judges_images_however_batched(make_task, make_data, grades, batch_size):
    data = make_data(batch_size=batch_size)
    task = make_task("grading").eval()
    task.network = Contrasts()
    task.losses = lambda prediction, batch, crops: {}
    logged = {}
    task.log_dict = lambda found, **_: logged.update(found)
    for batch in data.val_dataloader():
        task.validation_step(batch, 0)
    task.on_validation_epoch_end()

    batch = next(iter(make_data().val_dataloader()))
    prediction = task.network(make_crops(batch, 48, None))
    mos = batch.unit_mos.double().numpy()
    score = prediction.unit_score.double().numpy()
    assert logged["val/srcc"] == pytest.approx(srcc(score, mos), abs=1e-6)
    assert logged["val/rmse"] == pytest.approx(rmse(score, mos), abs=1e-6)
    right = median_grade(prediction.log_grades.exp().detach()) == grades.assign(mos)
    assert logged["val/accuracy"] == pytest.approx(right.mean())
    assert 0 < right.mean() < 1


def validated(task, data, monkeypatch):
    """Validate once; return what was logged, and how many crops were shown at once."""
    logged, sizes, judge = {}, [], task.judge
    monkeypatch.setattr(task, "log_dict", lambda values, **_: logged.update(values))
    monkeypatch.setattr(
        task, "judge", lambda crops, batch: sizes.append(len(crops.pixels)) or judge(crops, batch)
    )
    with torch.no_grad():
        for batch in data.val_dataloader():
            task.validation_step(batch, 0)
    task.on_validation_epoch_end()
    return logged, sizes


@pytest.mark.parametrize("name", ["sfen", "joint"])
def test_validation_in_parts_is_that_of_the_whole(make_task, make_data, monkeypatch, name):
    found = []
    for crops_at_once in (100, 3, 1):
        monkeypatch.setattr("hmtnet.models.quality.PIXELS_AT_ONCE", crops_at_once * 48 * 48)
        logged, sizes = validated(make_task(name).eval(), make_data(), monkeypatch)
        assert max(sizes) == min(crops_at_once, 8) and sum(sizes) == 8
        found.append(torch.stack([logged[f"val/{m}"] for m in ("srcc", "rmse", "kappa")]))
    torch.testing.assert_close(found[1], found[0])
    torch.testing.assert_close(found[2], found[0])


def test_each_validation_starts_anew(make_task, make_data):
    task = make_task("grading").eval()
    task.log_dict = lambda *args, **kwargs: None
    for _ in range(2):
        for batch in make_data().val_dataloader():
            task.validation_step(batch, 0)
        # Values of an earlier epoch would be another score of the same image: an error.
        with torch.no_grad():
            task.network.evidence.bias.normal_()
        task.on_validation_epoch_end()


class Broken(QualityNetwork):
    saliency_operator = None

    def forward(self, crops):
        return Prediction(crops.pixels.new_full((crops.images,), float("nan")))


def test_a_score_that_is_no_number_ends_training(make_task, make_data):
    task = make_task("grading")
    task.network = Broken()
    task.losses = lambda prediction, batch, crops: {}
    task.log_dict = lambda *args, **kwargs: None
    task.validation_step(next(iter(make_data().val_dataloader())), 0)
    with pytest.raises(MetricError, match="score"):
        task.on_validation_epoch_end()


def test_a_task_without_losses_is_none(grading_settings, make_grading, grades, make_batch):
    task = QualityTask(
        make_grading(), GradingStageSettings(network=grading_settings), StageInputs(grades)
    )
    with pytest.raises(NotImplementedError):
        task.losses(None, make_batch(), None)


class Rates(Callback):
    """The rates of every step, by group."""

    def __init__(self):
        self.steps = []

    def on_train_batch_start(self, trainer, *args):
        self.steps.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def test_the_schedule_spans_all_steps_of_the_stage(make_task, make_data, train):
    rates = Rates()
    optimizer = OptimizerSettings(lr=1e-2, loaded_lr=1e-3)
    schedule = ScheduleSettings(warmup=0.25, final=0.1)
    task = make_task("grading", optimizer=optimizer, schedule=schedule)
    task.network.encoder.loaded = True
    train(task, make_data(batch_size=2), 3, callbacks=[rates])
    assert len(rates.steps) == 12  # four batches an epoch
    new = [max(step) for step in rates.steps]
    assert new[:4] == pytest.approx([0.0025, 0.005, 0.0075, 0.01])
    assert new[3:] == sorted(new[3:], reverse=True) and 0.001 < new[-1] < 0.0015
    assert all(min(step) == pytest.approx(max(step) / 10) for step in rates.steps)


def test_one_batch_of_bfloat16_trains_to_finite_numbers(make_task, make_data, train):
    for name in STAGES:
        curve = train(make_task(name), make_data(), 1, precision="bf16-mixed")
        assert all(abs(value) < 10 for value in curve[-1].values())


def test_a_frozen_grading_network_is_untouched_by_training(make_task, make_data, train):
    task = make_task("sfen")
    before = {k: v.clone() for k, v in task.network.grading.state_dict().items()}
    train(task, make_data(), 3)
    assert task.network.training and not task.network.grading.encoder.training
    after = task.network.grading.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())


def test_a_frozen_extractor_is_untouched_by_training(make_task, make_data, train):
    frozen = OptimizerSettings(lr=1e-2, loaded_lr=0)
    task = make_task("sfen", extractor="grading", optimizer=frozen)
    sfen = task.network.sfen
    carried = {k: v.clone() for k, v in sfen.extractors.state_dict().items()}
    learning = {k: v.clone() for k, v in sfen.guidance.state_dict().items()}
    train(task, make_data(), 3)
    after = sfen.extractors.state_dict()
    assert all(torch.equal(after[key], value) for key, value in carried.items())
    assert not all(torch.equal(sfen.guidance.state_dict()[k], v) for k, v in learning.items())
    # What learns is in training mode beside it.
    assert sfen.training and not any(part.training for part in sfen.extractors[0].modules())


ALTERNATIVES = [
    *({"prior": prior} for prior in ("film", "concat", "none")),
    *({"pool": pool} for pool in ("mean", "saliency")),
    {"perspectives": ("texture", "gradient", "saliency"), "texture": "residual"},
    *({"perspectives": (name,)} for name in ("pixels", "texture", "gradient", "saliency")),
    {"saliency": "sdsp"},
    {"sharing": "separate"},
    {"levels": 2},
]


@pytest.mark.parametrize("changes", ALTERNATIVES, ids=str)
def test_every_alternative_of_the_sfen_learns(make_task, make_data, train, sfen_settings, changes):
    task = make_task("sfen", network=dataclasses.replace(sfen_settings, **changes))
    curve = train(task, make_data(), 15, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.7 * curve[0]["train/loss"]
    learning = {n: p for n, p in task.network.named_parameters() if p.requires_grad}
    if "perspectives" in changes:  # the only one has all the attention, whatever it says
        learning = {n: p for n, p in learning.items() if ".relevance." not in n}
    assert not [n for n, p in learning.items() if not p.any()]  # where some start


@pytest.mark.parametrize("score", ["l1", "smooth_l1", "mse"])
@pytest.mark.parametrize("relation", ["ranking", "plcc", "none"])
def test_every_loss_of_a_score_is_learned_by(make_task, make_data, train, score, relation):
    task = make_task("sfen", loss=ScoreLossSettings(score=score, relation=relation))
    curve = train(task, make_data(), 15, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.7 * curve[0]["train/loss"]


@pytest.mark.parametrize("grade", ["cross_entropy", "ordinal", "soft"])
@pytest.mark.parametrize("contrast_sigma", [None, 0.2])
def test_every_loss_of_a_grade_is_learned_by(make_task, make_data, train, grade, contrast_sigma):
    loss = GradingLossSettings(grade=grade, contrast_sigma=contrast_sigma)
    curve = train(make_task("grading", loss=loss), make_data(), 25, gradient_clip_val=1.0)
    assert curve[-1]["val/srcc"] > curve[0]["val/srcc"] + 0.15
    assert curve[-1]["train/grade"] < 0.8 * curve[0]["train/grade"]


class KilledError(Exception):
    pass


class KillBefore(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            raise KilledError


class Seen(Callback):
    """Which images came, in which crop and with which draw."""

    def __init__(self):
        self.batches = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_index):
        self.batches.append((batch.rows.tolist(), batch.corners, batch.dropout_draw.tolist()))


@pytest.mark.parametrize(("name", "workers"), [("sfen", 0), ("joint", 2), ("grading", 2)])
def test_resumed_equals_uninterrupted_to_the_last_bit(
    make_task, make_data, train, tmp_path, name, workers
):
    crops = CropSettings(size=32, count=2)

    def data():
        return make_data(
            10,
            batch_size=4,
            crops=crops,
            workers=workers,
            augment=("horizontal_flip", "quarter_turn"),
        )

    def checkpoints():
        return ModelCheckpoint(tmp_path / "kept", filename="last", enable_version_counter=False)

    whole, seen = make_task(name, crops=crops), Seen()
    curve = train(whole, data(), 4, callbacks=[seen])

    first, early = make_task(name, crops=crops), Seen()
    with pytest.raises(KilledError):
        train(first, data(), 4, callbacks=[early, checkpoints(), KillBefore(2)])
    # Other weights and another state of chance: all must come from the checkpoint.
    second, late = make_task(name, seed=1, crops=crops), Seen()
    if name == "sfen":
        second.network.grading.load_state_dict(first.network.grading.state_dict())
    torch.manual_seed(99)
    rest = train(
        second, data(), 4, resume=tmp_path / "kept" / "last.ckpt", callbacks=[late, checkpoints()]
    )

    assert len(seen.batches) == 8 and early.batches + late.batches == seen.batches
    assert rest == curve[2:]
    expected = whole.network.state_dict()
    found = second.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], value) for key, value in expected.items())


SCHEDULES = {
    # Rates of the epochs, in shares, where validation SRCC is 0.5, 0.4, 0.4, 0.6.
    "step": (ScheduleSettings(name="step", every=2, factor=0.5), [1, 1, 0.5, 0.5]),
    "plateau": (ScheduleSettings(name="plateau", patience=0, factor=0.5), [1, 1, 0.5, 0.25]),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_by_epochs_resume_as_if_uninterrupted(
    make_task, make_data, train, tmp_path, name
):
    schedule, expected = SCHEDULES[name]

    def make(seed=0):
        optimizer = OptimizerSettings(name="adam", lr=1e-2, loaded_lr=1e-2)
        task = make_task("grading", seed=seed, schedule=schedule, optimizer=optimizer)
        srcc = (0.5, 0.4, 0.4, 0.6)
        task.on_validation_epoch_end = lambda: task.log(
            "val/srcc", torch.tensor(srcc[task.current_epoch])
        )
        return task

    def checkpoints():
        return ModelCheckpoint(tmp_path / "kept", filename="last", enable_version_counter=False)

    whole, rates = make(), Rates()
    train(whole, make_data(batch_size=4), 4, callbacks=[rates])
    assert [{share for step in rates.steps[i : i + 2] for share in step} for i in (0, 2, 4, 6)] == [
        {0.01 * share} for share in expected
    ]

    early, late = Rates(), Rates()
    with pytest.raises(KilledError):
        train(make(), make_data(batch_size=4), 4, callbacks=[early, checkpoints(), KillBefore(2)])
    second = make(seed=1)
    last = tmp_path / "kept" / "last.ckpt"
    train(second, make_data(batch_size=4), 4, resume=last, callbacks=[late, checkpoints()])
    assert early.steps + late.steps == rates.steps
    found = second.network.state_dict()
    assert all(torch.equal(found[k], v) for k, v in whole.network.state_dict().items())
