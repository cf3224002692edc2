import itertools

import pytest
import torch
from torch import nn

from hmtnet.errors import SettingsError
from hmtnet.models.optimisation import (
    FitSettings,
    OptimizerSettings,
    ScheduleSettings,
    optimizer_for,
    schedule_for,
)
from hmtnet.settings import build


class Block(nn.Module):
    def __init__(self, loaded):
        super().__init__()
        self.loaded = loaded
        self.inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.old = Block(loaded=True)
        self.new = Block(loaded=False)
        self.frozen = Block(loaded=True).requires_grad_(False)


SETTINGS = OptimizerSettings(lr=1e-2, loaded_lr=1e-4, weight_decay=0.3)


def test_every_trained_parameter_gets_its_rate_and_decay_and_a_frozen_one_is_absent():
    network = Network()
    names = {id(p): name for name, p in network.named_parameters()}
    found = {
        names[id(p)]: (group["lr"], group["weight_decay"])
        for group in optimizer_for(network, SETTINGS).param_groups
        for p in group["params"]
    }
    expected = {}
    for part, lr in (("old", 1e-4), ("new", 1e-2)):
        for name, decay in (("0.weight", 0.3), ("0.bias", 0), ("1.weight", 0), ("1.bias", 0)):
            expected[f"{part}.inner.{name}"] = (lr, decay)
    assert found == expected


def test_a_loaded_whole_passes_its_rate_to_all_inside():
    network = Network()
    network.loaded = True
    rates = {group["lr"] for group in optimizer_for(network, SETTINGS).param_groups}
    assert rates == {1e-4}


def test_a_parameter_that_two_modules_share_is_optimised_once():
    network = Network()
    network.twin = network.new.inner[0]
    groups = optimizer_for(network, SETTINGS).param_groups
    assert sum(len(group["params"]) for group in groups) == 8


def rates(settings, steps, base=2.0):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], base)
    schedule = schedule_for(optimizer, settings, steps)
    found = []
    for _ in range(steps + 1):
        found.append(optimizer.param_groups[0]["lr"] / base)
        optimizer.step()
        schedule.step()
    return found


def test_cosine_rises_evenly_falls_smoothly_and_ends_at_its_last_rate():
    found = rates(ScheduleSettings(warmup=0.1, final=0.05), 100)
    assert found[:10] == pytest.approx([(step + 1) / 11 for step in range(10)])
    assert found[10] == max(found) == 1
    assert all(a > b for a, b in itertools.pairwise(found[10:]))
    assert found[55] == pytest.approx((1 + 0.05) / 2)
    assert found[100] == pytest.approx(0.05)


def test_constant_stays_after_the_warm_up():
    found = rates(ScheduleSettings(name="constant", warmup=0.2), 10)
    assert found == pytest.approx([1 / 3, 2 / 3] + [1] * 9)


@pytest.mark.parametrize("name", ["cosine", "constant"])
def test_without_warm_up_the_first_step_is_a_full_one(name):
    assert rates(ScheduleSettings(name=name, warmup=0), 5)[0] == 1


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0, 0.1, 0.9])
def test_a_stage_of_few_steps_has_a_rate(steps, warmup):
    found = rates(ScheduleSettings(warmup=warmup), steps)
    assert all(0 < rate <= 1 for rate in found)


def test_beyond_the_last_step_the_rate_stays():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule = schedule_for(optimizer, ScheduleSettings(final=0.2), 4)
    for _ in range(9):
        optimizer.step()
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("group", "wrong", "message"),
    [
        (OptimizerSettings, {"lr": -1.0}, "lr: expected at least 0, found -1"),
        (OptimizerSettings, {"clip": -0.1}, "clip: expected at least 0"),
        (ScheduleSettings, {"warmup": 1.0}, "warmup: expected 0 to below 1, found 1"),
        (ScheduleSettings, {"final": 1.5}, "final: expected 0 to 1, found 1.5"),
        (FitSettings, {"epochs": 0}, "epochs: expected at least 1, found 0"),
        (FitSettings, {"batch_size": 1}, "batch_size: expected at least 2 images, found 1"),
        (FitSettings, {"augment": ["blur"]}, "Augmentation 'blur' is not allowed"),
    ],
)
def test_values_out_of_range_are_refused(group, wrong, message):
    with pytest.raises(SettingsError, match=message):
        build(group, wrong)
