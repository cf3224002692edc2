import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.pipal import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

SCORES = {
    f"{reference}_{version}.bmp": 1400.0 + 50 * i + 0.0648 + j
    for i, reference in enumerate(("A0001", "A0060", "A0121"))
    for j, version in enumerate(("00_00", "00_01", "06_26"))
}
FOLDERS = {"A0001": "Distortion_1", "A0060": "Distortion_2", "A0121": "Distortion_3/Distortion_3"}


@pytest.fixture
def make_pipal(tmp_path, noise):
    """Make a folder in the layout of PIPAL: 3 references × 3 versions."""

    def make(root=tmp_path / "pipal", *, folders=FOLDERS, sources="Train_Ref", line_end="\n"):
        for i, name in enumerate(SCORES):
            noise(root / folders[name[:5]] / name, i)
        # Validation images have no labels.
        noise(root / "Valid_Dist" / "A0201_00_00.bmp")
        for reference in FOLDERS:
            lines = [f"{n},{s:.4f}{line_end}" for n, s in SCORES.items() if n.startswith(reference)]
            path = root / "Train_Label" / f"{reference}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes("".join(lines).encode())
            if sources:
                noise(root / sources / f"{reference}.bmp")
        return root

    return make


def read_pipal(root, **options):
    return read_labels(DataSettings(reader="pipal", root=str(root), **options))


@pytest.mark.parametrize(
    "variant",
    [
        {},
        {"line_end": "\r\n"},
        {"sources": "train_ref"},
        {"folders": dict.fromkeys(FOLDERS, "Train_Dist")},
        {"folders": dict.fromkeys(FOLDERS, "distortion1")},
    ],
)
def test_the_official_layout_is_read_whole(make_pipal, variant):
    labels = read_pipal(make_pipal(**variant))
    found = {record.image: record for record in labels.records}
    assert len(found) == len(labels) == len(SCORES)
    for name, score in SCORES.items():
        record = found[f"{variant.get('folders', FOLDERS)[name[:5]]}/{name}"]
        assert record.mos == pytest.approx(score, abs=1e-9)
        assert (record.reference, record.method) == (name[:5], name[6:11])
        assert record.reference_image == f"{variant.get('sources', 'Train_Ref')}/{name[:5]}.bmp"
        assert record.scale is None and record.official is None
    assert labels.mos_range == (800.0, 1900.0) and labels.higher_is_better
    assert labels.facts is FACTS


def test_labels_alone_and_no_references(make_pipal):
    root = make_pipal(sources=None)
    assert all(record.reference_image is None for record in read_pipal(root).records)
    labels = read_pipal(root, labels_only=True)
    assert [record.image for record in labels.records] == sorted(SCORES)


def test_missing_unlabelled_and_repeated_images(make_pipal, noise):
    root = make_pipal()
    (root / "Distortion_1" / "A0001_00_00.bmp").unlink()
    (root / "Train_Ref" / "A0060.bmp").unlink()
    noise(root / "Distortion_4" / "A0185_00_00.bmp")
    noise(root / "Distortion_4" / "A0001_00_01.png")
    (root / "Train_Label" / "A0185.txt").write_text("A0060_00_00.bmp,1500\n")
    with pytest.raises(DataError) as error:
        read_pipal(root)
    message = str(error.value)
    assert "1 labels without an image (A0001_00_00.bmp)" in message
    assert "1 references without an image in 'Train_Ref' (A0060)" in message
    assert "1 images without a label (Distortion_4/A0185_00_00.bmp)" in message
    assert "more than once (Distortion_1/A0001_00_01.bmp and Distortion_4/A0001_00_01.png)" in (
        message
    )
    assert "names with more than one label (A0185.txt line 1: A0060_00_00.bmp)" in message


def test_malformed_lines_and_names(make_pipal):
    root = make_pipal()
    (root / "Train_Label" / "A0001.txt").write_text("A0001_00_00.bmp\nA1_00.bmp,1400\n")
    with pytest.raises(DataError) as error:
        read_pipal(root)
    message = str(error.value)
    assert "1 malformed label lines (A0001.txt line 1: 'A0001_00_00.bmp')" in message
    assert "1 malformed names in the labels (A0001.txt line 2: 'A1_00.bmp')" in message


def test_a_wrong_folder_names_the_right_one(make_pipal, tmp_path):
    make_pipal(tmp_path / "outer" / "PIPAL")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/PIPAL'\?"):
        read_pipal(tmp_path / "outer")


def test_a_published_table_is_for_the_other_reader(make_pipal):
    with pytest.raises(SettingsError, match=r"data\.table='PIPAL_SRsubset_meta\.mat'.*no use"):
        read_pipal(make_pipal(), table="PIPAL_SRsubset_meta.mat")
