import dataclasses
import subprocess
import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file

from hmtnet.data.grades import Grades
from hmtnet.errors import SettingsError, WeightsError
from hmtnet.models import system as systems
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.grading import GradingSettings
from hmtnet.models.hmtnet.settings import GradingStageSettings, HMTNetSettings, JointStageSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.system import (
    SYSTEMS,
    System,
    build_settings,
    find_system,
    identified,
    unweighted,
)
from hmtnet.models.task import QualityTask
from hmtnet.storage.key import digest_of


@pytest.fixture
def system():
    return find_system("hmtnet")


def test_hmtnet_is_three_stages_in_order(system):
    assert [stage.name for stage in system.stages] == ["grading", "sfen", "joint"]
    assert [stage.after for stage in system.stages] == [(), ("grading",), ("grading", "sfen")]
    assert [stage.borrows for stage in system.stages] == [(), ("grading",), ()]


def test_every_stage_starts_only_from_earlier_ones(system):
    earlier = set()
    for stage in system.stages:
        assert {*stage.after, *stage.borrows} <= earlier and set(stage.borrows) <= {*stage.after}
        earlier.add(stage.name)


def test_an_unknown_system_names_the_nearest():
    with pytest.raises(SettingsError, match=r"Unknown system 'hmtnt'. Did you mean 'hmtnet'\?"):
        find_system("hmtnt")


def test_an_unknown_stage_names_the_nearest(system):
    assert system.stage("sfen").name == "sfen"
    with pytest.raises(SettingsError, match=r"'hmtnet' has no stage 'grade'.*'grading'"):
        system.stage("grade")


@pytest.fixture
def plugin(monkeypatch):
    """Register systems of another package; returns a function that does."""

    def register(name, value):
        module = ModuleType("their_package")
        module.SYSTEM = value
        monkeypatch.setitem(sys.modules, "their_package", module)
        point = EntryPoint(name, "their_package:SYSTEM", "hmtnet.systems")
        monkeypatch.setattr(
            systems, "entry_points", lambda group: [point] * (group == "hmtnet.systems")
        )

    return register


def test_another_package_adds_a_system_by_an_entry_point(plugin):
    theirs = System("theirs", ())
    plugin("theirs", theirs)
    assert find_system("theirs") is theirs
    with pytest.raises(SettingsError, match="Did you mean 'theirs'"):
        find_system("their")


def test_another_package_cannot_replace_a_system_of_ours(plugin, system):
    plugin("hmtnet", System("false", ()))
    assert find_system("hmtnet") is system


def test_an_entry_point_that_is_no_system_is_refused(plugin):
    plugin("theirs", "a text")
    with pytest.raises(SettingsError, match="'their_package:SYSTEM' is not a System"):
        find_system("theirs")


def test_settings_are_built_for_every_stage(system):
    values = {
        "name": "hmtnet",
        "grades": {"count": 3},
        "sfen": {"network": {"perspectives": ["gradient"]}, "epochs": 4},
    }
    settings = build_settings(system, values)
    assert settings.name == "hmtnet" and settings.grades.count == 3
    assert list(settings.stages) == ["grading", "sfen", "joint"]
    assert settings.stages["sfen"].network.perspectives == ("gradient",)
    assert settings.stages["sfen"].epochs == 4
    assert isinstance(settings.stages["joint"], JointStageSettings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gradnig": {}}, r"Unknown setting 'system\.gradnig'. Did you mean 'grading'\?"),
        ({"sfen": {"netwrk": {}}}, r"'system\.sfen\.netwrk'. Did you mean 'network'\?"),
        (
            {"grading": {"network": {"encoder": {"wieghts": "hub"}}}},
            r"'system\.grading\.network\.encoder\.wieghts'. Did you mean 'weights'\?",
        ),
        ({"grades": {"rule": "kmean"}}, r"'system\.grades\.rule': 'kmean' is not one of"),
        ({"sfen": {"network": {"perspectives": []}}}, "expected distinct ones, found"),
        ({"sfen": {"network": {"prior_dropout": 1.5}}}, "prior_dropout: expected 0 to 1"),
        ({"sfen": {"network": {"levels": 0}}}, "levels: expected 'all' or at least 1, found 0"),
        ({"grading": {"loss": {"temperature": 0}}}, "temperature: expected above 0, found 0"),
        ({"grading": {"loss": {"sigma": 0}}}, "sigma: expected above 0 grades, found 0"),
        ({"grading": {"loss": {"contrast": -1}}}, "contrast: expected at least 0, found -1"),
        (
            {"grading": {"loss": {"contrast_sigma": 0}}},
            "contrast_sigma: expected above 0, or null, found 0",
        ),
        ({"sfen": {"network": {"sigma": 0}}}, "sigma: expected above 0 pixels, found 0"),
        ({"sfen": {"network": {"features": 0}}}, "features: expected at least 1, found 0"),
        ({"sfen": {"network": {"margin": -1}}}, "margin: expected at least 0, found -1"),
        ({"sfen": {"loss": {"relation_weight": -1}}}, "relation_weight: expected at least 0"),
        ({"joint": {"loss": {"alpha": -1}}}, "alpha: expected at least 0, found -1"),
    ],
)
def test_settings_that_do_not_exist_or_make_no_sense_are_refused(system, values, message):
    with pytest.raises(SettingsError, match=message):
        build_settings(system, values)


