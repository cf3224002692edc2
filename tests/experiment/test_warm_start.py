"""``start``: weights of a finished stage, and grades of one's own."""

import json
import shutil

import pytest
import torch
from PIL import Image

from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment.warm_start import WarmStart
from hmtnet.models.hmtnet.stage import make_joint, make_sfen
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import is_loaded, optimizer_for
from hmtnet.models.system import find_system
from hmtnet.scoring.restore import restore


def changed(tiny_root, root, change):
    """Copy the tiny set with every image changed, and every reference called otherwise."""
    shutil.copytree(tiny_root, root)
    for path in root.rglob("*.png"):
        change(Image.open(path)).save(path)
    return root


@pytest.fixture(scope="module")
def elsewhere(tiny_root, tmp_path_factory):
    """A set of other scenes: a turned image is not recognised."""
    root = tmp_path_factory.mktemp("elsewhere") / "qads"
    return changed(tiny_root, root, lambda image: image.transpose(Image.Transpose.ROTATE_90))


@pytest.fixture
def begin(hmtnet, tiny, tmp_path):
    def train(*words, root):
        words = tiny(tmp_path / "own", "data.name=other", "format=json", *words, root=root)
        return hmtnet(*words)

    return train


@pytest.fixture(scope="module")
def joint(finished):
    return WarmStart("joint", restore(finished.stages["joint"]))


def settings_of(finished, stage):
    """The settings that a stage was trained with."""
    return restore(finished.stages[stage]).settings


def same(part, tensors, prefix):
    found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
    state = part.state_dict()
    return state.keys() == found.keys() and all(torch.equal(state[k], found[k]) for k in found)


def test_each_stage_takes_the_parts_it_has_and_leaves_what_is_upstream(finished, joint):
    tensors, grades = joint.restored.network.state_dict(), joint.restored.grades
    inputs = StageInputs(grades)
    grading = find_system("hmtnet").stages[0].network(settings_of(finished, "grading"), inputs)
    assert joint.fill(grading, settings_of(finished, "grading"))
    assert same(grading, tensors, "grading.") and is_loaded(grading)

    fresh = find_system("hmtnet").stages[0].network(settings_of(finished, "grading"), inputs)
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    upstream = StageInputs(grades, {"grading": fresh})
    sfen = make_sfen(settings_of(finished, "sfen"), upstream)
    assert joint.fill(sfen, settings_of(finished, "sfen"))
    assert same(sfen.sfen, tensors, "sfen.") and same(sfen.grading, before, "")

    both = StageInputs(grades, {"grading": fresh, "sfen": sfen})
    chained = make_joint(settings_of(finished, "joint"), both)
    assert not joint.fill(chained, settings_of(finished, "joint"))
    alone = make_joint(settings_of(finished, "joint"), inputs)
    assert joint.fill(alone, settings_of(finished, "joint"))
    assert same(alone, tensors, "") and is_loaded(alone)
    # The grading network learns as slowly as one that comes from upstream.
    optimizer = settings_of(finished, "joint").optimizer
    rates = {group["lr"] for group in optimizer_for(alone, optimizer).param_groups}
    rate = optimizer.loaded_lr
    assert sorted(rates) == pytest.approx([0.1 * rate, rate])


def test_a_chain_starts_from_it_and_cuts_its_own_grades(begin, finished, elsewhere):
    given = finished.stages["joint"]
    done = begin(f"start={given}", "stages=[joint]", root=elsewhere)
    assert done.code == 0, done.err
    meta = store.read_meta(json.loads(done.out)["runs"]["joint"])
    before = store.read_meta(given)
    assert meta["start"] == {
        **{name: before[name] for name in ("system", "stage", "key")},
        "dataset": "qads",
        "weights": WarmStart("", restore(given)).digest,
    }
    assert meta["upstream"] == {} and meta["oracle"] is False
    # A stage that starts from this one is told of both sets.
    known = [part["fingerprint"] for part in (meta["seen"], *meta["seen"]["upstream"])]
    assert known == [meta["dataset"]["fingerprint"], before["dataset"]["fingerprint"]]


