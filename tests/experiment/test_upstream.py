"""Finished stages from elsewhere: which are accepted, and why others are not."""

import json
import shutil

import pytest

from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT


@pytest.fixture
def start(hmtnet, tiny, tmp_path):
    """Train from given stages in a folder of runs of its own."""

    def train(*words):
        return hmtnet(*tiny(tmp_path / "own", "format=json", *words))

    return train


def key_of(path):
    return store.read_meta(path)["key"]


@pytest.fixture
def rewritten(rewrite):
    """Change what a stage says of itself; None takes it away."""

    def changed(path, **changes):
        def change(document):
            document.update(changes)
            for name in [key for key in changes if changes[key] is None]:
                del document[name]

        return rewrite(path, change)

    return changed


def test_a_stage_of_the_same_split_is_accepted_and_not_trained_again(start, finished):
    given = finished.stages["grading"]
    done = start(f"upstream.grading={given}")
    assert done.code == 0, done.err
    runs = json.loads(done.out)["runs"]
    assert list(runs) == ["sfen", "joint"] and "grading: training" not in done.err
    assert store.read_meta(runs["sfen"])["upstream"]["grading"]["key"] == key_of(given)
    # From elsewhere or from the same chain: the same key, so the same result.
    assert key_of(runs["sfen"]) == key_of(finished.stages["sfen"])
    named = start(f"upstream.grading={given}", "stages=[sfen]")
    assert json.loads(named.out)["runs"] == {"sfen": runs["sfen"]}


def test_a_given_stage_brings_those_it_was_trained_on(start, finished):
    done = start(f"upstream.sfen={finished.stages['sfen']}")
    assert done.code == 0, done.err
    assert list(json.loads(done.out)["runs"]) == ["joint"]
    meta = store.read_meta(json.loads(done.out)["runs"]["joint"])
    for name in ("grading", "sfen"):
        assert meta["upstream"][name]["key"] == key_of(finished.stages[name])


@pytest.mark.parametrize("upstream", [["grading"], {"grading": "../grading"}, {"grading": {}}])
def test_a_given_stage_that_does_not_say_what_it_was_trained_on_is_refused(
    start, finished, runs, rewritten, upstream
):
    sfen = runs / finished.stages["sfen"].relative_to(finished.runs)
    rewritten(sfen, upstream=upstream)
    assert "has no usable 'upstream" in refusal(start(f"upstream.sfen={sfen}"))


def refusal(done):
    assert (done.code, done.out) == (BAD_INPUT, ""), done.err
    return done.err


def test_a_stage_that_has_seen_the_test_images_is_refused(start, finished, tmp_path):
    message = refusal(start(f"upstream.grading={finished.stages['grading']}", "split.seed=1"))
    assert "Upstream stage 'grading' trained on what this run uses as" in message
    assert "content (references): 1 (img" in message and "Train that stage on this split" in message
    assert not (tmp_path / "own").exists()


def test_a_stage_passes_on_what_the_ones_before_it_have_seen(start, finished, runs, rewritten):
    # A fine split of its own, but stage 1 had seen other images.
    other = store.read_meta(finished.stages["grading"])["seen"]
    sfen = runs / finished.stages["sfen"].relative_to(finished.runs)
    seen = store.read_meta(sfen)["seen"]
    nothing = {"images": [], "groups": []}
    clean = {**seen, "split": "elsewhere", "train": nothing, "val": nothing, "upstream": [other]}
    rewritten(sfen, seen=clean, upstream={})
    message = refusal(start(f"upstream.sfen={sfen}", "stages=[joint]", "split.seed=1"))
    assert "Upstream stage 'sfen' trained on what this run uses as" in message
    clean["upstream"] = []
    rewritten(sfen, seen=clean)
    # That alone was wrong with it: now it fails only for want of the stage taken away above.
    message = refusal(start(f"upstream.sfen={sfen}", "stages=[joint]", "split.seed=1"))
    assert "Upstream stage" not in message


def test_a_stage_that_is_brought_along_is_checked_too(start, finished, runs, rewritten):
    sfen = runs / finished.stages["sfen"].relative_to(finished.runs)
    nothing = {"images": [], "groups": []}
    seen = store.read_meta(sfen)["seen"]
    rewritten(sfen, seen={**seen, "split": "elsewhere", "train": nothing, "val": nothing})
    message = refusal(start(f"upstream.sfen={sfen}", "split.seed=1"))
    assert "Upstream stage 'grading' trained on" in message


def test_another_stage_is_refused(start, finished):
    message = refusal(start(f"upstream.grading={finished.stages['sfen']}"))
    assert "upstream.grading: " in message and "holds stage 'sfen'" in message


def test_no_stage_at_all_is_refused(start, tmp_path):
    message = refusal(start(f"upstream.grading={tmp_path / 'nowhere'}"))
    assert "No finished stage in" in message and "stage.json is missing" in message


def test_a_stage_to_be_trained_and_given_is_refused(start, finished):
    words = [f"upstream.grading={finished.stages['grading']}", "stages=[grading,sfen]"]
    assert "Stage 'grading' is to be trained (stages) and to be taken" in refusal(start(*words))


def test_other_grades_are_refused(start, finished):
    words = [f"upstream.grading={finished.stages['grading']}", "system.grades.count=4"]
    message = refusal(start(*words))
    assert "Stage 'grading' was trained with 3 grades, and system.grades.count is 4" in message


def test_grades_that_differ_between_given_stages_are_refused(start, finished, runs, rewritten):
    grading = runs / finished.stages["grading"].relative_to(finished.runs)
    other = shutil.copytree(grading, runs / "other")
    grades = store.read_meta(other)["grades"]
    rewritten(other, grades={**grades, "edges_unit": [0.3, 0.6]})
    sfen = runs / finished.stages["sfen"].relative_to(finished.runs)
    message = refusal(start(f"upstream.grading={other}", f"upstream.sfen={sfen}"))
    assert "grades of different edges" in message


def test_another_architecture_is_refused(start, finished):
    words = [f"upstream.sfen={finished.stages['sfen']}", "system.sfen.network.features=64"]
    message = refusal(start(*words))
    assert "The 'sfen' artifact has another architecture" in message


@pytest.mark.parametrize("part", ["seen", "key", "upstream"])
def test_a_stage_that_does_not_say_what_it_has_seen_is_refused(
    start, finished, runs, part, rewritten
):
    grading = runs / finished.stages["grading"].relative_to(finished.runs)
    message = refusal(start(f"upstream.grading={rewritten(grading, **{part: None})}"))
    assert f"stage.json lacks {part}" in message and "Train it anew" in message


def test_other_tensors_are_refused(start, finished, runs):
    grading = runs / finished.stages["grading"].relative_to(finished.runs)
    artifact = store.load(grading)
    tensors = dict(artifact.tensors)
    tensors["surplus"] = tensors.pop("evidence.weight")
    store.save(grading, tensors, artifact.meta)
    message = refusal(start(f"upstream.grading={grading}"))
    assert "1 missing: evidence.weight" in message and "1 unexpected: surplus" in message


def test_a_grading_stage_that_was_moved_away_is_missed(start, finished, runs):
    sfen = runs / finished.stages["sfen"].relative_to(finished.runs)
    shutil.rmtree(runs / finished.stages["grading"].relative_to(finished.runs))
    assert "No finished stage in" in refusal(start(f"upstream.sfen={sfen}"))
