import dataclasses

import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.inputs import StageInputs
from hmtnet.models.mfen import DAN, MFEN, DANSettings
from hmtnet.models.mfen.dan import DANStageSettings
from hmtnet.models.mfen.network import MFENLossSettings, QualityStageSettings
from hmtnet.models.optimisation import OptimizerSettings, optimizer_for
from hmtnet.models.system import find_system

DAN_STAGE, QUALITY_STAGE = find_system("mfen").stages


@pytest.fixture
def given(grades, make_labels):
    def make(upstream=None, types=3):
        # One image per type, one of unknown type, and one that is not trained on.
        methods = [*"abcd"[:types], None, "test"]
        mos = torch.cat([torch.linspace(0.1, 0.9, types), torch.tensor([0.5, 0.5])])
        return StageInputs(grades, upstream or {}, make_labels(methods, mos))

    return make


@pytest.fixture
def settings(mfen_settings):
    def make(loss=None, **changes):
        return QualityStageSettings(
            network=dataclasses.replace(mfen_settings, **changes), loss=loss or MFENLossSettings()
        )

    return make


def test_it_is_two_stages_and_the_first_needs_to_know_the_distortion():
    dan, quality = find_system("mfen").stages
    assert (dan.name, dan.after, dan.borrows, dan.needs) == ("dan", (), (), ("method", "scale"))
    assert (quality.name, quality.after, quality.borrows) == ("quality", ("dan",), ("dan",))
    assert quality.needs == ()


def test_the_first_learns_the_types_of_the_training_images(given, plain):
    settings = DANStageSettings(network=DANSettings(backbone=plain))
    network = DAN_STAGE.network(settings, given())
    assert isinstance(network, DAN) and network.types.out_features == 3
    torch.testing.assert_close(network.type_mos, torch.tensor([0.1, 0.5, 0.9]))
    task = DAN_STAGE.make_task(network, settings, given())
    assert task.network is network and task.types.tolist() == [0, 1, 2, -1, -1]


def test_the_second_is_made_around_the_first(given, settings, make_dan):
    dan = make_dan()
    network = QUALITY_STAGE.network(settings(), given({"dan": dan}, types=4))
    assert isinstance(network, MFEN) and network.dan is dan
    # Its own types, of its own dataset: the DAN's may be of another.
    assert network.types.out_features == 4 and dan.types.out_features == 3
    task = QUALITY_STAGE.make_task(network, settings(), given({"dan": dan}, types=4))
    assert task.network is network and task.types.tolist() == [0, 1, 2, 3, -1, -1]


def test_without_types_there_is_no_head_for_them(given, settings, make_dan):
    upstream = {"dan": make_dan()}
    assert QUALITY_STAGE.network(settings(), given(upstream, types=0)).types is None
    off = settings(loss=MFENLossSettings(types=0.0))
    assert QUALITY_STAGE.network(off, given(upstream, types=4)).types is None


def test_without_distortion_features_a_dan_is_not_looked_at(given, settings, make_dan):
    for upstream in ({}, {"dan": make_dan()}):
        network = QUALITY_STAGE.network(settings(dan=False), given(upstream))
        assert network.dan is None and network.own_state().keys() == network.state_dict().keys()


def test_a_dan_that_is_wanted_and_missing_is_told(given, settings):
    with pytest.raises(SettingsError) as error:
        QUALITY_STAGE.network(settings(), given())
    for part in (
        "Stage 'quality' needs a DAN",
        "stages=[dan,quality]",
        "upstream.dan=<run directory>",
        "system.quality.network.dan=false",
    ):
        assert part in str(error.value)


def test_what_is_loaded_learns_slowly_and_the_dan_not_at_all(given, settings, make_dan):
    network = QUALITY_STAGE.network(settings(), given({"dan": make_dan()}))
    network.qen.loaded = True
    groups = optimizer_for(network, OptimizerSettings(lr=1.0, loaded_lr=0.1)).param_groups
    rate = {id(p): group["lr"] for group in groups for p in group["params"]}
    for name, parameter in network.named_parameters():
        expected = {"qen": 0.1, "dan": None}.get(name.split(".")[0], 1.0)
        assert rate.get(id(parameter)) == expected, name


@pytest.mark.parametrize("types", [0, 3])
def test_both_are_restored_from_their_tensors_alone(given, settings, make_dan, grades, types):
    trained = DAN_STAGE.network(DANStageSettings(), given())
    state = trained.own_state()
    again = DAN_STAGE.network(DANStageSettings(), StageInputs(grades, state=state))
    again.load_state_dict(state)
    torch.testing.assert_close(again.type_mos, torch.tensor([0.1, 0.5, 0.9]))
    upstream = {"dan": make_dan()}
    state = QUALITY_STAGE.network(settings(), given(upstream, types)).own_state()
    again = QUALITY_STAGE.network(settings(), StageInputs(grades, upstream, state=state))
    assert again.own_state().keys() == state.keys()


def test_an_artifact_without_the_scores_of_its_types_is_refused(grades):
    with pytest.raises(SettingsError, match="Expected the labels of training images, found none"):
        DAN_STAGE.network(DANStageSettings(), StageInputs(grades, state={"types.bias": KEYLESS}))


KEYLESS = torch.zeros(3)
