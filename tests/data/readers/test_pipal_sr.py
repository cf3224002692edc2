import pytest

from hmtnet.data.readers.pipal_sr import FACTS, read
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

TABLE = "PIPAL_SRsubset_meta.mat"
SCORES = {"A0060_00_00.bmp": 0.75, "A0060_06_26.bmp": 0.0, "A0063_00_00.bmp": 1.0}


@pytest.fixture
def make_pipal_sr(tmp_path, noise, published_table):
    """Make a folder of PIPAL with the published table of three of its five images."""

    def make(root=tmp_path / "pipal"):
        for i, name in enumerate([*SCORES, "A0001_00_00.bmp", "A0060_00_01.bmp"]):
            noise(root / "Distortion_2" / name, i)
        for reference in ("A0060", "A0063"):
            noise(root / "Train_Ref" / f"{reference}.bmp")
        published_table(root / TABLE, SCORES, list(SCORES.values()), [1, 1, 2])
        return root

    return make


def read_pipal_sr(root, table=TABLE, **options):
    return read(DataSettings(reader="pipal_sr", root=str(root), table=table, **options))


def test_the_table_selects_images_and_labels(make_pipal_sr):
    labels = read_pipal_sr(make_pipal_sr())
    assert {record.image: record.mos for record in labels.records} == {
        f"Distortion_2/{name}": score for name, score in SCORES.items()
    }
    assert [record.reference for record in labels.records] == ["A0060", "A0060", "A0063"]
    assert [record.method for record in labels.records] == ["00_00", "06_26", "00_00"]
    assert labels.records[2].reference_image == "Train_Ref/A0063.bmp"
    assert labels.published.references.tolist() == [1, 1, 2]
    assert labels.published.permutations.shape == (5, 2)
    assert labels.mos_range == (0.0, 1.0) and labels.facts is FACTS


def test_labels_alone_need_no_images(make_pipal_sr):
    table = make_pipal_sr() / TABLE
    labels = read(DataSettings(reader="pipal_sr", table=str(table), labels_only=True))
    assert [record.image for record in labels.records] == sorted(SCORES)


def test_a_missing_image_and_a_wrong_folder(make_pipal_sr, tmp_path):
    root = make_pipal_sr()
    (root / "Distortion_2" / "A0063_00_00.bmp").unlink()
    with pytest.raises(DataError, match=r"1 labels without an image \(A0063_00_00\.bmp\)"):
        read_pipal_sr(root)
    with pytest.raises(DataError, match=r"Distortion_1 not found.*Did you mean '.*pipal'\?"):
        read_pipal_sr(tmp_path, table=str(root / TABLE))


def test_reference_numbers_that_contradict_the_names(make_pipal_sr, published_table):
    root = make_pipal_sr()
    published_table(root / TABLE, SCORES, list(SCORES.values()), [1, 2, 2])
    with pytest.raises(DataError, match="A0060 is number 1, A0060 is number 2"):
        read_pipal_sr(root)


def test_a_table_is_needed(make_pipal_sr):
    with pytest.raises(SettingsError, match=r"set data\.table to PIPAL_SRsubset_meta\.mat.*data=p"):
        read_pipal_sr(make_pipal_sr(), table=None)
    with pytest.raises(SettingsError, match=r"data\.range="):
        read_pipal_sr(make_pipal_sr(), range=(800.0, 1900.0))
