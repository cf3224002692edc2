import pytest

from hmtnet.data.readers import read_labels, tid2013
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

LINES = ["5.51429 I01_01_1.bmp", "5.56757 i01_01_2.bmp", "0.24242 I25_24_5.bmp", "7.2 I25_08_1.bmp"]
STDS = ["0.13013", "0.18", "0.1", "0.2"]
# The letter case of file names and of labels differs, as shipped.
FILES = ["i01_01_1", "I01_01_2", "I25_24_5", "i25_08_1"]


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "tid2013",
        *,
        lines=LINES,
        sources=("I01.BMP", "i25.bmp"),
        suffix=".bmp",
        line_end="\n",
    ):
        for i, name in enumerate(FILES):
            noise(root / "distorted_images" / (name + suffix), i)
        (root / "distorted_images" / "Thumbs.db").write_bytes(b"x")
        for i, name in enumerate(sources):
            noise(root / "reference_images" / name, 100 + i)
        texts = {
            "mos_with_names": lines,
            "mos": [line.partition(" ")[0] for line in lines],
            "mos_std": STDS,
        }
        for name, rows in texts.items():
            (root / f"{name}.txt").write_bytes((line_end.join(rows) + line_end).encode())
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="tid2013", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    found = [(r.image, r.mos, r.reference, r.method) for r in labels.records]
    assert found == [
        ("distorted_images/i01_01_1.bmp", 5.51429, "I01", "additive Gaussian noise"),
        ("distorted_images/I01_01_2.bmp", 5.56757, "I01", "additive Gaussian noise"),
        ("distorted_images/i25_08_1.bmp", 7.2, "I25", "Gaussian blur"),
        ("distorted_images/I25_24_5.bmp", 0.24242, "I25", tid2013.DISTORTIONS[23]),
    ]
    sources = ["reference_images/I01.BMP", "reference_images/i25.bmp"]
    assert [r.reference_image for r in labels.records[1:3]] == sources
    # mos_std.txt has standard errors.
    assert {r.mos_std for r in labels.records} == {None}
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 9.0), True)
    assert len(set(labels.content)) == 2 and {r.scale for r in labels.records} == {None}
    assert (labels.licence, labels.citation) == (tid2013.FACTS.licence, tid2013.FACTS.citation)
    assert "has 3000 scored images; this folder has 4" in caplog.text


def test_the_facts_agree_with_each_other():
    facts = tid2013.FACTS
    assert len(set(tid2013.DISTORTIONS)) == facts.methods
    assert facts.references * facts.methods * 5 == facts.images


@pytest.mark.parametrize("variant", [{"suffix": ".png"}, {"suffix": ".BMP"}, {"line_end": "\r\n"}])
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records
    assert [(r.mos, r.method) for r in found] == [(r.mos, r.method) for r in official]


def test_references_are_optional_as_a_whole(make, caplog):
    assert {r.reference_image for r in read(make(sources=())).records} == {None}
    assert "no folder reference_images/" in caplog.text


def test_labels_alone_need_no_images(make, tmp_path):
    root = make(sources=())
    (root / "distorted_images").rename(tmp_path / "elsewhere")
    first = read(root, labels_only=True).records[0]
    assert (first.image, first.reference) == ("I01_01_1.bmp", "I01")


def test_one_error_lists_all_faults(make, noise):
    lines = [*LINES, "5 I01_25_1.bmp", "5 i01_01_1.BMP", "I01_02_1.bmp", "5 I01_02_1.bmp"]
    root = make(lines=lines, sources=("I25.bmp",))
    noise(root / "distorted_images" / "I01_03_1.bmp")
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert "1 malformed label lines (line 7: 'I01_02_1.bmp')" in message
    assert "1 names with more than one label (line 6: i01_01_1.BMP)" in message
    assert "1 malformed names in the labels (line 5: 'I01_25_1.bmp')" in message
    assert "1 labels without an image (I01_02_1.bmp)" in message
    assert "1 references without an image in 'reference_images' (I01)" in message
    assert "1 images without a label (distorted_images/I01_03_1.bmp)" in message


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "tid2013")
    with pytest.raises(DataError, match=r"TID2013: distorted_images, mos.*Did you mean '.*13'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"range": (0.0, 1.0)}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'tid2013'"):
        read(make(), **options)