LOADED = BackboneSettings(name="resnet50", weights="hub")


def joint_of(backbone):
    return JointStageSettings(
        network=HMTNetSettings(
            grading=GradingSettings(encoder=backbone), sfen=SFENSettings(backbone=backbone)
        )
    )


def test_unweighted_reaches_every_backbone_and_nothing_else():
    settings = joint_of(LOADED)
    bare = unweighted(settings)
    assert bare.network.grading.encoder == LOADED.unweighted() == bare.network.sfen.backbone
    assert settings.network.grading.encoder.weights == "hub"
    assert unweighted(bare) == bare
    for name in ("optimizer", "schedule", "loss", "crops", "augment"):
        assert getattr(bare, name) == getattr(settings, name)


def test_settings_without_weights_only_spell_out_what_auto_means():
    settings = GradingStageSettings()
    bare = unweighted(settings)
    encoder = dataclasses.replace(settings.network.encoder, norm="train", view="mscn")
    assert bare.network.encoder == encoder


def test_identity_follows_content_not_path(tmp_path):
    def written(name, value):
        save_file({"a": torch.full((2,), value)}, tmp_path / name)
        return joint_of(BackboneSettings(name="resnet50", weights=str(tmp_path / name)))

    first, copy, other = written("1.pth", 1.0), written("2.pth", 1.0), written("3.pth", 2.0)
    assert first != copy and identified(first) == identified(copy) != identified(other)
    assert str(tmp_path) not in repr(identified(first))
    keys = {digest_of(identified(settings)) for settings in (first, copy, other)}
    assert len(keys) == 2


def test_identity_of_hub_weights_is_their_name_and_of_none_nothing():
    assert identified(joint_of(LOADED)).network.sfen.backbone.weights == "hub:resnet50"
    bare = joint_of(BackboneSettings())
    assert identified(bare).network.sfen.backbone.weights == "none"


@pytest.mark.parametrize(
    ("weights", "norm", "view"), [("none", "train", "mscn"), ("hub", "frozen", "pixels")]
)
def test_what_auto_means_and_the_same_by_name_are_identical(weights, norm, view):
    auto = BackboneSettings(name="resnet50", weights=weights)
    named = dataclasses.replace(auto, norm=norm, view=view)
    assert auto != named and identified(auto) == identified(named)
    other = dataclasses.replace(auto, norm="frozen" if norm == "train" else "train")
    assert identified(other) != identified(auto)


def test_identity_of_weights_that_are_not_there_is_an_error():
    with pytest.raises(WeightsError, match="no file 'nowhere'"):
        identified(joint_of(BackboneSettings(name="resnet50", weights="nowhere")))


def test_scoring_and_a_finished_chain_need_no_lightning_whatever_the_system():
    code = (
        "import sys, hmtnet.scoring.scorer, hmtnet.cli.chain; "
        "from hmtnet.models.system import own_systems; "
        "assert len(own_systems()) > 7; print('lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_stage_names_a_task_that_is_there(system):
    for stage in find_system(system).stages:
        assert issubclass(stage.task_class(), QualityTask)
        assert stage.modules[1] == stage.task_class().__module__


@pytest.mark.parametrize("task", ["hmtnet.models.task:Task", "no_such_module:Task", "Task", ""])
def test_a_task_that_cannot_be_imported_is_told(task):
    stage = dataclasses.replace(find_system("plain").stages[0], task=task)
    with pytest.raises(SettingsError, match=r"Stage 'plain': expected its task as 'module:Class'"):
        stage.task_class()


def test_checks_of_every_stage_cannot_be_skipped():
    with pytest.raises(TypeError, match=r"Own: define check\(\) instead of __post_init__"):

        class Own(FitSettings):
            def __post_init__(self):
                pass

    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Checked(FitSettings):
        weight: float = 1.0

        def check(self):
            if self.weight < 0:
                raise ValueError("weight: expected at least 0")

    for wrong in ({"weight": -1.0}, {"epochs": 0}):
        with pytest.raises(ValueError, match="expected at least"):
            Checked(**wrong)


def test_what_is_derived_from_labels_comes_from_the_artifact_where_there_is_one(make_labels):
    labels, kept = make_labels(["a", "b"]), torch.tensor([7.0])
    grades = Grades((0.5,))

    def derive(found):
        return found.column("mos")

    training = StageInputs(grades, labels=labels)
    assert training.derived("means", derive).tolist() == [0, 1]
    assert StageInputs(grades, state={"means": kept}).derived("means", derive) is kept
    with pytest.raises(SettingsError, match="in training only"):
        StageInputs(grades, state={"other": kept}).derived("means", derive)
