"""A tiny AHIQ, and crops beside their references."""

import dataclasses

import pytest
import torch

from hmtnet.data.crops import Crops
from hmtnet.models.ahiq import AHIQ, AHIQSettings
from hmtnet.models.ahiq.transformer import TransformerSettings
from hmtnet.models.backbone import BackboneSettings


@pytest.fixture
def transformer():
    """Two blocks of 12 channels with patches of 16 pixels."""
    return TransformerSettings(
        name="vit_tiny_patch16_224", weights="none", blocks=2, width=12, heads=3
    )


@pytest.fixture
def settings(transformer):
    return AHIQSettings(
        transformer=transformer,
        backbone=BackboneSettings(widths=(8, 8, 16)),
        normalisation="weights",
        fusion_width=16,
        embedding=16,
        head=(24, 16, 16),
    )


@pytest.fixture
def make_network(settings):
    def make(**changes):
        return AHIQ(dataclasses.replace(settings, **changes))

    return make


@pytest.fixture
def make_pairs():
    """Make random crops of images that have ``counts`` of them, beside other random ones."""

    def make(counts=(2, 3), size=48, seed=0):
        generator = torch.Generator().manual_seed(seed)
        total = sum(counts)
        return Crops(
            pixels=torch.rand(total, 3, size, size, generator=generator),
            image=torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
            images=len(counts),
            reference=torch.rand(total, 3, size, size, generator=generator),
        )

    return make
