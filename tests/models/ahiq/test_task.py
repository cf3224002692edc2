import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hmtnet.data.batch import Batch, Sample
from hmtnet.data.crops import CropSettings
from hmtnet.data.datamodule import QualityData
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import Split
from hmtnet.files import digest_text
from hmtnet.models.ahiq.network import AHIQStageSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.quality import make_crops
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.system import find_system

COUNT = 8
MOS = np.linspace(0.02, 0.98, COUNT)


class Pairs:
    """Noise, the softer the lower the MOS, beside the noise itself."""

    def pair(self, row):
        noise = np.random.default_rng(row).normal(size=(48, 48, 3))
        soft = sum(np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)) / 4
        mixed = MOS[row] * noise + (1 - MOS[row]) * soft
        return tuple((128 + 40 * x).clip(0, 255).astype(np.uint8) for x in (mixed, noise))


@pytest.fixture
def data():
    """Images in memory with their references; the same train and validate."""
    names = [f"{row}.png" for row in range(COUNT)]
    manifest = Manifest(
        name="memory",
        root=Path("nowhere"),
        records=tuple(Record(image=n, mos=float(m)) for n, m in zip(names, MOS, strict=True)),
        label_kind="pseudo",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        licence="",
        citation="",
        digests=tuple(digest_text(name, 16) for name in names),
        reference_digests=(None,) * COUNT,
    )
    rows = tuple(range(COUNT))
    split = Split("image", 0, rows, rows, (), "image-s0-x", True)
    crops = CropSettings(size=48, count=1)
    return QualityData(manifest, split, Pairs(), crops, COUNT, reference="always")


@pytest.fixture
def make_task(settings, grades):
    def make(network=settings, **changes):
        stage_settings = AHIQStageSettings(
            network=network,
            crops=CropSettings(size=48, count=1),
            optimizer=OptimizerSettings(lr=1e-2),
            augment=(),
            **changes,
        )
        stage = find_system("ahiq").stage("ahiq")
        network = stage.network(stage_settings, StageInputs(grades))
        return stage.make_task(network.train(), stage_settings, StageInputs(grades))

    return make


def batch_of(count):
    samples = []
    for row in range(count):
        image, reference = (torch.from_numpy(x).permute(2, 0, 1) for x in Pairs().pair(row))
        samples.append(
            Sample(
                row=row,
                pixels=image,
                corners=[(0, 0)],
                unit_mos=float(MOS[row]),
                reference=reference,
            )
        )
    return Batch.collate(samples)


@pytest.mark.parametrize("fusion", [pytest.param("deformable", marks=pytest.mark.full), "none"])
def test_it_overfits_one_batch(make_task, settings, data, train, fusion):
    task = make_task(dataclasses.replace(settings, fusion=fusion))
    curve = train(task, data, 40, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.3 * curve[0]["train/loss"]
    assert curve[-1]["val/srcc"] > 0.95
    names = {f"{subset}/{term}" for subset in ("train", "val") for term in ("loss", "score")}
    assert set(curve[-1]) == names | {
        f"val/{name}" for name in ("srcc", "plcc", "krcc", "rmse", "mapped_plcc", "mapped_rmse")
    }


def test_frozen_random_features_still_teach_the_head(make_task, settings, data, train):
    task = make_task(dataclasses.replace(settings, frozen=True))
    before = {name: t.clone() for name, t in task.network.cnn.state_dict().items()}
    curve = train(task, data, 25, gradient_clip_val=1.0)
    assert curve[-1]["train/loss"] < 0.5 * curve[0]["train/loss"]
    after = task.network.cnn.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def test_its_loss_is_the_squared_error_alone(make_task):
    assert AHIQStageSettings().loss == ScoreLossSettings(score="mse", relation="none")
    task = make_task().eval()
    batch = batch_of(6)
    crops = make_crops(batch, 48, None)
    prediction = task.judge(crops, batch)
    found = task.losses(prediction, batch, crops)
    assert found.keys() == {"score"}
    expected = (prediction.unit_score - torch.tensor(MOS[:6]).float()).square().mean()
    torch.testing.assert_close(found["score"], expected)


def test_terms_can_be_added(make_task):
    task = make_task(loss=ScoreLossSettings(score="l1", relation="plcc"))
    batch = batch_of(6)
    crops = make_crops(batch, 48, None)
    assert task.losses(task.judge(crops, batch), batch, crops).keys() == {"score", "relation"}
