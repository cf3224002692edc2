import dataclasses
import shutil

import pytest
import torch

from hmtnet.artifact import store
from hmtnet.data.crops import CropSettings
from hmtnet.data.grades import Grades
from hmtnet.errors import ArtifactError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.grading import GradingNet, GradingSettings
from hmtnet.models.hmtnet.settings import (
    GradingStageSettings,
    HMTNetSettings,
    JointStageSettings,
    SFENStageSettings,
)
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.inputs import StageInputs
from hmtnet.models.system import find_system, identified
from hmtnet.scoring.restore import restore
from hmtnet.settings import plain

GRADES = Grades((0.15, 0.4, 0.6, 0.85))
BACKBONE = BackboneSettings(widths=(8, 8, 16))
GRADING = GradingStageSettings(network=GradingSettings(encoder=BACKBONE, embedding=12))
SFEN = SFENStageSettings(network=SFENSettings(backbone=BACKBONE, features=16))
JOINT = JointStageSettings(network=HMTNetSettings(grading=GRADING.network, sfen=SFEN.network))
IMAGE = torch.randint(
    0, 256, (3, 60, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)


def describe(stage, key, settings, upstream):
    """Say of a stage what `restore` reads, as the experiment's description has it."""
    return {
        "system": "hmtnet",
        "stage": stage,
        "key": key,
        "settings": plain(identified(settings)),
        "grades": {"edges_unit": list(GRADES.edges), "rule": "kmeans"},
        "upstream": upstream,
    }


def leave(folder, stage, key, settings, upstream=None, seed=0, **networks):
    """Make a stage's network as if trained, leave its artifact, and return the network."""
    torch.manual_seed(seed)
    made = find_system("hmtnet").stage(stage).network(settings, StageInputs(GRADES, networks))
    for name, tensor in made.state_dict().items():
        if name.endswith("running_mean"):
            tensor.normal_()
        elif name.endswith("num_batches_tracked"):
            tensor.fill_(7)
        elif tensor.ndim == 2:  # what starts at zero would hide a mistake
            tensor.normal_(std=0.3)
    meta = describe(stage, key, settings, upstream or {})
    store.save(folder, made.own_state(), meta)
    return made.eval()


@pytest.fixture
def chain(tmp_path):
    """The three stages of a chain, and their networks as they were left."""
    grading = leave(tmp_path / "grading-a1", "grading", "a1", GRADING)
    upstream = {"grading": {"key": "a1", "path": "../grading-a1"}}
    sfen = leave(tmp_path / "sfen-b2", "sfen", "b2", SFEN, upstream, 1, grading=grading)
    # That has changed the grading network, which is part of it: stage 1 leaves what it is now.
    first = tmp_path / "grading-a1"
    store.save(first, grading.own_state(), store.read_meta(first))
    joint = leave(tmp_path / "joint-c3", "joint", "c3", JOINT, upstream, 2)
    return {"grading-a1": grading, "sfen-b2": sfen, "joint-c3": joint}


@pytest.mark.parametrize("name", ["grading-a1", "sfen-b2", "joint-c3"])
def test_a_restored_network_says_the_same_to_the_last_bit(chain, tmp_path, name, assess):
    restored = restore(tmp_path / name)
    expected = chain[name].state_dict()
    found = restored.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[k], v) for k, v in expected.items())
    crops = CropSettings(size=48)
    a, b = assess(restored.network, IMAGE, crops), assess(chain[name], IMAGE, crops)
    assert torch.equal(a.unit_score, b.unit_score) and torch.equal(a.log_grades, b.log_grades)
    assert not any(module.training for module in restored.network.modules())


def test_what_is_restored_beside_the_network(chain, tmp_path):
    restored = restore(tmp_path / "sfen-b2")
    assert (restored.stage, restored.key) == ("sfen", "b2")
    assert restored.grades == GRADES
    assert isinstance(restored.settings, SFENStageSettings)
    assert restored.settings.crops == SFEN.crops
    assert restored.meta["system"] == "hmtnet"
    assert isinstance(restored.network, HMTNet) and restored.network.grading_frozen


def test_a_joint_network_needs_no_other_directory(chain, tmp_path):
    for name in ("grading-a1", "sfen-b2"):
        shutil.rmtree(tmp_path / name)
    network = restore(tmp_path / "joint-c3").network
    assert isinstance(network, HMTNet) and isinstance(network.grading, GradingNet)


def test_an_sfen_without_a_prior_needs_none_either(chain, tmp_path, assess):
    """It only started from the grading network's encoder; its artifact holds what became of it."""
    network = dataclasses.replace(SFEN.network, prior="none")
    settings = dataclasses.replace(SFEN, network=network)
    upstream = {"grading": {"key": "a1", "path": "../grading-a1"}}
    grading = chain["grading-a1"]
    made = leave(tmp_path / "bare", "sfen", "d4", settings, upstream, 3, grading=grading)
    shutil.rmtree(tmp_path / "grading-a1")
    found = assess(restore(tmp_path / "bare").network, IMAGE, CropSettings(size=48))
    assert torch.equal(found.unit_score, assess(made, IMAGE, CropSettings(size=48)).unit_score)


def test_run_directories_may_move_together(chain, tmp_path, assess):
    shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")
    moved = restore(tmp_path.parent / f"{tmp_path.name}-moved" / "sfen-b2")
    score = assess(moved.network, IMAGE, CropSettings(size=48)).unit_score
    assert torch.equal(score, assess(chain["sfen-b2"], IMAGE, CropSettings(size=48)).unit_score)


