"""Priors out of fold: from whom they come, what they cost, and that nothing of them is lost."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
import yaml

from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.out_of_fold import out_of_fold
from hmtnet.experiment.plan import plan_chain
from hmtnet.experiment.settings import train_settings
from hmtnet.models.quality import make_crops
from hmtnet.report.numbers.collect import collect
from hmtnet.scoring.restore import restore

WORDS = (
    "stages=[grading,sfen]",
    "system.sfen.network.prior_source=out_of_fold",
    "system.sfen.prior_folds=2",
)


@pytest.fixture(scope="module")
def trained(hmtnet, tiny, tmp_path_factory):
    """A chain whose stage 2 has learnt from priors out of fold: its outcome, and its runs."""
    runs = tmp_path_factory.mktemp("folds") / "runs"
    outcome = hmtnet(*tiny(runs, *WORDS))
    assert outcome.code == 0, outcome.err
    return outcome, runs


@pytest.fixture
def runs(trained, tmp_path):
    return shutil.copytree(trained[1], tmp_path / "runs")


def one(runs, stage):
    (path,) = runs.glob(f"qads/*/{stage}-*")
    return path


def folds_of(runs):
    return sorted(one(runs, "grading").glob("folds/*"))


@pytest.fixture
def context(trained, tiny_root):
    """The context of that chain, made again from the settings it has written down."""
    values = yaml.safe_load((one(trained[1], "sfen") / "settings.yaml").read_text())
    settings, system = train_settings(values)
    manifest = read(settings.data)
    return RunContext(settings, system, manifest, make(manifest, settings.split))


def test_each_prior_comes_from_a_network_that_lacks_the_content(trained, context):
    sfen = plan_chain(context, {})[1]
    assert sfen.directory.path == one(trained[1], "sfen")
    found = out_of_fold(sfen.folds)["grading"]
    rows = list(context.split.train)
    assert found.shape == (len(context.manifest.records), 3)
    assert found[rows].isfinite().all()
    torch.testing.assert_close(found[rows].exp().sum(1), torch.ones(len(rows)))
    others = [*context.split.val, *context.split.test]
    assert found[others].isnan().all()
    judged = set()
    for fold in sfen.folds:
        path = fold.planned.directory.path
        assert path in folds_of(trained[1])
        seen = store.read_meta(path)["seen"]
        held = fold.context.split.test
        judged |= set(held)
        # What the artifact says that it was trained on, by content and by image.
        assert not set(seen["train"]["groups"]) & {context.manifest.content[row] for row in held}
        assert not set(seen["train"]["images"]) & {context.manifest.digests[row] for row in held}
        assert seen["upstream"] == []
        # And it is this very network that has judged them.
        found_again = restore(path)
        data = fold.context.data(found_again.settings, found_again.network, found_again.grades)
        batch = next(iter(data.tiled("test")))
        with torch.inference_mode():
            own = found_again.network(make_crops(batch, 48, None)).log_grades
        torch.testing.assert_close(found[batch.rows], own)
    assert judged == set(rows)


def test_all_speak_of_the_same_grades(trained):
    paths = [one(trained[1], "grading"), *folds_of(trained[1])]
    edges = {tuple(store.read_meta(path)["grades"]["edges_unit"]) for path in paths}
    assert len(paths) == 3 and len(edges) == 1


def test_the_stage_names_its_folds_and_needs_them_no_more(trained, runs):
    meta = store.read_meta(one(runs, "sfen"))
    keys = [store.read_meta(path)["key"] for path in folds_of(runs)]
    assert meta["folds"] == keys and list(meta["upstream"]) == ["grading"]
    shutil.rmtree(one(runs, "grading") / "folds")
    assert restore(one(runs, "sfen")).network.graded


def test_what_is_finished_is_reused(hmtnet, tiny, runs):
    done = hmtnet(*tiny(runs, *WORDS))
    assert done.code == 0 and ": training" not in done.err
    before = store.read_meta(one(runs, "sfen"))
    shutil.rmtree(one(runs, "sfen"))
    shutil.rmtree(folds_of(runs)[1])
    done = hmtnet(*tiny(runs, *WORDS))
    # The other fold is found again, and the result is the same to the last bit.
    assert done.err.count("grading: training") == 1 and done.err.count("sfen: training") == 1
    after = store.read_meta(one(runs, "sfen"))
    assert (after["key"], after["val_srcc"]) == (before["key"], before["val_srcc"])
    assert len(folds_of(runs)) == 2


def test_the_grading_stage_is_shared_with_a_frozen_prior(hmtnet, tiny, runs):
    done = hmtnet(*tiny(runs, "stages=[grading,sfen]"))
    assert done.code == 0 and "grading: reused" in done.err
    assert len(list(runs.glob("qads/*/sfen-*"))) == 2


def test_a_report_does_not_take_folds_for_runs(trained, runs):
    found = collect([runs])
    assert sorted(run.stage for run in found.runs) == ["grading", "sfen"]
    assert found.problems == ()


def test_a_joint_stage_follows(hmtnet, tiny, runs):
    done = hmtnet(*tiny(runs, *WORDS[1:], "format=json"))
    assert done.code == 0, done.err
    assert "grading: training" not in done.err
    meta = store.read_meta(json.loads(done.out)["runs"]["joint"])
    assert meta["settings"]["network"]["sfen"]["prior_source"] == "out_of_fold"


def test_a_grading_stage_from_elsewhere_cannot_be_trained_in_folds(hmtnet, tiny, runs, tmp_path):
    words = [f"upstream.grading={one(runs, 'grading')}", *WORDS[1:]]
    done = hmtnet(*tiny(tmp_path / "own", *words))
    assert done.code == BAD_INPUT
    assert "'grading' must be trained here, 2 times more" in done.err
    assert "stages=[grading,sfen]" in done.err


def test_too_few_contents_are_told_before_anything_is_trained(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path / "own", *WORDS[:2], "system.sfen.prior_folds=9"))
    assert done.code == BAD_INPUT and "needs at least 9 contents" in done.err
    assert not (tmp_path / "own").exists()


def test_folds_change_the_key_of_stage_2_alone(context):
    stages = dict(context.settings.system.stages)
    stages["sfen"] = replace(stages["sfen"], prior_folds=3)
    system = replace(context.settings.system, stages=stages)
    other = replace(context, settings=replace(context.settings, system=system))
    before, after = plan_chain(context, {}), plan_chain(other, {})
    assert before[0].key == after[0].key and before[1].key != after[1].key


def test_a_start_that_has_seen_what_a_fold_holds_out_is_refused(hmtnet, tiny, finished, tmp_path):
    start = f"start={finished.stages['joint']}"  # of the same split: its test images are unseen
    done = hmtnet(*tiny(tmp_path / "own", *WORDS, start))
    assert done.code == BAD_INPUT, done.err
    assert "(start) has seen training images of this run, or what they show: 16" in done.err
    assert "prior_source=frozen" in done.err and not (tmp_path / "own").exists()
    assert hmtnet(*tiny(tmp_path / "own", start, "stages=[grading]")).code == 0
