"""W&B: works offline without an account, tells runs apart, and never costs a training run."""

import logging
import os

import pytest

from hmtnet.experiment.loggers import logging_to
from hmtnet.experiment.run_settings import LoggerSettings
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.status import Status

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


def offline_runs(path):
    return [entry.name.rsplit("-", 1)[-1] for entry in path.glob("wandb/offline-run-*")]


def open_logger(path, key="abc123def456", **settings):
    status = Status.begin("grading", key, 1)
    return logging_to(LoggerSettings(name="wandb", **settings), RunDirectory(path), status)


def test_every_job_of_a_sweep_is_a_run_of_its_own(hmtnet, tiny, tmp_path):
    runs = tmp_path / "runs"
    words = ["-m", "system.grading.optimizer.lr=1e-4,3e-4", "stages=[grading]", "logger=wandb"]
    done = hmtnet(*tiny(runs, *words))
    assert done.code == 0 and "W&B" not in done.err
    paths = sorted(runs.glob("qads/*/grading-*"))
    assert len(paths) == 2
    for path in paths:
        # One run in each directory, under the stage's own key.
        assert offline_runs(path) == [path.name.removeprefix("grading-")]
    assert wandb.run is None


def test_curves_are_logged_and_the_run_is_finished(tmp_path):
    with open_logger(tmp_path, group="a sweep") as logger:
        assert wandb.run is not None and wandb.run.id == "abc123def456"
        assert wandb.run.group == "a sweep" and wandb.run.settings.mode in ("offline", "dryrun")
        logger.log_metrics({"val/srcc": 0.5}, step=1)
    assert wandb.run is None
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    assert any(file.suffix == ".wandb" and file.stat().st_size > 0 for file in folder.iterdir())


def test_a_run_is_finished_when_training_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), open_logger(tmp_path):
        raise ZeroDivisionError
    assert wandb.run is None


@pytest.mark.parametrize(
    ("variables", "mode"),
    [({"WANDB_MODE": "broken"}, "auto"), ({"WANDB_API_KEY": "short"}, "online")],
    ids=["a mode that is none", "a key that is none"],
)
def test_a_run_that_cannot_start_costs_a_warning(
    hmtnet, tiny, tmp_path, monkeypatch, variables, mode
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    words = tiny(tmp_path / "runs", "stages=[grading]", "logger=wandb", f"logger.mode={mode}")
    done = hmtnet(*words)
    assert done.code == 0, done.err
    assert done.err.count("W&B is not available (") == 1
    assert list(tmp_path.glob("runs/qads/*/grading-*/metrics.csv"))


def test_a_run_that_cannot_be_finished_costs_a_warning(tmp_path, monkeypatch, warned):
    finish = wandb.finish

    def broken(*_, **__):
        finish()
        raise RuntimeError("no space left\nand much detail")

    with open_logger(tmp_path) as logger:
        assert logger is not None
        monkeypatch.setattr(wandb, "finish", broken)
    assert warned == ["W&B could not finish its run (no space left); metrics.csv has the curves."]


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
    from hmtnet.experiment.loggers import _has_account

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if netrc is not None:
        (tmp_path / ".netrc").write_text(netrc + "\n")
        (tmp_path / ".netrc").chmod(0o600)
    assert _has_account() is online


def test_csv_alone_imports_nothing_and_yields_none(tmp_path):
    status = Status.begin("grading", "k", 1)
    with logging_to(LoggerSettings(), RunDirectory(tmp_path), status) as logger:
        assert logger is None
    assert list(tmp_path.iterdir()) == []
