import pytest

from hmtnet.data.facts import Facts
from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.references import References
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

FACTS = Facts(
    title="Fake",
    images=1,
    range=(0.0, 1.0),
    higher_is_better=True,
    licence="",
    citation="",
    obtained="Fake is made here.",
)


@pytest.fixture
def references(tmp_path, noise):
    noise(tmp_path / "Sources" / "SEA.BMP")

    def make(names=("sources",), **options):
        faults = Faults(tmp_path, FACTS, "")
        settings = DataSettings(reader="qads", name="fake", **options)
        return References(tmp_path, names, settings, faults), faults

    return make


def test_a_reference_is_found_with_and_without_its_container(references):
    pristine, faults = references()
    assert pristine.find("sea") == pristine.find("sea.png") == "Sources/SEA.BMP"
    faults.check()


def test_a_missing_reference_is_told_once(references):
    pristine, faults = references()
    for _ in range(3):
        pristine.find("sky")
    with pytest.raises(DataError, match=r"1 references without an image in 'Sources' \(sky\)"):
        faults.check()


def test_without_the_folder_there_are_none_and_a_warning(references, caplog):
    pristine, faults = references(("reference_images", "refs"))
    assert pristine.find("sea") is None
    assert "Dataset 'fake' has no folder reference_images/." in caplog.text
    faults.check()


def test_labels_alone_need_no_references(references, caplog):
    pristine, faults = references(labels_only=True)
    assert pristine.find("sea") is None
    assert not caplog.records
    faults.check()
