import pytest
import torch
from torch import nn

from hmtnet.errors import SettingsError
from hmtnet.models.optimisation import (
    FitSettings,
    OptimizerSettings,
    freeze_loaded,
    is_loaded,
    optimizer_for,
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


def test_vectors_decay_too_where_asked_for():
    settings = OptimizerSettings(weight_decay=0.3, decay_vectors=True)
    groups = optimizer_for(Network(), settings).param_groups
    assert {group["weight_decay"] for group in groups} == {0.3}
    assert sum(len(group["params"]) for group in groups) == 8


def test_a_loaded_whole_passes_its_rate_to_all_inside():
    network = Network()
    network.loaded = True
    rates = {group["lr"] for group in optimizer_for(network, SETTINGS).param_groups}
    assert rates == {1e-4}


def test_factors_multiply_the_rates_inside_their_modules():
    network = Network()
    network.rate_factor = 0.5
    network.old.rate_factor = 0.1
    names = {id(p): name for name, p in network.named_parameters()}
    for group in optimizer_for(network, SETTINGS).param_groups:
        for p in group["params"]:
            old = names[id(p)].startswith("old.")
            assert group["lr"] == pytest.approx(5e-6 if old else 5e-3)


def test_a_network_is_loaded_where_all_that_learns_was():
    network = Network()
    assert not is_loaded(network)
    network.new.requires_grad_(False)
    assert is_loaded(network)  # what is frozen will not learn, whatever it is
    network.old.requires_grad_(False)
    assert not is_loaded(network)  # nothing learns


def test_a_rate_of_zero_freezes_what_was_loaded_and_any_other_freezes_nothing():
    network = Network()
    before = [name for name, p in network.named_parameters() if p.requires_grad]
    freeze_loaded(network, OptimizerSettings(loaded_lr=1e-6))
    assert [name for name, p in network.named_parameters() if p.requires_grad] == before
    freeze_loaded(network, OptimizerSettings(loaded_lr=0))
    left = [name for name, p in network.named_parameters() if p.requires_grad]
    assert left == [name for name in before if name.startswith("new.")]
    groups = optimizer_for(network, OptimizerSettings(lr=0.1, loaded_lr=0)).param_groups
    assert {group["lr"] for group in groups} == {0.1}


def test_freezing_all_there_is_to_learn_is_refused():
    network = Network()
    network.loaded = True
    with pytest.raises(SettingsError, match="nothing would be left to learn"):
        freeze_loaded(network, OptimizerSettings(loaded_lr=0))
    # What nobody meant to train (its weights are solved for) is no mistake.
    freeze_loaded(network.frozen, OptimizerSettings(loaded_lr=0))


def test_a_parameter_that_two_modules_share_is_optimised_once():
    network = Network()
    network.twin = network.new.inner[0]
    groups = optimizer_for(network, SETTINGS).param_groups
    assert sum(len(group["params"]) for group in groups) == 8


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_both_optimisers_are_torch_s_on_the_same_groups(name):
    network = Network()
    settings = OptimizerSettings(name=name, lr=1e-2, loaded_lr=1e-4, weight_decay=0.3)
    optimizer = optimizer_for(network, settings)
    assert type(optimizer) is {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}[name]
    assert [len(group["params"]) for group in optimizer.param_groups] == [3, 1, 3, 1]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0, 0.3, 0, 0.3]


def test_decay_is_decoupled_in_adamw_and_part_of_the_gradient_in_adam():
    # Without a gradient, AdamW shrinks a weight by lr · decay; Adam makes a whole step of lr.
    found = {}
    for name in ("adamw", "adam"):
        layer = nn.Linear(1, 1, bias=False)
        nn.init.ones_(layer.weight)
        layer.weight.grad = torch.zeros_like(layer.weight)
        optimizer_for(layer, OptimizerSettings(name=name, lr=0.1, weight_decay=0.5)).step()
        found[name] = layer.weight.item()
    assert found == pytest.approx({"adamw": 0.95, "adam": 0.9}, abs=1e-6)


@pytest.mark.parametrize(
    ("group", "wrong", "message"),
    [
        (OptimizerSettings, {"lr": -1.0}, "lr: expected at least 0, found -1"),
        (OptimizerSettings, {"clip": -0.1}, "clip: expected at least 0"),
        (OptimizerSettings, {"name": "sgd"}, "'sgd' is not one of adamw, adam"),
        (FitSettings, {"epochs": 0}, "epochs: expected at least 1, found 0"),
        (FitSettings, {"batch_size": 1}, "batch_size: expected at least 2 images, found 1"),
        (FitSettings, {"accumulate": 0}, "accumulate: expected at least 1, found 0"),
        (FitSettings, {"early_stopping": 0}, "early_stopping: expected at least 1, found 0"),
        (FitSettings, {"ema": 1.0}, "ema: expected a decay from 0 to below 1, found 1"),
        (FitSettings, {"augment": ["blur"]}, "Augmentation 'blur' is not allowed"),
    ],
)
def test_values_out_of_range_are_refused(group, wrong, message):
    with pytest.raises(SettingsError, match=message):
        build(group, wrong)
