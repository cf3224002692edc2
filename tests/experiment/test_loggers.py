"""W&B and TensorBoard hold what a stage was, work without an account, and never cost a training."""

import json
import logging
import math
import os
from dataclasses import dataclass

import pytest

from hmtnet.artifact import curves
from hmtnet.artifact import predictions as prediction_files
from hmtnet.errors import HmtnetError
from hmtnet.experiment import callbacks, run_settings
from hmtnet.experiment.loggers.card import Card
from hmtnet.experiment.loggers.sink import Table
from hmtnet.experiment.loggers.stage_log import StageLog
from hmtnet.experiment.loggers.wandb_runs import _has_account
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.files import in_markdown
from hmtnet.metrics import srcc
from hmtnet.storage.directory import RunDirectory

wandb = pytest.importorskip("wandb")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    """Nobody is logged in, and what is set while a run is logged is forgotten after the test."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "NETRC", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    wandb.teardown()  # it remembers the environment of its first run
    yield
    wandb.teardown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def warned():
    """What our loggers have said, whether or not the command line has set them up before."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("hmtnet")
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)


@dataclass
class Run:
    """What one folder of W&B holds: what it is found by, its rows, its summary, its exit code."""

    name: str
    group: str
    stage: str
    tags: set
    config: dict
    rows: list
    summary: dict
    code: int
    tables: dict
    artifacts: dict
    pictures: set


def records(content):
    """Yield the records of a ``.wandb`` file: 7 bytes, then blocks of 32 KiB made of chunks."""
    from wandb.proto import wandb_internal_pb2

    position, whole = 7, b""
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:  # no room for a chunk's head: checksum, length, and whether more follows
            position += left
            continue
        end = position + 7 + int.from_bytes(content[position + 4 : position + 6], "little")
        whole += content[position + 7 : end]
        if content[position + 6] in (1, 4):
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""
        position = end


def values(items):
    """Return what a record holds by name; W&B's own times and counters are left out."""
    named = {"/".join([item.key] if item.key else item.nested_key): item for item in items}
    return {n: json.loads(i.value_json) for n, i in named.items() if not n.startswith("_") and n}


def read_runs(path):
    """Read what W&B has kept in a run directory, the oldest first."""
    found = []
    for file in sorted(path.glob("wandb/offline-run-*/*.wandb")):
        run = Run("", "", "", set(), {}, [], {}, -1, {}, {}, set())
        for record in records(file.read_bytes()):
            if record.HasField("run"):
                told = record.run
                run.name, run.group, run.stage = told.display_name, told.run_group, told.job_type
                run.tags, run.config = set(told.tags), values(told.config.update)
            elif record.HasField("history"):
                row = values(record.history.item)
                run.pictures |= {name.split("/")[0] for name in row if name.endswith("/filenames")}
                run.pictures |= {
                    n for n, v in row.items() if isinstance(v, dict) and "filenames" in v
                }
                if "val/srcc" in row:
                    run.rows.append(row)
            elif record.HasField("summary"):
                run.summary |= values(record.summary.update)
            elif record.HasField("artifact"):
                kept = record.artifact.manifest.contents
                paths = run.artifacts.setdefault(record.artifact.type, set())
                paths |= {entry.path for entry in kept}
            elif record.HasField("exit"):
                run.code = record.exit.exit_code
        for table in file.parent.rglob("*.table.json"):
            run.tables[table.name.split("_")[0]] = json.loads(table.read_text())
        found.append(run)
    return found


def open_log(path, name="wandb"):
    card = Card("abc123def456", "a name", "a group", "grading", True, (), {})
    log = StageLog(card, LoggerSettings(name=name), RunDirectory(path))
    log.open()
    return log


def read_events(path):
    """Read what TensorBoard has kept in a run directory."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(path / "tensorboard"), size_guidance={"scalars": 0, "tensors": 0})
    return found.Reload()


def points(events, tag):
    """Return a scalar's values by step."""
    return {event.step: event.value for event in events.Scalars(tag)}


def text(events, tag):
    """Return the last text under a tag."""
    return events.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode()


def interrupted_in(patch, epoch, error):
    """Let a training end by an error in the epoch after so many."""
    written = callbacks.EpochRecord.on_train_epoch_end

    def ended(self, trainer, task):
        if trainer.current_epoch == epoch:
            raise error
        written(self, trainer, task)

    patch.setattr(callbacks.EpochRecord, "on_train_epoch_end", ended)


