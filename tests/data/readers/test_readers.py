import dataclasses
import shutil
from importlib.metadata import EntryPoint

import pytest

from hmtnet.data import readers
from hmtnet.data.readers import qads, table
from hmtnet.data.readers.folder import decode_text, find_root
from hmtnet.data.readers.reader import Reader
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError
from hmtnet.settings import build


def test_an_unknown_reader_names_the_nearest():
    with pytest.raises(SettingsError, match=r"data\.reader=quads.*Did you mean 'qads'"):
        readers.read(DataSettings(reader="quads"))


def test_every_own_reader_can_be_imported():
    known = readers.readers()
    assert {"demo", "ma", "qads", "table"} <= set(known)
    for name in known:
        assert isinstance(readers.find(name), Reader)


def test_other_packages_add_readers_but_replace_none(monkeypatch, make_qads):
    added = [
        EntryPoint("mine", "hmtnet.data.readers.qads:READER", readers.GROUP),
        EntryPoint("odd", "hmtnet.data.readers.qads:read", readers.GROUP),
        EntryPoint("table", "os:getcwd", readers.GROUP),
    ]
    monkeypatch.setattr(
        readers, "entry_points", lambda group: added if group == readers.GROUP else []
    )
    assert len(readers.read(DataSettings(reader="mine", root=str(make_qads())))) == 12
    assert readers.readers()["table"].value == "hmtnet.data.readers.table:READER"
    with pytest.raises(SettingsError, match=r"entry point 'odd' .* is a function; expected a .*Re"):
        readers.find("odd")


def test_labels_can_be_read_without_the_images(make_qads):
    root = make_qads()
    whole = readers.read_labels(DataSettings(reader="qads", root=str(root)))
    shutil.rmtree(root / "super-resolved_images")
    settings = DataSettings(reader="qads", root=str(root), labels_only=True)
    labels = readers.read_labels(settings)
    assert labels.mos.tolist() == whole.mos.tolist() and labels.content == whole.content
    with pytest.raises(SettingsError, match=r"data\.labels_only=true reads no images, which this"):
        readers.read(settings)


def test_what_has_no_usable_label_is_told(monkeypatch, caplog, make_table):
    def read(settings):
        labels = table.read(settings)
        return dataclasses.replace(labels, left_out=("b.png (NaN)",), facts=qads.FACTS)

    monkeypatch.setattr(readers, "find", lambda name: Reader(read))
    meaning = {"range": (0.0, 10.0), "direction": "lower", "label_kind": "human"}
    root = str(make_table("image,mos\na.png,1\n"))
    labels = readers.read_labels(DataSettings(reader="odd", root=root, **meaning))
    assert len(labels) == 1
    assert "Dataset 'odd': left out for want of a usable label: b.png (NaN)." in caplog.text
    assert "The official QADS has 980 scored images; this folder has 2." in caplog.text


def test_root_is_found_in_the_documented_places(monkeypatch, tmp_path):
    home, here = tmp_path / "home", tmp_path / "here"
    for folder in (home / "qads", home / "mine", here / "local", here / "mine"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HMTNET_DATA", str(home))
    assert find_root(DataSettings(reader="qads")) == home / "qads"
    assert find_root(DataSettings(reader="qads", name="mine")) == home / "mine"
    assert find_root(DataSettings(reader="qads", root="mine")) == home / "mine"
    assert find_root(DataSettings(reader="qads", root="local")).resolve() == here / "local"
    assert find_root(DataSettings(reader="qads", root=str(here / "mine"))) == here / "mine"


def test_a_missing_root_says_what_was_tried_and_what_lies_there(monkeypatch, tmp_path):
    (tmp_path / "photos").mkdir()
    monkeypatch.setenv("HMTNET_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        find_root(DataSettings(reader="qads", root="photo"), "QADS is obtained from its authors.")
    message = str(error.value)
    assert f"looked for {tmp_path / 'photo'}, photo" in message
    assert "holds photos/" in message and "Did you mean 'photos'?" in message
    assert "data.root" in message and "HMTNET_DATA" in message and "obtained from" in message


def test_without_any_root_both_ways_are_named():
    with pytest.raises(DataError, match=r"no folder is known.*set data\.root.*set HMTNET_DATA"):
        find_root(DataSettings(reader="qads"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_label_files_of_any_usual_encoding(tmp_path, encoding):
    (tmp_path / "labels.txt").write_bytes("0.5 Grün.png".encode(encoding))
    assert decode_text(tmp_path / "labels.txt") == "0.5 Grün.png"


def test_settings_are_typed():
    built = build(DataSettings, {"reader": "table", "range": [0, 10], "columns": {"image": "name"}})
    assert built.range == (0.0, 10.0) and built.dataset == "table"
    with pytest.raises(SettingsError, match="higher, lower"):
        build(DataSettings, {"reader": "table", "direction": "up"})


def test_a_label_file_that_cannot_be_read(make_qads):
    root = make_qads()
    (root / "mos_with_names.txt").unlink()
    (root / "mos_with_names.txt").mkdir()
    with pytest.raises(DataError, match=r"mos_with_names\.txt' cannot be read: Is a directory"):
        readers.read(DataSettings(reader="qads", root=str(root)))


def test_a_root_below_nothing():
    with pytest.raises(DataError, match=r"looked for /no/such/folder\. To use it"):
        find_root(DataSettings(reader="qads", root="/no/such/folder"))