def test_each_call_gives_a_network_of_its_own(chain, tmp_path):
    first, second = (restore(tmp_path / "grading-a1").network for _ in range(2))
    with torch.no_grad():
        first.evidence.bias.add_(1)
    assert not torch.equal(first.evidence.bias, second.evidence.bias)


def test_weights_of_a_file_are_not_asked_for_again(tmp_path, assess):
    import timm

    file = tmp_path / "weights.pth"
    torch.save(timm.create_model("test_efficientnet").state_dict(), file)
    encoder = BackboneSettings(name="test_efficientnet", weights=str(file))
    settings = dataclasses.replace(GRADING, network=GradingSettings(encoder=encoder))
    made = leave(tmp_path / "run", "grading", "k", settings)
    file.unlink()
    restored = restore(tmp_path / "run")
    backbone = restored.settings.network.encoder
    # The norms stay what they were: frozen, because weights were loaded; and so does the view.
    assert backbone.weights == "none" and backbone.frozen_norms and not backbone.sees_mscn
    found = assess(restored.network, IMAGE, CropSettings(size=48)).unit_score
    assert torch.equal(found, assess(made, IMAGE, CropSettings(size=48)).unit_score)


def test_a_missing_upstream_directory_is_named(chain, tmp_path):
    shutil.rmtree(tmp_path / "grading-a1")
    with pytest.raises(ArtifactError, match=r"'sfen' in .* needs the 'grading' stage.*grading-a1"):
        restore(tmp_path / "sfen-b2")


def test_an_upstream_directory_of_another_key_is_refused(chain, tmp_path):
    leave(tmp_path / "grading-a1", "grading", "z9", GRADING, seed=5)
    with pytest.raises(ArtifactError, match=r"with key a1, but .*grading-a1 holds key z9"):
        restore(tmp_path / "sfen-b2")


def test_no_artifact_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="No finished stage"):
        restore(tmp_path)


@pytest.mark.parametrize("part", ["sfen-b2", "grading-a1"])
def test_tampered_weights_are_noticed_here_and_upstream(chain, tmp_path, part):
    path = tmp_path / part / store.WEIGHTS_FILE
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=f"{part}.*was changed after it was written"):
        restore(tmp_path / "sfen-b2")


def unknown_key(document):
    document["settings"]["network"]["embeding"] = 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("grades"), "no usable 'grades.edges_unit' (found None)"),
        (lambda d: d.pop("stage"), "no usable 'stage' (found None)"),
        (lambda d: d.update(system=[]), "no usable 'system' (found [])"),
        (lambda d: d.update(settings="x"), "no usable 'settings' (found 'x')"),
        (lambda d: d.update(grades=[0.5]), "no usable 'grades.edges_unit' (found None)"),
        (lambda d: d["grades"].update(edges_unit="ab"), "(found 'ab')"),
        (lambda d: d["grades"].update(edges_unit=[None]), "must ascend"),
        (lambda d: d["grades"].update(edges_unit=[[0.5]]), "must ascend"),
        (lambda d: d["settings"].update(epochs=-1), "epochs"),
        (lambda d: d["settings"]["network"].update(embedding=-3), "negative dimension"),
        (lambda d: d["settings"]["optimizer"].update(lr=10**400), "a number of 401 digits"),
        (lambda d: d.update(system="theirs"), "Unknown system 'theirs'"),
        (lambda d: d.update(stage="gradin"), "no stage 'gradin'"),
        (lambda d: d["grades"].update(edges_unit=[0.5, 0.4]), "edges must ascend"),
        (unknown_key, "Unknown setting 'network.embeding'. Did you mean 'embedding'"),
    ],
)
def test_a_description_that_cannot_be_built_is_an_artifacts_fault(
    chain, tmp_path, rewrite, change, message
):
    rewrite(tmp_path / "grading-a1", change)
    with pytest.raises(ArtifactError, match=r"[Tt]rain the stage again") as error:
        restore(tmp_path / "grading-a1")
    assert message in str(error.value) and "grading-a1/stage.json" in str(error.value)


def test_a_prior_whose_grading_is_not_recorded_is_an_artifacts_fault(chain, tmp_path, rewrite):
    rewrite(tmp_path / "sfen-b2", lambda d: d.update(upstream={}))
    with pytest.raises(ArtifactError, match="needs a grading network"):
        restore(tmp_path / "sfen-b2")


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        (None, "no usable 'upstream' (found None)"),
        ({"grading": 3}, "no usable 'upstream.grading.path' (found None)"),
        ({"grading": {"path": "../grading-a1", "key": 1}}, "no usable 'upstream.grading.key'"),
        ({"grading": {"path": "", "key": "b2"}}, "RecursionError"),
    ],
)
def test_odd_upstream_stages_are_an_artifacts_fault(chain, tmp_path, upstream, message, rewrite):
    rewrite(tmp_path / "sfen-b2", lambda d: d.update(upstream=upstream))
    with pytest.raises(ArtifactError) as error:
        restore(tmp_path / "sfen-b2")
    assert message in str(error.value)


def test_weights_of_another_architecture_are_refused(chain, tmp_path, rewrite):
    rewrite(tmp_path / "grading-a1", lambda d: d["settings"]["network"].update(embedding=13))
    with pytest.raises(ArtifactError, match=r"of another shape: .*project\.2\.weight"):
        restore(tmp_path / "grading-a1")


def test_scoring_does_not_import_lightning():
    import subprocess
    import sys

    code = (
        "import sys, hmtnet.scoring.restore; "
        "from hmtnet.models.system import find_system; find_system('hmtnet'); "
        "print('lightning' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
