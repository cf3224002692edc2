"""conf/ablation/: one file a question, exactly one change each, and networks can be built of it."""

import functools
import shutil

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from hmtnet.cli.composing import conf_folder, run_composed
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.plan import plan_chain, rehearse
from hmtnet.experiment.settings import train_settings

CONF = conf_folder()
NAMES = sorted(path.stem for path in (CONF / "ablation").glob("*.yaml"))
CHANGING = [name for name in NAMES if name != "reference"]
SIZES = ["tiny", "quick", "small", "full"]

# The last two by another word: where nothing is loaded, that is what "auto" means.
DEFAULTS_OF_TINY = ("texture_mscn", "levels_3", "pool_mean", "norm_train", "view_mscn")

# What must be asked, as (setting, values) beside the default's.
QUESTIONS = {
    "system.sfen.network.perspectives": [
        ["pixels"],
        ["gradient"],
        ["saliency"],
        ["pixels", "gradient"],
        ["pixels", "saliency"],
        ["gradient", "saliency"],
        ["pixels", "gradient", "saliency"],
        ["texture", "gradient", "saliency"],  # mscn
    ],
    "system.sfen.network.texture": ["residual"],  # in place of the pixels too, but of size=tiny
    "system.sfen.network.saliency": ["sdsp"],
    "system.sfen.network.pool": ["mean", "mean_std", "saliency"],
    "system.sfen.network.levels": [3],
    "system.sfen.extractor": ["weights"],
    "system.sfen.optimizer.loaded_lr": [1e-4],
    "system.sfen.network.sharing": ["separate"],
    "system.sfen.network.prior": ["none", "concat", "film"],
    "system.sfen.network.prior_dropout": [0.0],
    "system.sfen.network.prior_source": ["out_of_fold", "shuffled", "oracle"],
    "system.grading.loss.contrast_key": ["method", "none"],
    "system.grades.rule": ["quantile", "width"],
    "system.grades.count": [3, 7],
    "system.joint.grading_rate": [1.0],
    "stages": [["joint"], ["grading", "sfen"]],
    "size.crops.size": [64, 128, 192],
    "size.backbone.name": ["resnet18.a1_in1k"],
    "size.backbone.norm": ["train", "frozen"],
    "size.backbone.view": ["pixels", "mscn"],
}


