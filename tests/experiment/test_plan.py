"""Stage keys: what changes them, what must not, and what follows from a change."""

import dataclasses
import shutil

import pytest

from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.errors import SettingsError
from hmtnet.experiment.context import RunContext, UpstreamStage
from hmtnet.experiment.plan import plan_chain, rehearse
from hmtnet.experiment.settings import train_settings

TINY = {
    "backbone": {"widths": [16, 16]},
    "crops": {"size": 48, "count": 1, "grid": 1},
}


def merged(tree, path, value):
    """Return a tree with one value set; ``path`` is dotted."""
    head, _, rest = path.partition(".")
    return {**tree, head: merged(tree.get(head, {}), rest, value) if rest else value}


@pytest.fixture
def context(tiny_root, tmp_path):
    """Make a context from changes to a small configuration in plain Python."""

    def make_scene(*changes, root=tiny_root):
        stage = {"epochs": 1, "batch_size": 4, "crops": TINY["crops"]}
        values = {
            "data": {"reader": "qads", "root": str(root)},
            "split": {},
            "system": {
                "name": "hmtnet",
                "grades": {"count": 3},
                "grading": {**stage, "network": {"encoder": TINY["backbone"]}},
                "sfen": {**stage, "network": {"backbone": TINY["backbone"], "levels": 2}},
                "joint": {
                    **stage,
                    "network": {
                        "grading": {"encoder": TINY["backbone"]},
                        "sfen": {"backbone": TINY["backbone"], "levels": 2},
                    },
                },
            },
            "trainer": {"accelerator": "cpu"},
            "runs": str(tmp_path / "runs"),
        }
        for path, value in changes:
            values = merged(values, path, value)
        settings, system = train_settings(values)
        manifest = read(settings.data)
        return RunContext(settings, system, manifest, make(manifest, settings.split))

    return make_scene


def keys(context, given=None):
    return {planned.stage.name: planned.key for planned in plan_chain(context, given or {})}


def changed(before, after):
    return {name for name in before if before[name] != after[name]}


ALL = {"grading", "sfen", "joint"}


@pytest.mark.parametrize(
    ("path", "value", "stages"),
    [
        ("system.grading.epochs", 2, ALL),
        ("system.grading.accumulate", 2, ALL),
        ("system.sfen.ema", 0.9, {"sfen", "joint"}),
        ("system.joint.early_stopping", 3, {"joint"}),
        ("system.grading.loss.contrast", 0.2, ALL),
        ("system.sfen.optimizer.lr", 1e-4, {"sfen", "joint"}),
        ("system.sfen.network.prior_dropout", 0.3, {"sfen", "joint"}),
        ("system.sfen.network.prior_source", "oracle", {"sfen", "joint"}),
        ("system.sfen.augment", ["horizontal_flip"], {"sfen", "joint"}),
        ("system.joint.loss.alpha", 0.5, {"joint"}),
        ("system.joint.batch_size", 8, {"joint"}),
        ("system.grades.rule", "quantile", ALL),
        ("seed", 1, ALL),
        ("split.seed", 1, ALL),
        ("split.protocol", "image", ALL),
        ("trainer.precision", "bf16-mixed", ALL),
        ("trainer.devices", 2, ALL),
        ("trainer.debug.batches", 1, ALL),
        ("data.label_kind", "pseudo", ALL),
        ("system.sfen.schedule.warmup", 0.2, {"sfen", "joint"}),
        # What has no effect under the other settings.
        ("system.sfen.schedule.every", 3, set()),
        ("system.sfen.prior_folds", 4, set()),
        ("system.sfen.network.sigma", 2.0, set()),
        # A limit that nothing reaches limits nothing.
        ("trainer.debug.epochs", 1, set()),
        ("trainer.debug.epochs", 999, set()),
        ("trainer.debug.batches", 999, set()),
        # What may not change a result may not change a key.
        ("trainer.workers", 2, set()),
        ("trainer.accelerator", "auto", set()),
        ("trainer.deterministic", True, set()),
        ("trainer.compile", True, set()),
        ("logger.name", "wandb", set()),
        ("logger.group", "mine", set()),
        ("logger.tags", ["mine"], set()),
        ("data.cache", "none", set()),
        ("data.name", "another", set()),
        ("evaluate.test", True, set()),
        ("runs", "elsewhere", set()),
        ("format", "json", set()),
    ],
)
def test_a_change_reaches_exactly_the_stages_downstream(context, path, value, stages):
    assert changed(keys(context()), keys(context((path, value)))) == stages


