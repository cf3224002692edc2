"""``hmtnet doctor``: a sound machine, and each thing that can be wrong with one."""

import json
import shutil
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest

from hmtnet.cli import checks
from hmtnet.cli.main import BAD_INPUT


@pytest.fixture
def examined(hmtnet, tmp_path, monkeypatch):
    """Examine this machine; return the exit code, and what is not good by topic."""
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HMTNET_DATA", raising=False)

    def call(runs=tmp_path / "runs"):
        done = hmtnet("doctor", "--runs", runs, "--format", "json")
        document = json.loads(done.out)
        assert document["sound"] is (done.code == 0)
        return done.code, [
            (check["topic"], check["level"], check["text"])
            for check in document["checks"]
            if check["level"] != "good"
        ]

    return call


def test_a_sound_machine_is_fit_and_nothing_is_written(hmtnet, examined, tmp_path):
    assert examined() == (0, [])
    done = hmtnet("doctor", "--runs", tmp_path / "runs")
    topics = ["versions", "devices", "folders", "runs", "datasets"]
    assert [line for line in done.out.splitlines() if line in topics] == topics
    assert done.out.endswith("\nfit for use\n")
    assert all(len(line) <= 100 for line in done.out.splitlines() if str(tmp_path) not in line)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_and_an_unfit_package_are_named(examined, monkeypatch):
    real = checks.version

    def version(name):
        if name == "xlrd":
            raise PackageNotFoundError(name)
        return "0.1" if name == "kornia" else real(name)

    monkeypatch.setattr(checks, "version", version)
    code, found = examined()
    assert (
        code == BAD_INPUT
        and [(topic, level) for topic, level, _ in found] == [("versions", "fault")] * 2
    )
    told = " ".join(text for _, _, text in found)
    assert "kornia 0.1 is not >=" in told and "xlrd is not installed" in told


def test_a_torch_that_cannot_be_imported_is_a_fault_and_the_rest_goes_on(examined, monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(checks, "import_module", broken)
    code, found = examined()
    assert code == BAD_INPUT
    assert [(topic, "nms does not exist" in text) for topic, _, text in found] == [
        ("devices", True)
    ]


def test_a_folder_that_cannot_be_made_is_a_fault(examined, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    code, found = examined(tmp_path / "file" / "runs")
    assert code == BAD_INPUT and found[0][:2] == ("folders", "fault")
    monkeypatch.setenv("HMTNET_HOME", "~nobody-of-this-name/cache")
    code, found = examined()
    assert code == BAD_INPUT and "HMTNET_HOME" in found[0][2]


@pytest.mark.parametrize(
    ("free", "level", "code"), [(10**9, "warning", 0), (10**8, "fault", BAD_INPUT)]
)
def test_little_space_is_told(examined, monkeypatch, free, level, code):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert examined()[0] == code and {found[1] for found in examined()[1]} == {level}


def test_leftovers_of_killed_processes_are_told(examined, tmp_path):
    killed = tmp_path / "runs" / "demo" / "content" / f"sfen-{'a' * 12}"
    killed.mkdir(parents=True)
    (killed / ".lock").touch()
    code, ((topic, level, text),) = examined()
    assert (code, topic, level) == (0, "runs", "warning") and "hmtnet runs prune" in text


def test_datasets_are_read_where_they_lie(examined, tiny_root, tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(tiny_root, data / "qads")
    monkeypatch.setenv("HMTNET_DATA", str(data))
    code, ((topic, level, text),) = examined()
    assert (code, topic, level) == (0, "datasets", "warning")
    assert text == "qads: 24 labelled images; officially 980"
    next((data / "qads" / "super-resolved_images").iterdir()).unlink()
    code, ((_, level, text),) = examined()
    assert (code, level) == (BAD_INPUT, "fault") and "qads: " in text
    monkeypatch.setenv("HMTNET_DATA", str(tmp_path / "none"))
    code, ((_, level, text),) = examined()
    assert (code, level) == (BAD_INPUT, "fault") and "HMTNET_DATA" in text
