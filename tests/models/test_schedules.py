import itertools
import math

import pytest
import torch
from torch import nn

from hmtnet.errors import SettingsError
from hmtnet.models.schedules import ScheduleSettings, schedule_for
from hmtnet.settings import build


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


def test_step_multiplies_after_so_many_epochs():
    found = rates(ScheduleSettings(name="step", every=3, factor=0.5), 7)
    assert found == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25])


def test_the_first_rate_of_step_may_have_another_length():
    found = rates(ScheduleSettings(name="step", first=4, every=2, factor=0.5), 8)
    assert found == pytest.approx([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125])
    assert rates(ScheduleSettings(name="step", first=1, every=3, factor=0.5), 3)[1:] == [0.5] * 3


def test_wave_falls_and_rises_by_its_period_whatever_the_length():
    settings = ScheduleSettings(name="wave", period=4, final=0.2)
    found = rates(settings, 16)
    assert found[0] == found[8] == found[16] == 1
    assert found[4] == pytest.approx(0.2) and found[12] == pytest.approx(0.2)
    assert found[1] == pytest.approx(0.2 + 0.8 * (1 + math.cos(math.pi / 4)) / 2)
    assert found[:9] == pytest.approx(found[8::-1])
    assert rates(settings, 5) == found[:6]


def test_wave_is_torch_s_cosine_annealing_stepped_beyond_its_end():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
    expected = []
    for _ in range(23):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        theirs.step()
    found = rates(ScheduleSettings(name="wave", period=5, final=0), 22)
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("lift", [0, -0.9])
def test_plateau_multiplies_when_patience_is_used_up(lift):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    settings = ScheduleSettings(name="plateau", patience=2, factor=0.5)
    schedule = schedule_for(optimizer, settings, 100)
    found = []
    # The best is the second; three epochs not better than it; a new best; two that are not.
    for srcc in (0.1, 0.5, 0.5, 0.4, 0.49, 0.51, 0.2, 0.3):
        optimizer.step()
        schedule.step(srcc + lift)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5]


def test_an_undefined_srcc_is_no_better_one():
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule = schedule_for(optimizer, ScheduleSettings(name="plateau", patience=0, factor=0.5), 9)
    for srcc, expected in ((math.nan, 0.5), (0.1, 0.5), (math.nan, 0.25), (0.2, 0.25)):
        schedule.step(srcc)
        assert optimizer.param_groups[0]["lr"] == expected


@pytest.mark.parametrize("name", ["step", "plateau", "wave"])
def test_only_cosine_and_constant_warm_up(name):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 1.0)
    schedule_for(optimizer, ScheduleSettings(name=name, warmup=0.9), 100)
    assert optimizer.param_groups[0]["lr"] == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "steps"}, "'steps' is not one of.*Did you mean 'step'"),
        ({"warmup": 1.0}, "warmup: expected 0 to below 1, found 1"),
        ({"final": 1.5}, "final: expected 0 to 1, found 1.5"),
        ({"factor": 1.0}, "factor: expected between 0 and 1, found 1"),
        ({"factor": 0.0}, "factor: expected between 0 and 1, found 0"),
        ({"first": 0}, "first: expected at least 1 or null, found 0"),
        ({"every": 0}, "every: expected at least 1, found 0"),
        ({"patience": -1}, "patience: expected at least 0, found -1"),
        ({"period": 0}, "period: expected at least 1, found 0"),
    ],
)
def test_values_out_of_range_are_refused(wrong, message):
    with pytest.raises(SettingsError, match=message):
        build(ScheduleSettings, wrong)
