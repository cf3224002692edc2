"""conf/: every file composes to settings that every dataclass accepts, and nothing is hidden."""

import dataclasses
import functools
from importlib.util import find_spec
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from hmtnet.cli.baseline import BaselineSettings
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.dataset import DatasetSettings
from hmtnet.cli.search import distribution
from hmtnet.data.grades import GradesSettings
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError
from hmtnet.experiment.convert import convert_settings
from hmtnet.experiment.evaluate import EvaluationSettings
from hmtnet.experiment.run_settings import EvaluateSettings, LoggerSettings, TrainerSettings
from hmtnet.experiment.settings import composed, train_settings
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.system import SYSTEMS, find_system
from hmtnet.settings import build, plain
from hmtnet.synthesis.settings import SynthesisSettings

CONF = conf_folder()
TABLE = ["data.root=anywhere", "data.label_kind=human", "data.range=[0,1]", "data.direction=higher"]

# What a size decides, and so no dataclass.
BY_SIZE = {"epochs", "batch_size", "crops", "backbone", "encoder"}


def options(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@functools.cache
def tree_of(*overrides, root="train"):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose(root, [*overrides])
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def words_for(data):
    needed = {"table": TABLE, "custom": ["data.reader=satellites"]}
    return [f"data={data}", *needed.get(data, [])]


def words_for_split(split):
    needed = {"cross": ["data@other=qads"], "file": ["split.file=split.json"]}
    return [f"split={split}", *needed.get(split, [])]


# Their authors are we, so no one else has published a recipe.
OURS = {"hmtnet", "plain", "ridge"}
# Peers that are made of a feature extractor of their own, in whichever size.
OWN_EXTRACTOR = {"cnniqa", "mfen"}


def sizes_of(system):
    return [size for size in options("size") if size != "published" or system not in OURS]


SIZED = [(system, size) for system in options("system") for size in sizes_of(system)]


def cases():
    """Every system in each of its sizes, every dataset, and every other option at least once."""
    for system, size in SIZED:
        yield [f"system={system}", f"size={size}"]
    for data in options("data"):
        yield words_for(data)
    for group in ("trainer", "logger"):
        for option in options(group):
            yield [f"{group}={option}"]
    for split in sorted({*options("split")} - {"whole"}):
        yield [*words_for_split(split), "logger=wandb", "size=full"]
    for sweep in options("sweep"):
        if sweep != "slurm" or find_spec("hydra_plugins.hydra_submitit_launcher"):
            yield [f"sweep={sweep}"]
    for ablation in options("ablation"):  # what each changes is held by test_ablations.py
        yield [f"ablation={ablation}"]


def test_the_checkout_is_what_is_tested_and_every_group_is_known():
    assert Path(__file__).parents[1] == CONF.parent
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    # "stage" holds parts of systems; a new group needs its line in cases().
    known = {"data", "logger", "size", "space", "split", "stage", "sweep", "system", "trainer"}
    assert groups == known | {"ablation", "hydra"}
    assert set(options("system")) == set(SYSTEMS)
    for system in options("system"):
        own = set(options(f"size/{system}"))  # a size that asks nothing special of it has no file
        assert ("published" in own) == (system not in OURS) and own <= set(options("size"))


@pytest.mark.parametrize("words", list(cases()), ids=" ".join)
def test_every_file_composes_to_complete_settings(words):
    tree = tree_of(*words)
    # complete=True: a setting that some dataclass has, and conf/ does not list, is an error.
    settings, system = train_settings(tree, complete=True)
    assert composed(settings) == plain(tree)
    assert set(settings.system.stages) == {stage.name for stage in system.stages}


@pytest.mark.parametrize("space", options("space"))
def test_whatever_a_space_proposes_is_a_setting(space):
    system = f"system={space.split('_')[0]}"
    with initialize_config_dir(str(CONF), version_base="1.3"):
        words = [system, f"space={space}", "sweep=optuna"]
        swept = compose("train", words, return_hydra_config=True).hydra.sweeper.params
    parser = OverridesParser.create()
    low, high = [], []
    for key, values in swept.items():
        found = distribution(parser.parse_override(f"{key}={values}"))
        ends = found.choices if hasattr(found, "choices") else (found.low, found.high)
        low.append(f"{key}={ends[0]}")
        high.append(f"{key}={ends[-1]}")
    stages = tree_of(system, f"space={space}")["stages"]
    assert len(low) > 1
    for words in (low, high):
        tree = tree_of(system, *words)
        assert tree != tree_of(system)
        train_settings({**tree, "stages": stages}, complete=True)


ROOTS = {
    "dataset": DatasetSettings,
    "baseline": BaselineSettings,
    "evaluate": EvaluationSettings,
    "synthesize": SynthesisSettings,
}
NEEDED = {"evaluate": ["artifact=runs/x"], "synthesize": ["photos=photos", "output=set"]}


@pytest.mark.parametrize("root", ROOTS)
def test_the_other_roots_list_every_setting_with_its_default(root):
    needed = NEEDED.get(root, [])
    tree = tree_of(*needed, root=root)
    settings = build(ROOTS[root], tree)
    assert {*plain(settings)} == {*tree}
    for field in dataclasses.fields(settings):
        if field.default is not dataclasses.MISSING:
            assert getattr(settings, field.name) == field.default, field.name
    if hasattr(settings, "split"):
        tree = tree_of("split=method", "seed=3", *needed, root=root)
        assert build(ROOTS[root], tree).split.seed == 3


def test_convert_composes_to_the_published_network_with_every_setting():
    tree = tree_of("checkpoint=authors.pth", root="convert")
    settings, system = convert_settings(tree)
    assert (settings.runs, settings.size.name, system.name) == ("runs", "published", "ahiq")
    published, _ = train_settings(tree_of("system=ahiq", "size=published"))
    assert settings.system == published.system
    assert {*plain(settings)} == {*tree}


def test_another_dataset_is_composed_like_the_first():
    settings, _ = train_settings(tree_of("data@other=qads", "split=cross"), complete=True)
    assert (settings.data.reader, settings.other.reader) == ("demo", "qads")
    for words in (["data@other=qads"], ["split=cross"]):
        with pytest.raises(SettingsError, match=r"data@other and split=cross go together"):
            train_settings(tree_of(*words))


def paths_of(tree, where=()):
    for key, value in tree.items():
        yield (*where, key)
        if isinstance(value, dict):
            yield from paths_of(value, (*where, key))


def without(tree, path):
    if len(path) == 1:
        return {key: value for key, value in tree.items() if key != path[0]}
    return {**tree, path[0]: without(tree[path[0]], path[1:])}


@pytest.mark.parametrize("system", options("system"))
def test_no_setting_may_be_left_out_of_conf(system):
    tree = tree_of(f"system={system}")
    paths = list(paths_of(tree))
    assert len(paths) > (150 if system == "hmtnet" else 80)
    for path in paths:
        # Without its name, a backbone is the default one, which cannot do without widths.
        told = "name|widths" if path[-2:] == ("backbone", "name") else path[-1]
        with pytest.raises(SettingsError, match=told):
            train_settings(without(tree, path), complete=True)


def default_of(cls, by_size=BY_SIZE):
    """Return a dataclass's defaults as a tree, without what a size decides."""
    return stripped(plain(cls()), by_size)


def stripped(tree, names=BY_SIZE):
    if not isinstance(tree, dict):
        return tree
    return {key: stripped(value, names) for key, value in tree.items() if key not in names}


@pytest.mark.parametrize("system", options("system"))
def test_defaults_of_a_system_are_the_defaults_of_its_dataclasses(system):
    # Of the sizes, full changes nothing but what a size is for.
    settings, found_system = train_settings(tree_of(f"system={system}", "size=full"))
    assert settings.system.grades == GradesSettings()
    for stage in found_system.stages:
        found = stripped(plain(settings.system.stages[stage.name]))
        assert found == default_of(stage.settings), stage.name


def test_defaults_of_conf_are_the_defaults_of_the_dataclasses():
    settings, _ = train_settings(tree_of("size=full"))
    assert settings.trainer == TrainerSettings()
    assert settings.logger == LoggerSettings()
    assert settings.evaluate == EvaluateSettings()
    assert settings.split == SplitSettings()
    for field in dataclasses.fields(settings):
        if field.default is not dataclasses.MISSING and field.name != "size":
            assert getattr(settings, field.name) == field.default, field.name
    for data in options("data"):
        found = train_settings(tree_of(*words_for(data)))[0].data
        kept = {"reader", "name", "root", "table", "licence", "citation"} | (
            {"label_kind", "range", "direction"} & _declared(data)
        )
        assert stripped(plain(found), kept) == stripped(
            plain(DataSettings(reader=found.reader)), kept
        )


def _declared(data):
    return {word.split("=")[0].removeprefix("data.") for word in words_for(data)}


def backbones_of(settings):
    """Yield the settings of every backbone in a stage's settings."""
    if isinstance(settings, BackboneSettings):
        yield settings
    elif dataclasses.is_dataclass(settings):
        for field in dataclasses.fields(settings):
            yield from backbones_of(getattr(settings, field.name))


# A published recipe says for itself what a size else decides.
@pytest.mark.parametrize(("system", "size"), [pair for pair in SIZED if pair[1] != "published"])
def test_a_size_fills_every_stage_of_every_system(system, size):
    words = (f"system={system}", f"size={size}", "size.crops.size=128")
    settings, _ = train_settings(tree_of(*words))
    assert settings.size.crops.size == 128
    for name, stage in settings.system.stages.items():
        assert (stage.crops, stage.batch_size) == (settings.size.crops, settings.size.batch_size)
        found = list(backbones_of(stage))
        if system not in OWN_EXTRACTOR:
            assert found and all(b == settings.size.backbone for b in found), name


@pytest.mark.parametrize("size", sorted({*sizes_of("plain")} - {"quick"}))
def test_plain_is_fitted_as_sfen_is(size):
    # Else the difference between the two would not be what SFEN adds.
    settings = train_settings(tree_of(f"size={size}"))[0]
    sfen, joint = settings.system.stages["sfen"], settings.system.stages["joint"]
    plain_stage = train_settings(tree_of("system=plain", f"size={size}"))[0].system.stages["plain"]
    # Plain tunes what it has loaded; SFEN's extractor has learned in stage 1, and again in stage 3.
    optimizer = dataclasses.replace(sfen.optimizer, loaded_lr=plain_stage.optimizer.loaded_lr)
    sfen = dataclasses.replace(sfen, optimizer=optimizer)
    if settings.size.backbone.weights != "none":  # else plain has loaded nothing
        assert plain_stage.optimizer.loaded_lr == joint.optimizer.loaded_lr > 0
    # Where all begin from random weights, SFEN's epochs come after stage 1's.
    assert plain_stage.epochs == sfen.epochs or settings.size.backbone.weights == "none"
    for name in {field.name for field in dataclasses.fields(FitSettings)} - {"epochs"}:
        assert getattr(plain_stage, name) == getattr(sfen, name), name
    assert plain_stage.loss == sfen.loss


@pytest.mark.parametrize("size", sizes_of("hmtnet"))
def test_hmtnet_s_third_stage_is_made_of_the_first_two(size):
    settings, _ = train_settings(tree_of(f"size={size}"))
    grading, sfen, joint = (settings.system.stages[n] for n in ("grading", "sfen", "joint"))
    # Stage 3 takes up both networks and both losses; another architecture could not be loaded.
    assert (joint.network.grading, joint.network.sfen) == (grading.network, sfen.network)
    assert (joint.loss.grading, joint.loss.score) == (grading.loss, sfen.loss)
    by_hand = tree_of(f"size={size}", "system.sfen.loss.score=mse", "system.sfen.epochs=3")
    settings, system = train_settings(by_hand)
    assert settings.system.stages["joint"].loss.score.score == "mse"
    assert settings.system.stages["sfen"].epochs == 3
    assert system is find_system("hmtnet")


def test_a_seed_is_the_split_s_seed_unless_that_is_set():
    assert train_settings(tree_of("seed=7"))[0].split.seed == 7
    assert train_settings(tree_of("seed=7", "split.seed=1"))[0].split.seed == 1


def test_debug_only_caps():
    settings, _ = train_settings(tree_of("trainer=debug"))
    assert settings.trainer == dataclasses.replace(TrainerSettings(), debug=settings.trainer.debug)
    assert settings.trainer.debug != TrainerSettings().debug
