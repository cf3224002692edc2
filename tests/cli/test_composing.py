"""From words to settings: what Hydra composes, and what is said where it cannot."""

import logging
import os
import re
from functools import partial
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import assume, example, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from hmtnet.cli.composing import conf_folder, run_composed
from hmtnet.cli.main import BAD_INPUT
from hmtnet.cli.words import hydra_words
from hmtnet.errors import HmtnetError, SettingsError
from hmtnet.experiment.settings import train_settings


@pytest.fixture
def values(monkeypatch, tmp_path):
    """Compose words and return what a job gets; nothing is run."""
    monkeypatch.chdir(tmp_path)

    def compose(*words):
        jobs = []

        def job(found):
            jobs.append(found)
            return 0.0

        run_composed("train", words, dict, job)
        return jobs

    return compose


def test_values_are_plain_and_resolved(values):
    (found,) = values("size=small", "seed=3", "data.columns={image: name}", "+upstream.grading=x")
    assert found["split"]["seed"] == 3
    assert found["system"]["sfen"]["network"]["backbone"]["name"] == "tf_efficientnet_lite0.in1k"
    assert found["data"]["columns"] == {"image": "name"}
    assert found["upstream"] == {"grading": "x"}
    assert type(found["system"]["sfen"]["network"]["perspectives"]) is list


def test_a_multirun_composes_once_a_job(values):
    jobs = values("-m", "system.sfen.optimizer.lr=1e-4,3e-4", "seed=0,1")
    found = {(job["system"]["sfen"]["optimizer"]["lr"], job["seed"]) for job in jobs}
    assert found == {(1e-4, 0), (1e-4, 1), (3e-4, 0), (3e-4, 1)}


def test_a_multirun_over_peers_as_they_were_published_composes(values):
    # The default system, of which Hydra makes a first attempt, does not come in that size.
    jobs = values("-m", "system=pmt,ahiq", "size=published")
    assert [(job["system"]["name"], job["size"]["name"]) for job in jobs] == [
        ("pmt", "published"),
        ("ahiq", "published"),
    ]


def test_a_sweep_file_is_a_multirun(values):
    jobs = values("-m", "sweep=grid", "stages=[grading,sfen]")
    assert [j["system"]["sfen"]["optimizer"]["lr"] for j in jobs] == [1e-4, 3e-4, 1e-3]
    assert all(job["stages"] == ["grading", "sfen"] for job in jobs)


def test_what_a_job_raises_comes_out_as_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    error = HmtnetError("Something is wrong with the input.")

    def job(_):
        raise error

    with pytest.raises(HmtnetError) as caught:
        run_composed("train", [], dict, job)
    assert caught.value is error
    assert capsys.readouterr().err == ""  # one message is enough; the caller prints it


def test_a_sweep_runs_its_other_jobs_and_names_the_one_that_failed(monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    logging.getLogger("hmtnet").handlers.clear()  # they hold the standard error of an earlier call
    seeds = []

    def job(found):
        seeds.append(found["seed"])
        if found["seed"] == 1:
            raise HmtnetError("Something is wrong.")
        return 0.0

    with pytest.raises(HmtnetError, match="Something is wrong"):
        run_composed("train", ["-m", "seed=0,1,2"], dict, job)
    assert seeds == [0, 1, 2]
    assert "seed=1" in capfd.readouterr().err


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
@example("~/$x/a=b#c!d&e;f'g\"h(i)[j]{k}<l>^m,n 数据é")
@example("\\${seed")
@example("a\\'")
def test_every_printable_text_arrives_as_it_was_typed(text):
    path = f"/data/{text}"
    assume(not re.search(r"\$\{.*\}", path))  # an interpolation, which resolves
    assert arrived(f"data.root={path}") == path


def arrived(word):
    """Return the value that Hydra reads in a word that was typed, without composing all."""
    (readable,) = hydra_words([word], [conf_folder()])
    value = OverridesParser.create().parse_override(readable).value()
    return OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("[a,b]", ["a", "b"]),
        ("{image: 0, mos: 1}", {"image": 0, "mos": 1}),
        ("{image: 图像, mos: a=b}", {"image": "图像", "mos": "a=b"}),
        ("[é,1,null,true,~/a]", ["é", 1, None, True, str(Path("~/a").expanduser())]),
        ("'a,b'", "a,b"),
        ('"a=b"', "a=b"),
        ("str(5)", "5"),
        ("null", None),
        ("true", True),
        ("3", 3),
        ("0.5", 0.5),
        ("1e-4", "1e-4"),  # the typed settings make a number of it, or a name
        ("1.10", "1.10"),
        ("${oc.env:HOME}/é", f"{os.environ['HOME']}/é"),
        ("~", str(Path.home())),
        ("~/data", f"{Path.home()}/data"),
        ("photos(1)", "photos(1)"),
        (r"\\server\share", r"\\server\share"),
        ("a b ", "a b "),
        ("Smith, J. (2020)", "Smith, J. (2020)"),
        ("{a", "{a"),
    ],
)
def test_what_hydra_reads_stays_and_plain_text_is_text(value, found):
    assert arrived(f"data.citation={value}") == found


