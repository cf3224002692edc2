"""The built wheel alone: no checkout, no conf/ beside it."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, cwd, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COVERAGE"))}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
        env={**clean, **environment},
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.full
def test_the_wheel_carries_every_configuration_and_module(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    conf = {f"hmtnet/{p.relative_to(ROOT).as_posix()}" for p in (ROOT / "conf").rglob("*.yaml")}
    modules = {p.relative_to(ROOT / "src").as_posix() for p in (ROOT / "src").rglob("*.py")}
    templates = ROOT / "src" / "hmtnet" / "report" / "render" / "templates"
    page = {p.relative_to(ROOT / "src").as_posix() for p in templates.iterdir()}
    assert page
    assert conf | modules | page | {"hmtnet/py.typed"} <= names
    assert not {name for name in names if name.startswith(("tests", "conf"))}


@pytest.mark.full
def test_it_trains_from_an_empty_folder(wheel, tmp_path):
    """Installs everything: minutes, and several GB."""
    venv, empty = tmp_path / "venv", tmp_path / "empty"
    empty.mkdir()
    run(sys.executable, "-m", "venv", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    run(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=tmp_path)
    done = run(
        venv / "bin" / "hmtnet", "train", "trainer=debug", "trainer.accelerator=cpu", cwd=empty
    )
    assert "these numbers mean nothing" in done.stdout
    assert len(list(empty.glob("runs/demo/*/*/stage.json"))) == 3
    installed = run(python, "-c", "import hmtnet; print(hmtnet.__file__)", cwd=empty).stdout
    assert str(venv) in installed
    shutil.rmtree(venv)  # pytest would keep it for three more sessions
