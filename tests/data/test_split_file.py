import json

import pytest

from hmtnet.data import split_file
from hmtnet.data.protocols import make
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError

PROTOCOLS = ("content", "kfold", "published", "method", "scale", "image", "official", "all")


@pytest.fixture
def path(tmp_path, fixed_manifest):
    """The file of a split of the fixed dataset by content."""
    path = tmp_path / "split.json"
    split_file.write(path, fixed_manifest, make(fixed_manifest, SplitSettings(seed=3)))
    return path


@pytest.fixture
def edited(path):
    """Edit the file's document; None takes a value out."""

    def edit(**values):
        document = json.loads(path.read_text()) | values
        path.write_text(json.dumps({k: v for k, v in document.items() if v is not None}))
        return str(path)

    return edit


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_split_comes_back_as_it_was(fixed_manifest, tmp_path, protocol, split_settings):
    path = tmp_path / "deep" / "folder" / "split.json"
    split = make(fixed_manifest, split_settings(protocol))
    split_file.write(path, fixed_manifest, split)
    assert split_file.read(fixed_manifest, str(path)) == split
    assert make(fixed_manifest, SplitSettings(protocol="file", file=str(path))) == split


def test_the_file_says_what_it_is(path, fixed_manifest):
    document = json.loads(path.read_text())
    split = make(fixed_manifest, SplitSettings(seed=3))
    assert document["format"] == 1 and document["id"] == split.id and document["seed"] == 3
    assert document["protocol"] == "content" and document["leaky"] is False
    assert document["dataset"] == "fake" and document["fingerprint"] == fixed_manifest.fingerprint
    for subset, rows in split.subsets.items():
        assert document[subset] == [fixed_manifest.records[row].image for row in rows]


def test_an_edited_file_is_another_split(edited, fixed_manifest):
    original = make(fixed_manifest, SplitSettings(seed=3))
    train, val, test = ([f"{row:02d}.png" for row in rows] for rows in original.subsets.values())
    moved = split_file.read(fixed_manifest, edited(train=train[1:], val=[*val, train[0]]))
    assert moved.id != original.id and moved.id.startswith("content-s3-")
    assert moved.train == original.train[1:] and moved.test == original.test
    again = split_file.read(fixed_manifest, edited(train=train[::-1], val=val, test=test))
    assert again == original
    untested = split_file.read(fixed_manifest, edited(test=[]))
    assert untested.test == () and untested.id != original.id


@pytest.mark.parametrize("name", ["mine", ""])
def test_a_file_by_hand_may_have_any_id(edited, fixed_manifest, name):
    split = split_file.read(fixed_manifest, edited(id=name))
    assert split.id == make(fixed_manifest, SplitSettings(seed=3)).id


def test_a_file_of_before_lacks_what_its_id_said(edited, fixed_manifest):
    split = split_file.read(fixed_manifest, edited(variant=None, index=None, folds=None))
    assert split == make(fixed_manifest, SplitSettings(seed=3))


def test_images_of_another_dataset(edited, fixed_manifest):
    with pytest.raises(DataError) as error:
        split_file.read(fixed_manifest, edited(train=["00.png", "else.png", "other.png"]))
    message = str(error.value)
    assert "made of dataset 'fake', names 2 images that 'fake' does not have" in message
    assert "else.png, other.png. Use it with the dataset it was made of." in message


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"train": ["00.png", "01.png"], "val": ["02.png"], "test": ["01.png"]},
            r"names 1 of them more often: 01\.png\. Keep each in one subset",
        ),
        ({"train": ["00.png", "00.png"]}, r"names 1 of them more often: 00\.png"),
        ({"train": []}, r"names none for train\. Make it anew with: hmtnet data split"),
        ({"train": [], "val": []}, "names none for train, val"),
        ({"train": None}, r"lacks, or has in another type than expected: train\. Make it anew"),
        ({"seed": True, "leaky": 0}, r"than expected: seed, leaky\."),
        ({"val": "00.png", "test": [["01.png"]]}, r"than expected: val, test\."),
        ({"test": [1]}, r"than expected: test\."),
        ({"format": 2}, r"has format 2; expected 1\. Make it anew"),
    ],
)
def test_a_file_that_is_no_split(edited, fixed_manifest, values, message):
    with pytest.raises(DataError, match=message) as error:
        split_file.read(fixed_manifest, edited(**values))
    assert "split.json'" in str(error.value)


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"\xff\xfe\x00", b"[" * 100_000, b"[]", b"null", b'"content"']
)
def test_a_damaged_file(path, fixed_manifest, damaged):
    path.write_bytes(damaged)
    with pytest.raises(
        DataError, match=r"split\.json' (is no JSON text|lacks, or has).*data split"
    ):
        split_file.read(fixed_manifest, str(path))


def test_a_mark_that_editors_write_does_no_harm(path, fixed_manifest):
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert split_file.read(fixed_manifest, str(path)) == make(fixed_manifest, SplitSettings(seed=3))


def test_a_file_that_is_not_there(tmp_path, fixed_manifest):
    with pytest.raises(DataError, match=r"none\.json' cannot be read: No such file.*split\.file"):
        split_file.read(fixed_manifest, str(tmp_path / "none.json"))
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        split_file.read(fixed_manifest, str(tmp_path))
    with pytest.raises(SettingsError, match=r"split=file needs the split file: split\.file=<path>"):
        split_file.read(fixed_manifest, None)


def test_a_file_is_written_whole_or_not_at_all(path, fixed_manifest):
    before = path.read_bytes()
    split = make(fixed_manifest, SplitSettings(protocol="image"))
    broken = type(split)(**{**vars(split), "seed": object()})
    with pytest.raises(TypeError):
        split_file.write(path, fixed_manifest, broken)
    assert path.read_bytes() == before
    taken = path.parent / "taken.json"
    taken.mkdir()
    with pytest.raises(DataError, match=r"taken\.json' cannot be written"):
        split_file.write(taken, fixed_manifest, split)
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["split.json", "taken.json"]