@functools.cache
def leaves(*words):
    """Return the composed tree as a mapping from paths to what is written there, unresolved."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*words])
    return dict(flat(OmegaConf.to_container(config, resolve=False)))


def flat(tree, where=""):
    for key, value in tree.items():
        path = f"{where}.{key}" if where else key
        if isinstance(value, dict) and value:
            yield from flat(value, path)
        else:
            yield path, value


def changes(name, size):
    """Return the settings that an ablation changes, with their new values."""
    before, after = leaves(f"size={size}"), leaves(f"size={size}", f"ablation={name}")
    assert before.keys() == after.keys()
    return {path: after[path] for path in before if before[path] != after[path]}


@pytest.mark.parametrize("name", CHANGING)
def test_each_file_changes_exactly_one_setting(name):
    found = [changes(name, size) for size in SIZES]
    if name == "texture_residual":  # where no texture is shown, it takes the place of the pixels
        found = [dict([*change.items()][-1:]) for change in found]
    # A value that is one size's default is another's question (the texture of size=tiny).
    assert all(len(change) <= 1 for change in found)
    assert len({path for change in found for path in change}) == 1


def test_the_reference_changes_nothing():
    assert all(changes("reference", size) == {} for size in SIZES)


def test_every_question_is_asked_and_none_besides():
    asked = [(path, v) for name in CHANGING for path, v in first_change(name).items()]
    wanted = [(path, value) for path, values in QUESTIONS.items() for value in values]
    assert sorted(map(repr, asked)) == sorted(map(repr, wanted))


def first_change(name):
    return next(change for change in (changes(name, size) for size in SIZES) if change)


@pytest.mark.parametrize("name", NAMES)
def test_each_file_says_what_it_asks(name):
    lines = (CONF / "ablation" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_" and lines[1].startswith("# ")


@pytest.fixture(scope="module")
def spread(tiny_root, tmp_path_factory):
    """The tiny dataset with a MOS that fills its range, so that grades of equal width do too."""
    root = shutil.copytree(tiny_root, tmp_path_factory.mktemp("spread") / "qads")
    names = [line.split()[1] for line in (root / "mos_with_names.txt").read_text().splitlines()]
    # A reference's images lie all over the range, whichever references train.
    step = {name: (7 * i) % len(names) for i, name in enumerate(names)}
    lines = [f"{(step[name] + 0.5) / len(names):.4f} {name}\n" for name in names]
    (root / "mos_with_names.txt").write_text("".join(lines))
    return root


@pytest.fixture(scope="module")
def plan(spread, tmp_path_factory):
    """Plan and rehearse an ablation of a small configuration; return its keys by stage."""
    runs = tmp_path_factory.mktemp("runs")

    @functools.cache
    def run(name):
        words = [f"ablation={name}", "size.backbone.widths=[8,8,8]", "data=qads"]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", [*words, f"data.root={spread}", f"runs={runs}"])
        tree = OmegaConf.to_container(config, resolve=True)
        settings, system = train_settings(tree, complete=True)
        # Five folds need five training contents, and the tiny dataset has four.
        if settings.system.stages["sfen"].folds:
            tree["system"]["sfen"]["prior_folds"] = 4
            settings, system = train_settings(tree, complete=True)
        manifest = read(settings.data)
        context = RunContext(settings, system, manifest, make(manifest, settings.split))
        planned = plan_chain(context, {})
        rehearse(context, planned, {})
        return {stage.stage.name: stage.key for stage in planned}

    return run


@pytest.mark.parametrize("name", CHANGING)
def test_each_builds_its_networks_and_trains_anew_only_what_it_concerns(plan, name):
    reference, found = plan("reference"), plan(name)
    (path,) = first_change(name)
    changed = {stage for stage, key in found.items() if key != reference[stage]}
    if name in DEFAULTS_OF_TINY:
        assert changed == set()
    elif path.startswith("system.sfen"):
        assert changed == {"sfen", "joint"}
    elif path.startswith("system.joint"):
        assert changed == {"joint"}
    elif name == "chain_two_stage":
        assert changed == set() and set(found) == {"grading", "sfen"}
    elif name == "chain_joint_only":
        assert changed == set(found) == {"joint"}
    else:
        assert changed == {"grading", "sfen", "joint"}


# Each job of a sweep is composed several times over, and what holds for a few holds for all.
@pytest.mark.parametrize("which", ["chain_", pytest.param("", marks=pytest.mark.full)])
def test_one_sweep_asks_all_questions(tmp_path, monkeypatch, which):
    monkeypatch.chdir(tmp_path)
    jobs = {}

    def job(values):
        word, _ = HydraConfig.get().overrides.task  # the other names the sweep
        jobs[word] = values
        return 0.0

    run_composed("train", ["-m", f"ablation=glob({which}*)"], dict, job)
    assert [*jobs] == [f"ablation={name}" for name in NAMES if name.startswith(which)]
    assert jobs["ablation=chain_two_stage"]["stages"] == ["grading", "sfen"]


def test_a_single_question(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    jobs = []
    run_composed("train", ["ablation=prior_none"], dict, lambda values: jobs.append(values) or 0.0)
    assert jobs[0]["system"]["sfen"]["network"]["prior"] == "none" and "ablation" not in jobs[0]


def test_a_question_that_nobody_asks_is_told(hmtnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = hmtnet("train", "ablation=prior_nothing")
    assert done.code == 2 and "Unknown ablation 'prior_nothing'. Did you mean" in done.err
    done = hmtnet("train", "ablation=null")
    assert done.code == 2 and "'ablation=null' chooses nothing" in done.err
