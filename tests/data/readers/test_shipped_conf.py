"""conf/data: every dataset we read has a file, which says nothing that its reader knows."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from hmtnet.cli.composing import conf_folder
from hmtnet.data.readers import find, readers
from hmtnet.data.settings import DataSettings

FOLDER = conf_folder() / "data"
BASE = FOLDER / "custom.yaml"  # it alone is for any reader
FILES = sorted({*FOLDER.glob("*.yaml")} - {BASE})
# A published dataset is told by its name; where it is, and which of its tables, may be said too.
OURS_TO_SAY = {"defaults", "reader", "name", "root", "table"}


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
    assert {path.stem for path in FILES} == own()


def test_the_base_has_every_setting_and_knows_no_dataset():
    fields = {field.name for field in dataclasses.fields(DataSettings)}
    assert set(read(BASE)) == fields
    assert read(BASE)["reader"] == "???"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_adds_to_the_base_what_no_reader_can_know(path):
    settings = read(path)
    assert settings["defaults"] == ["custom"]
    assert settings["reader"] == path.stem
    facts = find(settings["reader"]).facts
    if facts is not None:
        assert set(settings) <= OURS_TO_SAY and settings["name"] == path.stem
        head = head_of(path)
        assert facts.title in head
        # Licence and citation stand in the reader's facts, and only there.
        assert facts.citation not in head and facts.licence not in head


def test_no_file_names_a_place():
    for path in (BASE, *FILES):
        assert not Path(read(path).get("root") or "").is_absolute()
