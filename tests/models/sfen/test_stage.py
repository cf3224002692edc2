import dataclasses

import pytest

from hmtnet.errors import SettingsError
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.sfen import SFEN
from hmtnet.models.sfen.settings import SFENStageSettings
from hmtnet.models.sfen.stage import SFEN_STAGE
from hmtnet.models.system import Ingredients


@pytest.fixture
def stage_settings(sfen_settings):
    def make(**changes):
        return SFENStageSettings(network=dataclasses.replace(sfen_settings, **changes))

    return make


def test_with_grading_the_score_is_guided_by_it_frozen(stage_settings, make_grading, grades):
    grading = make_grading()
    given = Ingredients(grades, {"grading": grading})
    network = SFEN_STAGE.network(stage_settings(), given)
    assert isinstance(network, HMTNet) and network.grading is grading and network.grading_frozen
    # The embedding is as wide as the grading network makes it.
    assert network.sfen.embedding == 12


@pytest.mark.parametrize("prior", ["mixture", "film", "concat"])
def test_a_prior_without_grading_says_what_to_do(stage_settings, grades, prior):
    with pytest.raises(SettingsError) as error:
        SFEN_STAGE.network(stage_settings(prior=prior), Ingredients(grades))
    text = str(error.value)
    for part in (
        f"'sfen' with prior={prior} needs a grading network",
        "stages=[grading,sfen]",
        "upstream.grading=<run directory>",
        "system.sfen.network.prior=none",
    ):
        assert part in text


def test_without_a_prior_the_network_stands_alone(stage_settings, make_grading, grades):
    for upstream in ({}, {"grading": make_grading()}):
        network = SFEN_STAGE.network(stage_settings(prior="none"), Ingredients(grades, upstream))
        assert isinstance(network, SFEN)
        assert network.own_state().keys() == network.state_dict().keys()


def test_the_task_trains_that_network(stage_settings, make_grading, grades):
    given = Ingredients(grades, {"grading": make_grading()})
    settings = stage_settings()
    network = SFEN_STAGE.network(settings, given)
    task = SFEN_STAGE.task(network, settings, given)
    assert task.network is network and task.fit_settings is settings