def test_grades_are_those_of_the_training_images_here(begin, finished, elsewhere, tmp_path):
    lines = (elsewhere / "mos_with_names.txt").read_text().splitlines()
    root = shutil.copytree(elsewhere, tmp_path / "lower")
    halved = [f"{float(line.split()[0]) / 2} {line.split()[1]}\n" for line in lines]
    (root / "mos_with_names.txt").write_text("".join(halved))
    done = begin(f"start={finished.stages['grading']}", "stages=[grading]", root=root)
    assert done.code == 0, done.err
    meta = store.read_meta(json.loads(done.out)["runs"]["grading"])
    ours, theirs = meta["grades"]["edges"], store.read_meta(finished.stages["grading"])["grades"]
    assert max(ours) < min(theirs["edges"])


def test_the_key_knows_the_weights_and_not_where_they_lie(finished, tmp_path):
    given = finished.stages["joint"]
    copy = shutil.copytree(given, tmp_path / "copy")
    digest = WarmStart("a", restore(given)).digest
    assert WarmStart("b", restore(copy)).digest == digest
    artifact = store.load(copy)
    store.save(copy, {k: v + 1 for k, v in artifact.tensors.items()}, artifact.meta)
    assert WarmStart("b", restore(copy)).digest != digest


def refusal(done):
    assert (done.code, done.out) == (BAD_INPUT, ""), done.err
    return done.err


def test_a_start_that_has_seen_what_is_judged_here_is_refused(
    begin, finished, tiny_root, tmp_path, hmtnet
):
    start = f"start={finished.stages['joint']}"
    message = refusal(begin(start, "split.seed=1", root=tiny_root))
    assert "The stage to start from (start) trained on what this run uses as" in message
    # Other files, other names, the same scenes.
    brighter = changed(tiny_root, tmp_path / "qads", lambda i: i.point(lambda v: v * 0.9 + 12))
    message = refusal(begin(start, root=brighter))
    assert "(start) has seen near duplicates of what this run uses as validation or te" in message
    assert not (tmp_path / "own").exists()
    words = [f"data.root={brighter}", "data=qads", "data.name=other", "split=whole"]
    told = [f"artifact={finished.stages['joint']}", f"runs={tmp_path / 'own'}", "trainer=cpu"]
    done = hmtnet("evaluate", *words, *told)
    assert done.code == BAD_INPUT and "has seen" in done.err and "of 24 test images" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["system.sfen.network.features=64"], "features is 128 there, 64 here. Give its settings"),
        (["system.grades.count=4"], "with 3 grades, and system.grades.count is 4"),
        (["stages=[grading]"], "holds stage 'sfen', which has nothing for grading"),
    ],
)
def test_what_does_not_fit_is_said(begin, finished, elsewhere, words, message):
    stage = "sfen" if "stages" in words[0] else "joint"
    done = begin(f"start={finished.stages[stage]}", *words, root=elsewhere)
    assert message in refusal(done)


def test_a_shipped_model_goes_by_its_name(begin, finished, elsewhere, tmp_path, monkeypatch):
    import hmtnet
    from hmtnet.artifact import shipped

    monkeypatch.setattr(shipped, "MODELS", tmp_path / "models")
    model = shutil.copytree(finished.stages["joint"], tmp_path / "models" / "hmtnet-lite")
    assert shipped.find_model("hmtnet-lite") == model and shipped.list_models() == ["hmtnet-lite"]
    assert hmtnet.load("hmtnet-lite", "cpu").restored.stage == "joint"
    done = begin("start=hmtnet-lit", root=elsewhere)
    assert "no model of that name comes with hmtnet" in refusal(done)
    assert "Did you mean 'hmtnet-lite'?" in done.err
