import dataclasses

import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.settings import SFENStageSettings
from hmtnet.models.hmtnet.sfen import SFEN
from hmtnet.models.hmtnet.stage import SFEN_STAGE
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import OptimizerSettings, optimizer_for


@pytest.fixture
def stage_settings(sfen_settings):
    def make(extractor="weights", **changes):
        network = dataclasses.replace(sfen_settings, **changes)
        return SFENStageSettings(network=network, extractor=extractor)

    return make


def test_with_grading_the_score_is_guided_by_it_frozen(stage_settings, make_grading, grades):
    grading = make_grading()
    given = StageInputs(grades, {"grading": grading})
    network = SFEN_STAGE.network(stage_settings(), given)
    assert isinstance(network, HMTNet) and network.grading is grading and network.grading_frozen
    # The embedding is as wide as the grading network makes it.
    assert network.sfen.embedding == 12


@pytest.mark.parametrize("prior", ["mixture", "film", "concat"])
def test_a_prior_without_grading_says_what_to_do(stage_settings, grades, prior):
    with pytest.raises(SettingsError) as error:
        SFEN_STAGE.network(stage_settings(prior=prior), StageInputs(grades))
    text = str(error.value)
    for part in (
        f"'sfen' with prior={prior} and extractor=weights needs a grading network",
        "stages=[grading,sfen]",
        "upstream.grading=<run directory>",
        "system.sfen.network.prior=none system.sfen.extractor=weights",
    ):
        assert part in text


def test_without_a_prior_the_network_stands_alone(stage_settings, make_grading, grades):
    for upstream in ({}, {"grading": make_grading()}):
        network = SFEN_STAGE.network(stage_settings(prior="none"), StageInputs(grades, upstream))
        assert isinstance(network, SFEN)
        assert network.own_state().keys() == network.state_dict().keys()


@pytest.mark.parametrize("sharing", ["shared", "separate"])
@pytest.mark.parametrize("prior", ["mixture", "none"])
def test_the_extractor_starts_from_the_grading_network_s_encoder(
    stage_settings, make_grading, grades, sharing, prior
):
    grading = make_grading()
    given = StageInputs(grades, {"grading": grading})
    settings = stage_settings("grading", sharing=sharing, prior=prior)
    network = SFEN_STAGE.network(settings, given)
    sfen = network if prior == "none" else network.sfen
    for extractor in sfen.extractors:
        assert extractor is not grading.encoder  # which stays as it is
        for name, tensor in grading.encoder.state_dict().items():
            torch.testing.assert_close(extractor.state_dict()[name], tensor, rtol=0, atol=0)
    # From here it learns at the rate of what was loaded, and its adapters with it.
    rates = OptimizerSettings(lr=1e-2, loaded_lr=1e-4)
    slow = {
        id(parameter)
        for group in optimizer_for(network, rates).param_groups
        if group["lr"] == 1e-4
        for parameter in group["params"]
    }
    carried = [*sfen.extractors.parameters(), *sfen.adapters.parameters()]
    assert slow == {id(parameter) for parameter in carried}


def test_an_extractor_without_a_grading_network_says_what_to_do(stage_settings, grades):
    with pytest.raises(SettingsError, match="prior=none and extractor=grading needs a grading"):
        SFEN_STAGE.network(stage_settings("grading", prior="none"), StageInputs(grades))


def test_an_encoder_of_another_kind_is_refused(stage_settings, make_grading, grades):
    given = StageInputs(grades, {"grading": make_grading()})
    other = stage_settings("grading", backbone=BackboneSettings(widths=(8, 8, 24)))
    with pytest.raises(
        SettingsError, match=r"(?s)to be the SFEN's.*widths=.*system.sfen.extractor"
    ):
        SFEN_STAGE.network(other, given)


def test_the_task_trains_that_network(stage_settings, make_grading, grades):
    given = StageInputs(grades, {"grading": make_grading()})
    settings = stage_settings()
    network = SFEN_STAGE.network(settings, given)
    task = SFEN_STAGE.make_task(network, settings, given)
    assert task.network is network and task.fit_settings is settings
