"""Typed settings of a training command, from plain Python as well as from conf/."""

import pytest

from hmtnet.errors import SettingsError
from hmtnet.experiment.run_settings import Caps
from hmtnet.experiment.settings import composed, train_settings

LEAST = {"data": {"reader": "qads"}, "split": {}, "system": {"name": "hmtnet"}}


def test_plain_python_may_leave_out_what_has_a_default():
    settings, system = train_settings(LEAST)
    assert (settings.seed, settings.stages, settings.size) == (0, (), None)
    assert [stage.name for stage in system.stages] == list(settings.system.stages)


def test_conf_may_not():
    with pytest.raises(SettingsError, match="Only a part of 'the configuration' was given; seed"):
        train_settings(LEAST, complete=True)


def test_settings_become_the_tree_they_were_made_of():
    changed = {**LEAST, "system": {"name": "hmtnet", "sfen": {"epochs": 3}}, "seed": 4}
    settings, _ = train_settings(changed)
    tree = composed(settings)
    assert (tree["system"]["sfen"]["epochs"], tree["seed"]) == (3, 4)
    assert train_settings(tree, complete=True)[0] == settings


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"system": None}, "Setting 'system': expected a group with a name"),
        ({"system": {}}, "Setting 'system': expected a group with a name"),
        ({"system": {"name": "hmtnt"}}, "Unknown system 'hmtnt'. Did you mean 'hmtnet'?"),
        ({"data": {}}, "Setting 'data.reader' is required"),
        ({"size": {"name": "tiny"}}, "Setting 'size.epochs' is required"),
        (
            {"stages": ["joint"], "upstream": {"joint": "x"}},
            "Stage 'joint' is to be trained .* and to be taken",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(SettingsError, match=message):
        train_settings({**LEAST, **changes})


def test_a_cap_counts_where_something_is_left_out():
    assert Caps().reached(8, 10) is None and Caps(epochs=999, batches=10).reached(8, 10) is None
    assert Caps(epochs=1, batches=99).reached(8, 10) == Caps(epochs=1)
