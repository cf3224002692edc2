"""A small DAN and MFENs around it."""

import dataclasses

import pytest
import torch

from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.mfen import DAN, MFEN, DANSettings, MFENSettings

TYPE_MOS = torch.tensor([0.2, 0.5, 0.9])


@pytest.fixture
def make_dan(plain):
    def make(backbone=plain, type_mos=TYPE_MOS):
        return DAN(DANSettings(backbone=backbone, embedding=12), type_mos)

    return make


@pytest.fixture
def mfen_settings():
    return MFENSettings(
        backbone=BackboneSettings(name="van_tiny"), hfen_widths=(8, 8, 16, 16), features=16
    )


@pytest.fixture
def make_mfen(mfen_settings, make_dan):
    """Make an MFEN, with a DAN where its settings want one."""

    def make(types=0, **changes):
        settings = dataclasses.replace(mfen_settings, **changes)
        return MFEN(settings, make_dan() if settings.dan else None, types)

    return make