def stages_of(runs):
    return {path.name.split("-")[0]: path for path in runs.glob("qads/*/*-*")}


def chosen_row(path):
    """Return the row of the curve that a stage's summary must be."""
    rows = [{n: float(c) for n, c in row.items() if c} for row in curves.read(path).values()]
    return max(rows, key=lambda row: (row["val/srcc"], row["epoch"] > 0, -row["epoch"]))


def test_a_chain_is_read_back(hmtnet, tiny, tmp_path):
    words = ["logger=wandb", "logger.artifacts=all", "logger.maps_every=1"]
    words += ["ablation=contrast_none"]
    done = hmtnet(*tiny(tmp_path / "runs", *words))
    assert done.code == 0 and "W&B" not in done.err, done.err
    paths = stages_of(tmp_path / "runs")
    runs = {name: read_runs(paths[name])[0] for name in ("grading", "sfen", "joint")}
    keys = {name: paths[name].name.split("-")[1] for name in runs}
    for name, run in runs.items():
        assert run.name == f"hmtnet/{name} qads content-s0" and run.stage == name and run.code == 0
        assert run.tags > {"qads", "hmtnet", "ablation=contrast_none"} and run.group
        rows = curves.read(RunDirectory(paths[name]).metrics)
        assert [row["epoch"] for row in run.rows] == list(rows)
        assert run.rows[-1]["lr"] == pytest.approx(float(rows[max(rows)]["lr"]))
        for what, value in chosen_row(RunDirectory(paths[name]).metrics).items():
            assert math.isnan(value) or run.summary[what] == pytest.approx(value), (name, what)
        assert run.summary["state"] == "finished"
        found = prediction_files.read(RunDirectory(paths[name]).predictions)
        test = found.select("test")
        assert run.summary["test/srcc"] == pytest.approx(srcc(test.score, test.mos))
        compared = [row[0] for row in run.tables["compared"]["data"]]
        assert compared == ["stage", "scale-only", "label-only", "sharpness"]
        table = run.tables["predictions"]
        assert len(table["data"]) == len(test) + len(found.select("val"))
        pictures = [path for path in run.artifacts["run_table"] if path.endswith(".jpg")]
        assert len(pictures) == len(table["data"])
        assert run.pictures == {"scatter", "confusion", "calibration", "maps"}
        kept = {"stage.safetensors", "stage.json", "predictions.csv", "scenes.safetensors"}
        assert run.artifacts["stage"] == kept | {"split.json"}
    assert len({run.group for run in runs.values()}) == 1
    config = runs["joint"].config
    assert config["system"]["grading"]["loss"]["contrast_key"] == "none"
    assert config["run"]["upstream"] == {"grading": keys["grading"], "sfen": keys["sfen"]}
    assert set(runs["grading"].config["system"]) == {"name", "grades", "grading"}
    assert str(tmp_path) not in json.dumps(config)  # no path leaves the machine
    folders = [str(next(paths[name].glob("wandb/offline-run-*"))) for name in runs]
    assert done.out.splitlines()[-1].endswith(f"wandb sync {' '.join(folders)}")


def test_a_stage_that_was_finished_before_is_logged_once(hmtnet, tiny, runs):
    path = stages_of(runs)["sfen"]
    words = tiny(runs, "stages=[grading,sfen]", "logger=wandb")
    assert hmtnet(*words).code == 0
    (run,) = read_runs(path)
    assert [row["epoch"] for row in run.rows] == [1, 2] and run.summary["state"] == "finished"
    assert "test/srcc" in run.summary
    done = hmtnet(*words)
    assert f"sfen: its W&B run is {next(path.glob('wandb/offline-run-*'))}" in done.err
    assert len(read_runs(path)) == 1


