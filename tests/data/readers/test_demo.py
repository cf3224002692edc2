import pytest

from hmtnet.data.readers import demo as reader
from hmtnet.data.readers import read
from hmtnet.data.settings import DataSettings
from hmtnet.errors import SettingsError


def test_the_demo_set_is_built_and_read_as_pseudo_mos(make_qads, monkeypatch):
    root = make_qads(suffix=".png")
    monkeypatch.setattr(reader.demo, "ensure", lambda: root)
    manifest = read(DataSettings(reader="demo"))
    assert manifest.name == "demo" and manifest.label_kind == "pseudo"
    assert len(manifest) == 12 and "scikit-image" in manifest.citation
    assert manifest.facts is reader.FACTS and manifest.licence == reader.FACTS.licence
    assert read(DataSettings(reader="demo", licence="mine")).licence == "mine"


@pytest.mark.parametrize("options", [{"label_kind": "human"}, {"root": "/x"}, {"name": "qads"}])
def test_pseudo_scores_cannot_be_passed_off_as_human(monkeypatch, options):
    monkeypatch.setattr(reader.demo, "ensure", lambda: pytest.fail("built before it was checked"))
    with pytest.raises(SettingsError, match=f"data.{next(iter(options))}="):
        read(DataSettings(reader="demo", **options))
