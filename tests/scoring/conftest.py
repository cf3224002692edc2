"""Artifacts that the tests of scoring share: real ones, trained or made as if trained."""

import shutil

import numpy as np
import pytest
import torch

from hmtnet.artifact import store
from hmtnet.data.grades import Grades
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.grading import GradingSettings
from hmtnet.models.hmtnet.settings import HMTNetSettings, JointStageSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.system import SYSTEMS, find_system
from hmtnet.settings import plain

BACKBONE = BackboneSettings(widths=(8, 8, 16))
SOME_SYSTEM = """
from dataclasses import dataclass
import torch
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System

class Spread(QualityNetwork):
    # The deviation over all crops: no mean over anything that a crop says by itself.
    def __init__(self, **flags):
        super().__init__()
        self.offset = torch.nn.Parameter(torch.tensor(0.25))
        for name, value in flags.items():
            setattr(self, name, value)

    def forward(self, crops):
        mean = crops.mean_by_image(crops.pixels.mean((1, 2, 3)))
        spread = (crops.pixels.mean((1, 2, 3)) - mean[crops.image]).square()
        return Prediction(unit_score=self.offset + crops.mean_by_image(spread).sqrt())

class Distance(QualityNetwork):
    needs_reference = True
    by_crop = True

    def __init__(self):
        super().__init__()
        self.offset = torch.nn.Parameter(torch.tensor(1.0))
        self.most = 0  # crops at once

    def forward(self, crops):
        self.most = max(self.most, len(crops.pixels))
        distance = (crops.pixels - crops.reference).abs().mean((1, 2, 3))
        return Prediction(unit_score=crops.mean_by_image(self.offset - distance))

def stage(name, **flags):
    return Stage(name, FitSettings, lambda settings, given: Spread(**flags), "")

SYSTEM = System("spread", (
    stage("alone"),
    Stage("paired", FitSettings, lambda settings, given: Distance(), ""),
    stage("labelled", reads_labels=True),
    stage("mixed", mixes_images=True),
))
"""
DATASET = {"label_kind": "human", "mos_range": [1.0, 5.0], "higher_is_better": True}


@pytest.fixture(autouse=True)
def _one_thread():
    """Equal bits need equally many threads."""
    torch.set_num_threads(1)


@pytest.fixture
def noise():
    """Make an image (H, W, 3) of noise, smoother towards the right."""

    def make(height, width, seed=0):
        rng = np.random.default_rng(seed)
        contrast = np.linspace(1, 0.1, width)[None, :, None]
        return (128 + 127 * contrast * rng.uniform(-1, 1, (height, width, 3))).astype(np.uint8)

    return make


@pytest.fixture
def leave(tmp_path):
    """Leave a network of any system as if trained; return its run directory and the network."""

    def make(settings, system="hmtnet", stage="joint", dataset=None):
        torch.manual_seed(0)
        grades = Grades((0.15, 0.4, 0.6, 0.85))
        made = find_system(system).stage(stage).network(settings, StageInputs(grades))
        for tensor in made.state_dict().values():
            if tensor.ndim == 2:  # what starts at zero would hide a mistake
                tensor.normal_(std=0.3)
        meta = {
            "system": system,
            "stage": stage,
            "key": "k",
            "settings": plain(settings),
            "grades": {"edges_unit": list(grades.edges)},
            "upstream": {},
            "dataset": dataset or DATASET,
        }
        folder = tmp_path / f"{stage}-k"
        store.save(folder, made.own_state(), meta)
        return folder, made.eval()

    return make


@pytest.fixture
def joint(leave):
    """Leave a joint HMTNet; settings are the SFEN's."""

    def make(**changes):
        sfen = SFENSettings(backbone=BACKBONE, features=16, **changes)
        grading = GradingSettings(encoder=BACKBONE, embedding=12)
        return leave(JointStageSettings(network=HMTNetSettings(grading=grading, sfen=sfen)))

    return make


@pytest.fixture
def changed(finished, tmp_path, rewrite):
    """Copy the finished chain, change a stage's ``stage.json``, and return its run directory."""

    def make(stage, change):
        runs = shutil.copytree(finished.runs, tmp_path / "changed")
        folder = runs / finished.stages[stage].relative_to(finished.runs)
        return rewrite(folder, change)

    return make


@pytest.fixture
def spread(leave, tmp_path, monkeypatch):
    """Leave a stage of a system that another package brings."""
    (tmp_path / "spread_system.py").write_text(SOME_SYSTEM)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SYSTEMS, "spread", "spread_system:SYSTEM")
    return lambda stage: leave(FitSettings(), "spread", stage)
