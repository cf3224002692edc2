"""Tiny networks, crops and datasets that every system's tests share."""

import dataclasses
import warnings
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from PIL import Image

from hmtnet.data.batch import Batch, Sample
from hmtnet.data.crops import Crops, CropSettings
from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.grades import Grades
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import Split
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.files import digest_text
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.grading import GradingNet, GradingSettings
from hmtnet.models.hmtnet.guidance import Mixture
from hmtnet.models.hmtnet.sfen import SFEN, SFENSettings

SIZE = 48
EMBEDDING = 12


@pytest.fixture(autouse=True)
def _same_luck():
    torch.manual_seed(0)


@pytest.fixture
def grades():
    """Five grades of unequal width."""
    return Grades(edges=(0.15, 0.4, 0.6, 0.85))


@pytest.fixture
def plain():
    return BackboneSettings(widths=(8, 8, 16))


@pytest.fixture
def grading_settings(plain):
    return GradingSettings(encoder=plain, embedding=EMBEDDING)


@pytest.fixture
def make_grading(grading_settings, grades):
    def make(**changes):
        return GradingNet(dataclasses.replace(grading_settings, **changes), grades)

    return make


@pytest.fixture
def sfen_settings(plain):
    return SFENSettings(backbone=plain, features=16)


@pytest.fixture
def make_sfen(sfen_settings, grades):
    """Make an SFEN that has learned something: a fresh mixture only repeats the prior."""

    def make(**changes):
        network = SFEN(dataclasses.replace(sfen_settings, **changes), grades, EMBEDDING)
        if isinstance(network.guidance, Mixture):
            torch.nn.init.normal_(network.guidance.position.weight, std=0.3)
        return network

    return make


@pytest.fixture
def make_hmtnet(make_grading, make_sfen):
    def make(frozen=False, **changes):
        return HMTNet(make_grading(), make_sfen(**changes), grading_frozen=frozen)

    return make


@pytest.fixture
def make_crops():
    """Make random crops of images that have ``counts`` of them."""

    def make(counts=(2, 3), size=SIZE, saliency=True, seed=0):
        generator = torch.Generator().manual_seed(seed)
        total = sum(counts)
        return Crops(
            pixels=torch.rand(total, 3, size, size, generator=generator),
            image=torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
            images=len(counts),
            saliency=torch.rand(total, 1, size, size, generator=generator) if saliency else None,
        )

    return make


def picture(sharpness, seed, side=SIZE):
    """Make noise, (side, side, 3) uint8, that is the softer the lower ``sharpness`` in [0, 1]."""
    noise = np.random.default_rng(seed).normal(size=(side, side, 3))
    soft = sum(np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)) / 4
    mixed = sharpness * noise + (1 - sharpness) * soft
    return (128 + 40 * mixed).clip(0, 255).astype(np.uint8)


@pytest.fixture
def make_batch(grades):
    """Make a batch of pictures whose MOS is their sharpness."""

    def make(count=8, crops=1):
        mos = np.linspace(0.02, 0.98, count)
        samples = [
            Sample(
                row=row,
                pixels=torch.from_numpy(picture(mos[row], row)).permute(2, 0, 1).contiguous(),
                corners=[(0, 0)] * crops,
                unit_mos=float(mos[row]),
                grade=int(grades.assign(mos[row])),
                dropout_draw=row / count,
            )
            for row in range(count)
        ]
        return Batch.collate(samples)

    return make


@pytest.fixture
def make_data(grades):
    """Make a dataset in memory; unless a split is given, the same images train and validate."""

    def make(count=8, *, batch_size=8, crops=None, workers=0, augment=(), seed=0, split=None):
        mos = np.linspace(0.02, 0.98, count)
        records = tuple(Record(image=f"{i}.png", mos=float(m)) for i, m in enumerate(mos))
        manifest = Manifest(
            name="memory",
            root=Path("nowhere"),
            records=records,
            label_kind="pseudo",
            mos_range=(0.0, 1.0),
            higher_is_better=True,
            licence="",
            citation="",
            digests=tuple(digest_text(record.image, 16) for record in records),
            reference_digests=(None,) * count,
        )
        everything = tuple(range(count))
        train, val = split or (everything, everything)
        return QualityData(
            manifest,
            Split("image", 0, train, val, (), "image-s0-x", True),
            {row: picture(mos[row], row) for row in everything},
            crops or CropSettings(size=SIZE, count=1),
            batch_size,
            augment,
            seed,
            LoaderSettings(workers=workers),
            grades=grades,
        )

    return make


@pytest.fixture(scope="session")
def one_stage(tiny_root):
    """Make the words that train a system of one stage in seconds: ``one_stage("plain", runs)``."""

    def words(system, runs, *more):
        return [
            *("train", f"system={system}", "data=qads", f"data.root={tiny_root}", f"runs={runs}"),
            *("trainer=cpu", "size.crops={size: 48, count: 1, grid: 2}", "size.batch_size=4"),
            *("size.backbone.widths=[16,16,16]", "system.grades.count=3", *more),
        ]

    return words


@pytest.fixture(scope="session")
def scores_of(tiny_root, assess):
    """Score an image of the tiny dataset by a restored network: ``scores_of(restored, name)``."""

    def score(restored, name):
        with Image.open(tiny_root / name) as file:
            pixels = torch.from_numpy(np.array(file)).permute(2, 0, 1)
        return assess(restored.network, pixels, restored.settings.crops).unit_score.item()

    return score


class Curves(Callback):
    """Keep what is logged, an entry an epoch."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, pl_module):
        self.epochs.append({name: float(v) for name, v in trainer.callback_metrics.items()})


@pytest.fixture
def train(tmp_path):
    """Train a task by Lightning on the CPU and return what each epoch logged."""

    def run(task, data, epochs, resume=None, callbacks=(), **options):
        curves = Curves()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer = L.Trainer(
                accelerator="cpu",
                max_epochs=epochs,
                logger=False,
                enable_checkpointing=bool(callbacks),
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                callbacks=[curves, *callbacks],
                default_root_dir=tmp_path,
                **options,
            )
            trainer.fit(task, datamodule=data, ckpt_path=resume)
        return curves.epochs

    return run


@pytest.fixture
def make_labels():
    """Make training labels: ``make_labels(methods, unit_mos=None)``; row i is no training image
    where ``methods[i]`` is ``"test"``, and of unknown method where it is None."""

    def make(methods, unit_mos=None):
        unit_mos = torch.linspace(0, 1, len(methods)) if unit_mos is None else unit_mos
        records = {
            row: Record(image=f"{row}.png", mos=float(unit_mos[row]), method=method)
            for row, method in enumerate(methods)
            if method != "test"
        }
        return TrainingLabels(len(methods), records, torch.as_tensor(unit_mos).double(), 1.0)

    return make