def test_every_job_of_a_sweep_is_a_run_of_its_own(hmtnet, tiny, tmp_path):
    runs = tmp_path / "runs"
    words = ["-m", "system.grading.optimizer.lr=1e-4,3e-4", "stages=[grading]", "logger=wandb"]
    done = hmtnet(*tiny(runs, *words, "sweep_name=rates", "logger.images=none"))
    assert done.code == 0 and "W&B" not in done.err
    found = [run for path in runs.glob("qads/*/grading-*") for run in read_runs(path)]
    names = {f"hmtnet/grading qads content-s0 lr={rate}" for rate in ("0.0001", "0.0003")}
    assert {run.name for run in found} == names and {run.group for run in found} == {"rates"}
    assert not any(name.startswith("test/") for run in found for name in run.summary)
    assert not any("picture" in run.tables["predictions"]["columns"] for run in found)
    assert f"wandb sync {runs}/*/*/*/wandb/offline-run-*" in done.out
    assert wandb.run is None
    # What is predicted later is added to the run, and nothing twice.
    words = ["system.grading.optimizer.lr=1e-4", "stages=[grading]", "logger=wandb"]
    assert hmtnet(*tiny(runs, *words)).code == 0
    (both,) = (r for r in map(read_runs, runs.glob("qads/*/grading-*")) if len(r) == 2)
    assert both[0].rows and not both[1].rows and "test/srcc" in both[1].summary


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [(HmtnetError("no luck"), "failed", 1), (KeyboardInterrupt(), "interrupted", 255)],
    ids=["raised", "interrupted"],
)
def test_a_run_that_ends_early_says_so_and_goes_on(
    hmtnet, tiny, tmp_path, monkeypatch, error, state, code
):
    words = tiny(tmp_path, "stages=[grading]", "system.grading.epochs=2", "logger=wandb")
    with monkeypatch.context() as patch:
        interrupted_in(patch, 1, error)
        assert hmtnet(*words).code != 0
    assert wandb.run is None
    assert hmtnet(*words).code == 0
    before, after = read_runs(stages_of(tmp_path)["grading"])
    assert (before.summary["state"], before.code) == (state, code)
    assert [[row["epoch"] for row in run.rows] for run in (before, after)] == [[1], [2]]
    assert (after.summary["state"], after.code) == ("finished", 0)


