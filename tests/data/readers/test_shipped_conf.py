"""conf/data: every dataset we read has a file, and it says what its reader says."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from hmtnet.cli.composing import conf_folder
from hmtnet.data.readers import find, readers
from hmtnet.data.settings import DataSettings

FOLDER = conf_folder() / "data"
FILES = sorted(FOLDER.glob("*.yaml"))
# Any reader's: it is named on the command line.
ANYONES = {"custom"}
# Their licence and citation are the reader's own, or yours.
MAY_LEAVE_OUT = {"demo", "qads", "table", *ANYONES}


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def head_of(path):
    """Return the comment that the file starts with, as one line."""
    lines = path.read_text(encoding="utf-8").splitlines()
    count = next(k for k, line in enumerate(lines) if not line.startswith("#"))
    return " ".join(line.removeprefix("#").strip() for line in lines[:count])


def own():
    """Return the names of our readers, which are modules of the package."""
    return {name for name, point in readers().items() if point.module.startswith("hmtnet.")}


def test_every_reader_has_a_file():
    missing = own() - {path.stem for path in FILES}
    assert not missing


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_has_every_setting(path):
    fields = {field.name for field in dataclasses.fields(DataSettings)}
    assert set(read(path)) == fields
    # In one order, so that two files can be compared.
    assert list(read(path)) == list(read(FOLDER / "qads.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_agrees_with_its_reader(path):
    settings = read(path)
    if path.stem in ANYONES:
        assert settings["reader"] == "???"
        return
    assert settings["reader"] in own()
    facts = find(settings["reader"]).facts
    for name in ("licence", "citation"):
        value = settings[name]
        if value is None:
            assert path.stem in MAY_LEAVE_OUT, name
        else:
            assert value == getattr(facts, name)
    if facts is not None:
        assert facts.title in head_of(path)
        assert settings["name"] == path.stem
        # What its labels mean is the reader's to say.
        assert settings["range"] is None and settings["direction"] is None


def test_no_file_names_a_place():
    for path in FILES:
        assert not Path(read(path)["root"] or "").is_absolute()
