"""Settings that have no effect: named by their class, and truly without effect."""

import dataclasses
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.settings import (
    GradingLossSettings,
    JointLossSettings,
    SFENStageSettings,
)
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.mfen.network import MFENSettings
from hmtnet.models.nemg.network import NEMGLossSettings
from hmtnet.models.optimisation import OptimizerSettings
from hmtnet.models.pmt.network import PMTLossSettings
from hmtnet.models.ridge.network import RidgeStageSettings
from hmtnet.models.schedules import ScheduleSettings, schedule_for
from hmtnet.models.score_loss import ScoreLossSettings
from hmtnet.models.system import own_systems
from hmtnet.settings import in_force

# Settings, and the fields that mean nothing under them; all others do.
CASES = [
    (ScheduleSettings(), {"first", "every", "factor", "patience", "period"}),
    (
        ScheduleSettings(name="constant"),
        {"final", "first", "every", "factor", "patience", "period"},
    ),
    (ScheduleSettings(name="step"), {"warmup", "final", "patience", "period"}),
    (ScheduleSettings(name="plateau"), {"warmup", "final", "first", "every", "period"}),
    (ScheduleSettings(name="wave"), {"warmup", "first", "every", "factor", "patience"}),
    (OptimizerSettings(), set()),
    (OptimizerSettings(weight_decay=0.0), {"decay_vectors"}),
    (ScoreLossSettings(), set()),
    (ScoreLossSettings(relation="none"), {"relation_weight"}),
    (ScoreLossSettings(relation_weight=0), {"relation"}),
    (GradingLossSettings(), set()),
    (GradingLossSettings(grade="cross_entropy"), {"sigma"}),
    (GradingLossSettings(contrast=0), {"contrast_key", "temperature", "contrast_sigma"}),
    (GradingLossSettings(contrast_key="none"), {"contrast", "temperature", "contrast_sigma"}),
    (JointLossSettings(), set()),
    (JointLossSettings(alpha=0), {"grading.grade", "grading.sigma"}),
    (SFENStageSettings(), {"prior_folds"}),
    (SFENStageSettings(network=SFENSettings(prior_source="out_of_fold")), set()),
    (SFENSettings(perspectives=("texture", "saliency"), texture="residual"), set()),
    (SFENSettings(perspectives=("texture", "saliency"), texture="mscn"), {"sigma"}),
    (SFENSettings(), {"texture", "sigma"}),
    (SFENSettings(perspectives=("gradient",)), {"texture", "sigma", "saliency"}),
    (SFENSettings(prior="film"), {"texture", "sigma", "margin"}),
    (SFENSettings(prior="none"), {"texture", "sigma", "margin", "prior_dropout"}),
    (BackboneSettings(), set()),
    (BackboneSettings(name="resnet50.a1_in1k"), {"widths"}),
    (MFENSettings(), set()),
    (MFENSettings(hfen=False), {"hfen_widths"}),
    (MFENSettings(hfen=False, dan=False), {"hfen_widths", "fuse"}),
    (NEMGLossSettings(), set()),
    (NEMGLossSettings(ssim=0), {"window", "sigma"}),
    (PMTLossSettings(), {"score_weight", "class_weight"}),
    (PMTLossSettings(progressive="off"), set()),
    (RidgeStageSettings(), {"crops.count"}),
]


@pytest.mark.parametrize(("settings", "idle"), CASES, ids=lambda x: type(x).__name__)
def test_exactly_these_fields_have_no_effect(settings, idle):
    found = in_force(settings)
    own = {field.name for field in dataclasses.fields(settings)}
    assert own - found.keys() == {name for name in idle if "." not in name}
    for name in idle:
        *groups, last = name.split(".")
        group = found
        for part in groups:
            group = group[part]
        assert last not in group


def test_every_class_that_names_such_fields_is_tried_here():
    tried = {type(settings) for settings, _ in CASES}
    for system in own_systems():
        for stage in system.stages:
            for settings in nested(stage.settings()):
                if hasattr(settings, "idle"):
                    assert type(settings) in tried
                    names = {field.name for field in dataclasses.fields(settings)}
                    assert {name.partition(".")[0] for name in settings.idle()} <= names


@pytest.mark.parametrize("name", ["cosine", "constant", "step", "wave"])
@pytest.mark.parametrize(
    "change",
    [{"warmup": 0.3}, {"final": 0.2}, {"every": 3}, {"factor": 0.5}, {"period": 7}],
    ids=lambda change: next(iter(change)),
)
def test_a_schedule_reads_just_what_it_does_not_call_idle(name, change):
    before = ScheduleSettings(name=name)
    after = dataclasses.replace(before, **change)
    assert (rates(before) == rates(after)) == (change.keys() <= before.idle())


def rates(settings, steps=60):
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = schedule_for(optimizer, settings, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def nested(settings) -> Iterator:
    if dataclasses.is_dataclass(settings):
        yield settings
        for field in dataclasses.fields(settings):
            yield from nested(getattr(settings, field.name))