@pytest.mark.parametrize(
    ("variables", "mode"),
    [({"WANDB_MODE": "broken"}, "auto"), ({"WANDB_API_KEY": "short"}, "online")],
    ids=["a mode that is none", "a key that is none"],
)
def test_a_run_that_cannot_be_sent_is_logged_offline(
    hmtnet, tiny, tmp_path, monkeypatch, variables, mode
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    words = ["stages=[grading,sfen]", "logger=wandb", f"logger.mode={mode}"]
    done = hmtnet(*tiny(tmp_path, *words))
    assert done.code == 0, done.err
    assert done.err.count("W&B") == 1 and "W&B cannot be reached (" in done.err
    assert all(read_runs(stages_of(tmp_path)[stage]) for stage in ("grading", "sfen"))


def test_a_home_and_a_run_directory_that_cannot_be_written(tmp_path, monkeypatch, warned, capfd):
    home = tmp_path / "home"
    home.write_text("")  # a file: nobody, not even root, can write below it
    monkeypatch.setenv("HOME", str(home))
    for name in ("XDG_CACHE_HOME", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")  # so that it is taken back
        monkeypatch.delenv(name)
    wandb.teardown()  # its service, which looks for a place of its own, starts anew
    log = open_log(tmp_path / "run")
    log.sink.tables({"table": Table(["a"], [[1]], {})})
    log.close()
    wandb.teardown()
    assert not warned and read_runs(tmp_path / "run")[0].tables
    assert capfd.readouterr().err == ""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "wandb").write_text("")
    log = open_log(tmp_path / "full")
    log.close()
    assert len(warned) == 1 and warned[0].startswith("W&B could not "), warned


@pytest.mark.parametrize("step", ["log", "finish"])
def test_a_run_that_w_and_b_gives_up_costs_one_warning(tmp_path, monkeypatch, warned, step):
    def broken(*_, **__):
        raise RuntimeError("no space left\nand much detail")

    log = open_log(tmp_path)
    curves.write(log.directory.metrics, [{"epoch": 1, "val/srcc": 0.5}])
    monkeypatch.setattr(log.sink._run, step, broken)
    log.log_metrics({})
    log.log_metrics({})
    log.close()
    what = {"log": "go on", "finish": "finish"}[step]
    assert warned == [f"W&B could not {what} (no space left); metrics.csv has the curves."]


@pytest.mark.parametrize(
    ("variables", "netrc", "online"),
    [
        ({}, None, False),
        ({"WANDB_API_KEY": "0" * 40}, None, True),
        ({"WANDB_MODE": "disabled"}, None, True),  # let W&B do what it is told
        ({}, "machine api.wandb.ai login user password secret", True),
        ({}, "machine example.org login user password secret", False),
        ({"WANDB_BASE_URL": "https://example.org:8080"}, "machine example.org password s", True),
        ({}, "machine", False),  # damaged
    ],
)
def test_online_only_where_an_account_is_known(tmp_path, monkeypatch, variables, netrc, online):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if netrc is not None:
        (tmp_path / ".netrc").write_text(netrc + "\n")
        (tmp_path / ".netrc").chmod(0o600)
    assert _has_account() is online


def test_tensorboard_has_the_same(finished, hmtnet, tiny, tmp_path):
    words = ["logger=tensorboard", "stages=[grading,sfen]", "logger.tags=[mine]"]
    words += ["logger.maps_every=2"]
    done = hmtnet(*tiny(tmp_path, *words))
    assert done.code == 0 and "TensorBoard" not in done.err, done.err
    path = stages_of(tmp_path)["sfen"]
    assert f"tensorboard --logdir {path.parent}" in done.out
    events, directory = read_events(path), RunDirectory(path)
    rows = curves.read(directory.metrics)
    for name in ("val/srcc", "lr", "train/loss"):
        expected = {epoch: float(row[name]) for epoch, row in rows.items()}
        assert points(events, name) == pytest.approx(expected, nan_ok=True)
    best = chosen_row(directory.metrics)
    assert list(points(events, "chosen/val/srcc"))[-1] == best["epoch"]
    test = prediction_files.read(directory.predictions).select("test")
    (found,) = points(events, "test/srcc").values()
    assert found == pytest.approx(srcc(test.score, test.mos))
    assert points(events, "test/label-only/srcc")
    pictures = {tag.split("/")[0] for tag in events.Tags()["images"]}
    assert pictures == {"scatter", "confusion", "calibration", "predictions", "maps"}
    maps = [tag for tag in events.Tags()["images"] if tag.startswith("maps/")]
    assert len(maps) == len(prediction_files.read(directory.predictions).select("val"))
    assert all([event.step for event in events.Images(tag)] == [2] for tag in maps)
    # Whatever is looked at meanwhile, the training is the same to the last bit.
    plain = RunDirectory(finished.stages["sfen"])
    assert directory.weights.read_bytes() == plain.weights.read_bytes()
    assert in_markdown(test.image[0]) in text(events, "predictions") and "label-only" in text(
        events, "test/compared"
    )
    assert text(events, "state") == "finished"
    about = text(events, "about")
    assert "hmtnet/sfen qads content-s0" in about and "mine" in about
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    told = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    settings = HParamsPluginData.FromString(told).session_start_info.hparams
    assert settings["system/sfen/epochs"].number_value == 2
    assert "system/joint/epochs" not in settings and str(tmp_path) not in str(settings)


def test_tensorboard_goes_on_after_an_interruption(hmtnet, tiny, tmp_path, monkeypatch):
    words = tiny(tmp_path, "stages=[grading]", "system.grading.epochs=2", "logger=tensorboard")
    with monkeypatch.context() as patch:
        interrupted_in(patch, 1, KeyboardInterrupt())
        assert hmtnet(*words).code != 0
    path = stages_of(tmp_path)["grading"]
    assert text(read_events(path), "state") == "interrupted KeyboardInterrupt:"
    assert hmtnet(*words).code == 0
    events = read_events(path)
    assert list(points(events, "lr")) == [1, 2] and text(events, "state") == "finished"


def test_tensorboard_that_is_not_installed_is_named_at_once(hmtnet, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(run_settings, "find_spec", lambda name: None)
    done = hmtnet(*tiny(tmp_path / "runs", "logger=tensorboard"))
    assert done.code == 2 and 'pip install "hmtnet[tensorboard]"' in done.err
    assert not (tmp_path / "runs").exists()


def test_tensorboard_that_cannot_write_costs_one_warning(tmp_path, warned):
    (tmp_path / "tensorboard").write_text("")
    log = open_log(tmp_path, "tensorboard")
    log.log_metrics({})
    log.close()
    assert len(warned) == 1 and warned[0].startswith("TensorBoard could not start"), warned
