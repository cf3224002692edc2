import logging
from pathlib import Path

import pytest

from hmtnet.data.cache import _say_once, cache_file, home, recall, remember
from hmtnet.errors import DataError


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    _say_once.cache_clear()


def test_the_environment_says_where_home_is(tmp_path, monkeypatch):
    assert home() == tmp_path / "home"
    assert cache_file("digests", "a.json") == tmp_path / "home" / "cache" / "digests" / "a.json"
    monkeypatch.setenv("HMTNET_HOME", "~/here")
    assert home() == Path.home() / "here"
    monkeypatch.setenv("HMTNET_HOME", "")
    assert home() == Path.home() / ".cache" / "hmtnet"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", "~nobody-of-this-name/here")
    with pytest.raises(DataError, match="HMTNET_HOME"):
        home()
    remember("kind", "a.json", 1)
    assert recall("kind", "a.json") is None


@pytest.mark.parametrize("value", [[], {"a": [1, 0.1, "é"]}, [[1, 2, 0.5123]]])
def test_what_was_remembered_is_recalled(value):
    assert recall("kind", "a.json") is None
    remember("kind", "a.json", value)
    assert recall("kind", "a.json") == value
    assert recall("kind", "b.json") is None


def test_a_damaged_cache_is_no_cache():
    remember("kind", "a.json", {"name": "0123"})
    file = cache_file("kind", "a.json")
    whole = file.read_text(encoding="utf-8")
    damaged = [
        whole[:-5],
        whole.replace("0123", "0124"),
        "",
        "[]",
        "null",
        '{"value": 1}',
        "[" * 9999,
    ]
    for text in damaged:
        file.write_text(text, encoding="utf-8")
        assert recall("kind", "a.json") is None
    file.write_bytes(b"\xff\xfe\x00")
    assert recall("kind", "a.json") is None
    file.unlink()
    file.mkdir()
    assert recall("kind", "a.json") is None


def test_where_nothing_can_be_written_a_warning_says_so_once(tmp_path, caplog):
    (tmp_path / "home").touch()
    with caplog.at_level(logging.WARNING):
        for name in ("a.json", "b.json"):
            remember("kind", name, 1)
            assert recall("kind", name) is None
    (record,) = caplog.records
    assert "HMTNET_HOME" in record.message