def test_keys_do_not_depend_on_where_the_data_lies_but_on_what_it_is(context, tiny_root, tmp_path):
    copy = shutil.copytree(tiny_root, tmp_path / "copy" / "of it")
    before = keys(context())
    assert keys(context(root=copy)) == before
    labels = copy / "mos_with_names.txt"
    lines = labels.read_text().splitlines(keepends=True)
    labels.write_text("".join(reversed(lines)))
    assert keys(context(root=copy)) == before
    labels.write_text("".join(["0.99 img01_2_01.png\n", *lines[1:]]))
    assert changed(before, keys(context(root=copy))) == ALL


def test_keys_are_told_apart_by_what_is_upstream(context, tmp_path):
    one = UpstreamStage("key1", tmp_path / "a")
    moved = UpstreamStage("key1", tmp_path / "b")
    other = UpstreamStage("key2", tmp_path / "a")
    found = [keys(context(), {"grading": stage}) for stage in (one, moved, other)]
    assert set(found[0]) == {"sfen", "joint"}  # what is given is not trained
    assert found[0] == found[1] and changed(found[0], found[2]) == {"sfen", "joint"}
    alone = keys(context(("stages", ["sfen"])))
    assert alone["sfen"] not in {found[0]["sfen"], keys(context())["sfen"]}


def test_an_sfen_that_takes_nothing_of_grading_does_not_depend_on_it(context):
    none = ("system.sfen.network.prior", "none")
    own = ("system.sfen.extractor", "weights")
    after, alone = (
        plan_chain(context(none, own), {})[1],
        plan_chain(context(none, own, ("stages", ["sfen"])), {})[0],
    )
    assert after.upstream == {} and after.key == alone.key
    # But it does where its extractor starts from the grading network's encoder.
    assert set(plan_chain(context(none), {})[1].upstream) == {"grading"}


def test_weights_count_by_what_they_are_not_by_where_they_lie(context, tmp_path):
    backbone = {"name": "mobilenetv2_100.ra_in1k", "weights": "", "widths": []}
    files = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for path, content in zip(files, (b"1", b"1", b"2"), strict=True):
        path.write_bytes(content)
    path = "system.grading.network.encoder"
    one, copy, other = (keys(context((path, {**backbone, "weights": str(f)}))) for f in files)
    assert one == copy and changed(one, other) == ALL


def test_directories_follow_from_keys(context, tmp_path):
    for planned in plan_chain(context(), {}):
        path = planned.directory.path
        assert path.name == f"{planned.stage.name}-{planned.key}"
        assert path.parent.parent == tmp_path / "runs" / "qads"
        assert set(planned.upstream) == set(planned.stage.after)
    assert not (tmp_path / "runs").exists()


def test_a_chain_that_is_given_whole_leaves_nothing_to_train(context, tmp_path):
    given = {name: UpstreamStage("k", tmp_path) for name in ALL}
    with pytest.raises(SettingsError, match="Nothing to train"):
        plan_chain(context(), given)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("system.sfen.network.levels", 3, "system.sfen: .*levels"),
        ("system.grading.network.decoder", [8, 8, 8], "system.grading: .*decoder"),
        ("system.joint.network.sfen.features", 64, "system.joint: .*another architecture"),
        ("stages", ["sfen"], "system.sfen: .*needs a grading network"),
    ],
)
def test_a_rehearsal_finds_what_does_not_fit(context, path, value, message):
    at_fault = context((path, value))
    with pytest.raises(SettingsError, match=message):
        rehearse(at_fault, plan_chain(at_fault, {}), {})


@pytest.mark.parametrize("task", ["no_such_module:Task", "hmtnet.models.task:Task"])
def test_a_task_that_cannot_be_imported_is_told_before_anything_is_trained(context, task):
    fine = context()
    stages = [dataclasses.replace(stage, task=task) for stage in fine.system.stages]
    system = dataclasses.replace(fine.system, stages=tuple(stages))
    at_fault = dataclasses.replace(fine, system=system)
    with pytest.raises(SettingsError, match="Stage 'grading': expected its task"):
        rehearse(at_fault, plan_chain(at_fault, {}), {})


def test_a_rehearsal_leaves_chance_and_disk_alone(context, tmp_path):
    import torch

    fine = context()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    rehearse(fine, plan_chain(fine, {}), {})
    assert torch.equal(torch.rand(3), expected)
    assert not (tmp_path / "runs").exists()