def test_numbers_are_names_where_text_is_expected(values):
    words = ["runs=2024", "data.name=2023.10", "data.columns={image: 0, mos: 1}", "size.lr=1e-4"]
    settings, _ = train_settings(values(*words)[0], complete=True)
    assert (settings.runs, settings.data.name) == ("2024", "2023.10")
    assert settings.data.columns == {"image": "0", "mos": "1"}
    assert settings.size.lr == 1e-4


def test_a_sweep_of_texts_that_hydra_cannot_read_stays_a_sweep():
    _, word = hydra_words(["-m", "data.root=/数据,~/b,/c=d"], [conf_folder()])
    roots = OverridesParser.create().parse_override(word).sweep_iterator()
    home = str(Path("~/b").expanduser())
    assert [getattr(root, "text", root) for root in roots] == ["/数据", home, "/c=d"]


@pytest.mark.parametrize("word", ["ablation=glob(zzz*)", "seed=range(1,1)"])
def test_a_multirun_without_a_job_is_an_error(values, word):
    with pytest.raises(SettingsError, match=re.escape(f"has no job: {word} matches nothing")):
        values("-m", word)


def test_all_jobs_of_a_multirun_are_checked_before_the_first(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    words = ["-m", "seed=0,1", "system.sfen.network.prior=film,mix"]
    with pytest.raises(SettingsError) as caught:
        run_composed("train", words, partial(train_settings, complete=True), pytest.fail)
    told = str(caught.value)
    assert "2 of 4 jobs cannot run, so none was started" in told
    name = "system.sfen.network.prior"
    assert f"seed=0 {name}=mix, seed=1 {name}=mix: Setting '{name}'" in told and "film=" not in told
    assert list(tmp_path.iterdir()) == []


BAD = [
    ("size=smal", "Unknown size 'smal'. Did you mean 'small'?", ""),
    ("data=qds", "Unknown data 'qds'. Did you mean 'qads'?", ""),
    ("data@other=maa", "Unknown data 'maa'. Did you mean 'ma'?", ""),
    ("system=hmtne", "Unknown system 'hmtne'. Did you mean 'hmtnet'?", ""),
    ("trainer=zzz", "Unknown trainer 'zzz'. Known: auto, cpu, ddp, debug, gpu.", ""),
    ("size=1", "Unknown size '1'. Known: full, published, quick, small, tiny.", ""),
    ("data=0", "Unknown data '0'. Known: ai_upscaling, ", ""),
    ("data=数据", "Unknown data '数据'. Known: ai_upscaling, ", ""),
    ("ablation=[[]]", "'ablation=[[]]' chooses nothing. Give ablation=<one of backbone_", ""),
    ("data=qads,ma", "'data=qads,ma' gives several choices. Put -m before the settings", ""),
    ("seed=1,2", "'seed=1,2' gives several values. Put -m before the settings", ""),
    ("seed=range(1,3)", "'seed=range(1,3)' gives several values. Put -m before", ""),
    ("seed=range(1,x)", "'seed=range(1,x)' cannot be read: ", ""),
    ("data.root=", "'data.root=' gives no value; perhaps a variable of the shell is empty.", ""),
    ("data.root=''", "Settings 'data': root: expected a folder or null, found empty text", ""),
    ("data.name=a/b", "Settings 'data': name: expected what a folder can be called", "'a/b'"),
    ("data.name=..", "Settings 'data': name: expected what a folder can be called", "'..'"),
    ("data.x y=1", "'data.x y=1': expected the name of a setting before =, of ASCII", "'data.x y'"),
    ("stages=[grading", "Setting 'stages': expected a list, found '[grading'", ""),
    ("seed", "Error parsing override 'seed'", "missing EQUAL"),
    ("trainr.devices=2", "Unknown setting 'trainr'. Did you mean 'trainer'?", ""),
    ("stage=[grading]", "stage", ""),
    ("trainer.device=2", "Unknown setting 'trainer.device'. Did you mean 'devices'?", ""),
    ("trainer.debug.batch=2", "Unknown setting 'trainer.debug.batch'. Did you mean", "batches"),
    ("system.sfn.epochs=2", "Unknown setting 'system.sfn'. Did you mean 'sfen'?", ""),
    ("system.sfen.optimiser.lr=1", "'system.sfen.optimiser'. Did you mean 'optimizer'?", ""),
    (
        "system.joint.network.sfen.backbone.weight=hub",
        "'system.joint.network.sfen.backbone.weight'. Did you mean 'weights'?",
        "",
    ),
    ("size.crop.size=64", "Unknown setting 'size.crop'. Did you mean 'crops'?", ""),
    ("+system.grading.los=x", "Unknown setting 'system.grading.los'. Did you mean 'loss'?", ""),
    ("seed=one", "Setting 'seed': expected a whole number, found 'one'", ""),
    ("seed=-1", "Settings 'split': seed: expected 0 or more, found -1", ""),
    ("stages=grading", "Setting 'stages': expected a list, found 'grading'", ""),
    ("stages=[sfe]", "Setting 'stages': unknown stage 'sfe'. Did you mean 'sfen'?", ""),
    ("upstream.joined=x", "Setting 'upstream': unknown stage 'joined'. Did you mean 'joint'?", ""),
    ("system.sfen.optimizer.lr=fast", "system.sfen.optimizer.lr': expected a number", "'fast'"),
    ("size.crops.size=8", "size: expected at least 16 pixels, found 8", ""),
    ("format=xml", "Setting 'format': 'xml' is not one of text, json", ""),
    ("system.sfen.network.prior=mix", "'mix' is not one of", "mixture"),
    ("split.fractions=[0.5,0.5]", "Setting 'split.fractions': expected a list of 3 values", ""),
    ("trainer.devices=0", "devices: expected at least 1, found 0", ""),
    ("trainer.workers=-1", "workers: expected at least 0, found -1", ""),
    ("trainer.debug.epochs=0", "epochs: expected at least 1 or null, found 0", ""),
    ("evaluate.test=perhaps", "Setting 'evaluate.test': expected true or false", ""),
    ("runs=???", "Setting 'runs' is required: give runs=<value>.", ""),
    ("seed=${sed}", "does not resolve: Interpolation key 'sed' not found", ""),
    ("system.name=hmtnets", "Unknown system 'hmtnets'. Did you mean 'hmtnet'?", ""),
    (
        "system=null",
        "'system=null' chooses nothing. Give system=<one of ahiq, cnniqa, hmtnet, mfen, nemg, ",
        "plain, pmt, ridge>.",
    ),
    (
        "size=",
        "'size=' chooses nothing. Give size=<one of full, published, quick, small, tiny>.",
        "",
    ),
    (
        "size=published",
        "System 'hmtnet' does not come in size=published. It is for peers",
        "Systems that come in size=published: ahiq, cnniqa, mfen, nemg, pmt; 'hmtnet' comes in",
    ),
]


@pytest.mark.parametrize(("word", "message", "more"), BAD, ids=[word for word, *_ in BAD])
def test_a_bad_word_is_one_clear_message(hmtnet, tmp_path, monkeypatch, word, message, more):
    monkeypatch.chdir(tmp_path)
    done = hmtnet("train", word)
    assert (done.code, done.out) == (BAD_INPUT, ""), done.err
    assert message in done.err and more in done.err
    assert done.err.startswith("hmtnet: ") and done.err.count("hmtnet: ") == 1
    assert "Traceback" not in done.err and "Error executing job" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_what_conf_cannot_know_is_asked_for(hmtnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HMTNET_DATA", raising=False)
    done = hmtnet("train", "data=custom")
    assert done.code == BAD_INPUT
    assert done.err == "hmtnet: Setting 'data.reader' is required: give data.reader=<value>.\n"
    done = hmtnet("train", "data=table")
    assert done.code == BAD_INPUT
    assert "Dataset 'table' not found: no folder is known. To use it, set data.root" in done.err


@pytest.mark.parametrize(
    ("word", "group", "lost"),
    [
        ("system.grading.crops.size=64", "system.grading.crops", "count, grid"),
        ("system.sfen.network.backbone.norm=train", "system.sfen.network.backbone", "name, "),
        ("system.joint.network.grading.embedding=64", "system.joint.network.grading", "encoder"),
        ("system.joint.loss.score.score=mse", "system.joint.loss.score", "relation"),
    ],
)
def test_a_part_of_a_group_that_is_filled_from_elsewhere_is_refused(
    hmtnet, tmp_path, monkeypatch, word, group, lost
):
    monkeypatch.chdir(tmp_path)
    done = hmtnet("train", word)
    assert done.code == BAD_INPUT
    assert f"Only a part of '{group}' was given; {lost}" in done.err
    assert "set it there" in done.err and f"{group}={{" in done.err


def test_such_a_group_may_be_given_whole(values):
    (found,) = values("system.grading.crops={size: 64, count: 1, grid: cover}")
    settings, _ = train_settings(found, complete=True)
    assert settings.system.stages["grading"].crops.size == 64
    assert settings.system.stages["sfen"].crops == settings.size.crops
    with pytest.raises(SettingsError, match="Unknown setting"):
        train_settings({**found, "nothing": 1})


@pytest.mark.parametrize(
    "text",
    [
        b"reader: !!python/object/apply:os.getcwd []",
        b"reader: !mine x",
        b"a: b: c",
        b"reader: *nowhere",
        b"a: " + b"[" * 3000,
        b"\xff\xfe\x00",
    ],
    ids=["python tag", "unknown tag", "no mapping", "no anchor", "deeply nested", "no UTF-8"],
)
def test_a_file_that_is_no_plain_yaml_is_one_message(hmtnet, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_bytes(text)
    refused = hmtnet(*("data", "verify", "--config-dir", str(tmp_path), "data=mine"))
    assert refused.code == BAD_INPUT and "cannot be read" in refused.err
    assert refused.err.count("\n") == 1, refused.err
