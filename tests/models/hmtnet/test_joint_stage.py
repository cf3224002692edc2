import dataclasses

import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.settings import HMTNetSettings, JointStageSettings
from hmtnet.models.hmtnet.stage import JOINT
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings, optimizer_for


@pytest.fixture
def settings(grading_settings, sfen_settings):
    return JointStageSettings(network=HMTNetSettings(grading=grading_settings, sfen=sfen_settings))


def rates(network):
    groups = optimizer_for(network, OptimizerSettings(lr=1.0, loaded_lr=0.1)).param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    return {name: rate.get(id(p)) for name, p in network.named_parameters()}


def test_both_parts_go_on_from_where_they_are_and_learn_slowly(
    settings, make_grading, make_hmtnet, grades
):
    second = make_hmtnet(frozen=True)
    given = StageInputs(grades, {"grading": make_grading().eval(), "sfen": second})
    state = {k: v.clone() for k, v in second.sfen.state_dict().items()}
    network = JOINT.network(settings, given)
    assert isinstance(network, HMTNet) and not network.grading_frozen
    assert network.grading is given.upstream["grading"] and network.sfen is second.sfen
    assert all(torch.equal(v, state[k]) for k, v in network.sfen.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())
    for name, rate in rates(network).items():
        # The SFEN at the rate of what was loaded, the finished grading network at a tenth of it.
        assert rate == pytest.approx(0.01 if name.startswith("grading.") else 0.1)
    assert all(module.training for module in network.train().modules())


def test_how_fast_the_grading_network_learns_on_is_a_setting(settings, make_grading, grades):
    settings = dataclasses.replace(settings, grading_rate=0.5)
    network = JOINT.network(settings, StageInputs(grades, {"grading": make_grading()}))
    grading = {r for name, r in rates(network).items() if name.startswith("grading.")}
    assert grading == {0.05}
    with pytest.raises(ValueError, match=r"grading_rate: expected above 0, found 0"):
        dataclasses.replace(settings, grading_rate=0)


def test_from_scratch_everything_starts_afresh(settings, grades):
    network = JOINT.network(settings, StageInputs(grades))
    assert set(rates(network).values()) == {1.0}
    assert network.sfen.embedding == network.grading.settings.embedding == 12


def test_one_upstream_part_is_enough(settings, make_grading, grades):
    network = JOINT.network(settings, StageInputs(grades, {"grading": make_grading()}))
    for name, rate in rates(network).items():
        assert rate == pytest.approx(0.01 if name.startswith("grading.") else 1.0)


def test_a_frozen_upstream_thaws(settings, make_hmtnet, grades):
    second = make_hmtnet(frozen=True)
    given = StageInputs(grades, {"grading": second.grading, "sfen": second})
    network = JOINT.network(settings, given).train()
    assert all(p.requires_grad for p in network.parameters())
    assert network.grading.training


def test_a_bare_upstream_without_a_prior_is_taken_whole(settings, make_sfen, grades, make_crops):
    sfen_settings = dataclasses.replace(settings.network.sfen, prior="none")
    network_settings = dataclasses.replace(settings.network, sfen=sfen_settings)
    settings = dataclasses.replace(settings, network=network_settings)
    sfen = make_sfen(prior="none")
    network = JOINT.network(settings, StageInputs(grades, {"sfen": sfen}))
    assert network.sfen is sfen
    assert network(make_crops((2, 1))).unit_score.shape == (2,)


@pytest.mark.parametrize("stage", ["grading", "sfen"])
def test_an_upstream_of_another_architecture_is_refused(settings, make_hmtnet, grades, stage):
    second = make_hmtnet()
    part = "encoder" if stage == "grading" else "backbone"
    wanted = dataclasses.replace(
        getattr(settings.network, stage), **{part: BackboneSettings(widths=(8, 8, 24))}
    )
    changed = dataclasses.replace(
        settings, network=dataclasses.replace(settings.network, **{stage: wanted})
    )
    given = StageInputs(grades, {"grading": second.grading, "sfen": second})
    with pytest.raises(SettingsError) as error:
        JOINT.network(changed, given)
    text = str(error.value)
    assert f"The '{stage}' artifact has another architecture than system.{stage}.network" in text
    assert "(8, 8, 16)" in text and "(8, 8, 24)" in text


def test_where_weights_came_from_is_no_difference_in_architecture(settings, make_hmtnet, grades):
    second = make_hmtnet()
    # As restored: settings whose backbone loads nothing, norms spelled out.
    bare = dataclasses.replace(
        second.sfen.settings, backbone=second.sfen.settings.backbone.unweighted()
    )
    second.sfen.settings = bare
    given = StageInputs(grades, {"grading": second.grading, "sfen": second})
    assert JOINT.network(settings, given).sfen is second.sfen
