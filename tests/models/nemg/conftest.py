"""Tiny NEMG networks, and images with references, in memory."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import Split
from hmtnet.files import digest_text
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.nemg import NEMGNet, NEMGSettings
from hmtnet.models.nemg.network import NEMGLossSettings, NEMGStageSettings
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.system import find_system

SIZE = 48


@pytest.fixture
def nemg_settings():
    backbone = BackboneSettings(widths=(16, 16, 16))
    return NEMGSettings(
        backbone=backbone,
        semantic=(16,),
        width=16,
        shave=1,
        kaiming_heads=False,
        sensitivity="softplus",
    )


@pytest.fixture
def make_net(nemg_settings):
    def make(**changes):
        return NEMGNet(dataclasses.replace(nemg_settings, **changes))

    return make


@pytest.fixture
def make_nemg_task(nemg_settings, grades):
    """Make the task as the chain does."""

    def make(seed=0, size=SIZE, **loss):
        settings = NEMGStageSettings(
            network=nemg_settings,
            loss=NEMGLossSettings(**loss),
            crops=CropSettings(size=size, count=1),
            optimizer=OptimizerSettings(lr=1e-2, loaded_lr=1e-2),
            augment=(),
        )
        torch.manual_seed(seed)
        stage = find_system("nemg").stage("nemg")
        network = stage.network(settings, StageInputs(grades))
        return stage.make_task(network.train(), settings, StageInputs(grades))

    return make


class Pictures(dict):
    """Images by row: noise and the same, blurred the more, the worse its score."""

    def pair(self, row):
        return self[row], self.references[row]


@pytest.fixture
def make_pairs():
    """Make a dataset in memory whose images have references."""

    def make(count=8, *, batch_size=8, size=SIZE, seed=0, workers=0, augment=(), use="training"):
        mos = np.linspace(0.02, 0.98, count)
        store = Pictures()
        store.references = {}
        for row in range(count):
            noise = np.random.default_rng(row).normal(size=(SIZE, SIZE, 3))
            soft = sum(np.roll(noise, (i, j), (0, 1)) for i in range(4) for j in range(4)) / 16
            mixed = mos[row] * noise + (1 - mos[row]) * soft
            store[row] = (128 + 40 * mixed).clip(0, 255).astype(np.uint8)
            store.references[row] = (128 + 40 * noise).clip(0, 255).astype(np.uint8)
        records = tuple(
            Record(image=f"{i}.png", mos=float(m), reference_image=f"r{i}.png")
            for i, m in enumerate(mos)
        )
        manifest = Manifest(
            name="memory",
            root=Path("nowhere"),
            records=records,
            label_kind="pseudo",
            mos_range=(0.0, 1.0),
            higher_is_better=True,
            digests=tuple(digest_text(record.image, 16) for record in records),
            reference_digests=tuple(digest_text(r.reference_image, 16) for r in records),
        )
        everything = tuple(range(count))
        return QualityData(
            manifest,
            Split("image", 0, everything, everything, (), "image-s0-x", True),
            store,
            CropSettings(size=size, count=1),
            batch_size,
            augment,
            seed,
            LoaderSettings(workers=workers),
            use,
        )

    return make


@pytest.fixture
def make_referenced(make_crops):
    """Make random crops with references."""

    def make(counts=(2, 3), size=SIZE):
        crops = make_crops(counts, size, saliency=False)
        return dataclasses.replace(crops, reference=make_crops(counts, size, seed=1).pixels)

    return make
