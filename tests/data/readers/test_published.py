import numpy as np
import pytest

from hmtnet.data.readers.published import find_table, open_source, read_published
from hmtnet.data.readers.qads import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

NAMES = ["a\\1.png", "a\\2.png", "b\\1.png", "c\\1.png"]
SCORES = [0.1, 0.2, 0.3, float("nan")]
REFERENCES = [1, 1, 2, 3]


@pytest.fixture
def table(tmp_path, published_table):
    path = tmp_path / "table.mat"
    index = published_table(path, NAMES, SCORES, REFERENCES)
    return path, index


def test_a_table_is_read_whole(table):
    path, index = table
    found = read_published(path)
    assert [label.name for label in found.labels] == ["a/1.png", "a/2.png", "b/1.png", "c/1.png"]
    assert [label.mos for label in found.labels[:3]] == SCORES[:3]
    assert np.isnan(found.labels[3].mos) and found.labels[3].where == "row 4"
    assert found.references.tolist() == REFERENCES
    assert np.array_equal(found.permutations, index)


def test_the_stored_experiments_follow_the_order_of_the_records(table):
    path, index = table
    published = read_published(path).published(["C/1.PNG", "a/2.png", "b/1.png"], ["c", "a", "b"])
    assert published.references.tolist() == [3, 1, 2]
    assert np.array_equal(published.permutations, index)


@pytest.mark.parametrize(
    ("shown", "message"),
    [(["a", "b", "b", "c"], "a is number 1, b is number 1"), (["a", "a", "b", "a"], "number 3")],
)
def test_reference_numbers_must_agree_with_the_names(table, shown, message):
    found = read_published(table[0])
    names = [label.name for label in found.labels]
    assert found.published(names, ["a", "a", "b", "c"]).references.tolist() == REFERENCES
    with pytest.raises(DataError, match=rf"contradict the names of its images: .*{message}"):
        found.published(names, shown)


def test_as_many_permutations_as_references_are_not_turned_round(tmp_path, hdf5):
    # Rows are orders; two of the columns are not.
    index = np.array([[1, 2, 3], [1, 3, 2], [2, 1, 3]])
    for name, stored in (("rows", index), ("columns", index.T)):
        path = hdf5(
            tmp_path / f"{name}.mat",
            im_names=["a", "b", "c"],
            subjective_scores=[[1], [2], [3]],
            ref_ids=[[1], [2], [3]],
            index=stored,
        )
        assert np.array_equal(read_published(path).permutations, index)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjective_scores": [[1], [2]]}, r"contradicts itself: 3 names, 2 scores"),
        ({"ref_ids": [[1], [2]]}, r"contradicts itself.* 2 reference numbers"),
        ({"im_names": ["a", "b", "A"]}, r"names images more than once: A, a"),
        ({"ref_ids": [[1], [2], [4]]}, r"expected reference numbers 1 to 3"),
        ({"ref_ids": [[1], [2], [np.nan]]}, r"expected reference numbers 1 to 3"),
        ({"index": [[1, 2, 3], [1, 2, 2]]}, r"in every row of 'index', each of them once"),
        ({"index": [[1, 2], [2, 1]]}, r"found an index of shape \(2, 2\)"),
    ],
)
def test_a_table_that_contradicts_itself(tmp_path, hdf5, change, message):
    whole = {
        "im_names": ["a", "b", "c"],
        "subjective_scores": [[1], [2], [3]],
        "ref_ids": [[1], [2], [3]],
        "index": [[3, 1, 2], [1, 2, 3]],
    }
    assert len(read_published(hdf5(tmp_path / "whole.mat", **whole)).labels) == 3
    with pytest.raises(DataError, match=message):
        read_published(hdf5(tmp_path / "a.mat", **whole | change))


def test_a_table_is_found_in_the_documented_places(tmp_path, monkeypatch):
    root, home, here = tmp_path / "root", tmp_path / "home", tmp_path / "here"
    for folder in (root, home, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HMTNET_DATA", str(home))
    settings = DataSettings(reader="qads", table="t.mat")
    with pytest.raises(DataError, match=r"'t\.mat' was not found: looked for .*root.*home"):
        find_table(settings, root)
    for folder in (here, home, root):
        (folder / "t.mat").write_bytes(b"")
        assert find_table(settings, root).resolve() == folder / "t.mat"
    absolute = DataSettings(reader="qads", table=str(here / "t.mat"))
    assert find_table(absolute, root) == here / "t.mat"


def test_only_published_tables_replace_the_labels():
    with pytest.raises(SettingsError, match=r"data\.table='labels\.csv'.*use data=table"):
        find_table(DataSettings(reader="qads", table="labels.csv"), None)


def test_labels_alone_need_no_folder_of_images(table):
    path, _ = table
    settings = DataSettings(reader="qads", table=str(path), labels_only=True)
    root, found = open_source(settings, FACTS)
    assert root == path.parent and found is not None and len(found.labels) == 4
    with pytest.raises(DataError, match=r"'qads' not found.*obtained from its authors"):
        open_source(DataSettings(reader="qads", table=str(path)), FACTS)
