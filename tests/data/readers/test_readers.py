import pytest

from hmtnet.data import readers
from hmtnet.data.readers.folder import decode_text, find_root
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError
from hmtnet.settings import build


def test_an_unknown_reader_names_the_nearest():
    with pytest.raises(SettingsError, match=r"data\.reader=quads.*Did you mean 'qads'"):
        readers.read(DataSettings(reader="quads"))


def test_every_own_reader_can_be_imported():
    known = readers.readers()
    assert set(known) >= {"demo", "qads", "table"}
    for point in known.values():
        assert callable(point.load())


def test_other_packages_add_readers_but_replace_none(monkeypatch, make_qads):
    from importlib.metadata import EntryPoint

    added = [
        EntryPoint("mine", "hmtnet.data.readers.qads:read", readers.GROUP),
        EntryPoint("table", "os:getcwd", readers.GROUP),
    ]
    monkeypatch.setattr(
        readers, "entry_points", lambda group: added if group == readers.GROUP else []
    )
    assert len(readers.read(DataSettings(reader="mine", root=str(make_qads())))) == 12
    assert readers.readers()["table"].value == "hmtnet.data.readers.table:read"


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
    (tmp_path / "srnets").mkdir()
    monkeypatch.setenv("HMTNET_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        find_root(DataSettings(reader="qads", root="srnet"), "QADS is obtained from its authors.")
    message = str(error.value)
    assert f"looked for {tmp_path / 'srnet'}, srnet" in message
    assert "holds srnets/" in message and "Did you mean 'srnets'?" in message
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
