import math

import pytest

from hmtnet.data.readers import kadid10k, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

HEADER = "dist_img,ref_img,dmos,var"
ROWS = [
    "I01_01_01.png,I01.png,4.57,0.496",
    "I01_25_05.png,I01.png,1.0,0.25",
    "I81_09_03.png,I81.png,2.77,1.4",
    "I81_10_03.png,I81.png,5,0",
]


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "kadid10k",
        *,
        rows=ROWS,
        suffix=".png",
        upper=False,
        line_end="\n",
        head=HEADER,
    ):
        names = ["I01", "I81", *(row.partition(".")[0] for row in ROWS)]
        for i, name in enumerate(names):
            file = name + suffix
            noise(root / "images" / (file.upper() if upper else file), i)
        (root / "images" / "Thumbs.db").write_bytes(b"x")
        (root / "dmos.csv").write_bytes((line_end.join([head, *rows]) + line_end).encode())
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="kadid10k", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    found = [(r.image, r.mos, r.reference, r.method, r.reference_image) for r in labels.records]
    assert found == [
        ("images/I01_01_01.png", 4.57, "I01", "Gaussian blur", "images/I01.png"),
        ("images/I01_25_05.png", 1.0, "I01", "contrast change", "images/I01.png"),
        ("images/I81_09_03.png", 2.77, "I81", "JPEG2000", "images/I81.png"),
        ("images/I81_10_03.png", 5.0, "I81", "JPEG", "images/I81.png"),
    ]
    # var is a standard deviation.
    assert [r.mos_std for r in labels.records] == [0.496, 0.25, 1.4, 0.0]
    # "DMOS", but 5 is the best.
    assert (labels.mos_range, labels.higher_is_better) == ((1.0, 5.0), True)
    assert labels.unit_mos.tolist()[1::2] == [0.0, 1.0]
    assert labels.content[0] == "kadid10k/I01" and {r.scale for r in labels.records} == {None}
    assert (labels.licence, labels.citation) == (kadid10k.FACTS.licence, kadid10k.FACTS.citation)
    assert "has 10125 scored images; this folder has 4" in caplog.text


@pytest.mark.parametrize(("mos", "var"), [(4.57, 0.496), (4.33, 0.869)])
def test_var_of_the_official_table_can_only_be_a_standard_deviation(mos, var):
    # The first two rows. 30 whole ratings have a whole sum and a whole sum of squares.
    mean = round(30 * mos) / 30
    assert round(mean, 2) == mos
    variances = [squares / 30 - mean**2 for squares in range(30, 751)]
    assert any(abs(math.sqrt(v) - var) < 0.0005 for v in variances if v >= 0)
    assert not any(abs(v - var) < 0.0005 for v in variances)


def test_the_facts_agree_with_each_other():
    facts = kadid10k.FACTS
    assert len(set(kadid10k.DISTORTIONS)) == facts.methods
    assert facts.references * facts.methods * 5 == facts.images


@pytest.mark.parametrize(
    "variant",
    [
        {"suffix": ".bmp"},
        {"upper": True},
        {"line_end": "\r\n"},
        {"head": "\ufeff" + HEADER},
        {"rows": [row.lower() for row in reversed(ROWS)]},
    ],
)
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records

    def said(records):
        return [(r.reference, r.method, r.mos, r.mos_std) for r in records]

    assert said(found) == said(official)
    assert all(record.reference_image for record in found)


def test_labels_alone_need_no_images(make, tmp_path):
    root = make()
    (root / "images").rename(tmp_path / "elsewhere")
    first = read(root, labels_only=True).records[0]
    assert (first.image, first.reference, first.reference_image) == ("I01_01_01.png", "I01", None)


def test_one_error_lists_all_faults(make, noise):
    rows = [
        *ROWS[:2],
        "i01_01_01.PNG,I01.png,3,0.1",
        "I81_09_03.png,I01.png,2.77,1.4",
        "I81_10_03.png,I81.png,5,",
        "I01_26_01.png,I01.png,3,1",
        "holiday.png,I01.png,3,1",
        "I01_02_01.png,I01.png,3,1",
        "I01_02_02.png,I01.png,bad,1",
    ]
    root = make(rows=rows)
    (root / "images" / "I81.png").unlink()
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert "1 malformed label lines (dmos.csv line 10: 'I01_02_02.png, I01.png, bad, 1')" in message
    assert "1 names with more than one label (dmos.csv line 4: i01_01_01.PNG)" in message
    assert "2 malformed names in the labels" in message and "'I01_26_01.png'" in message
    assert "1 labels without an image (I01_02_01.png)" in message
    assert "name the reference of another image (dmos.csv line 5: I81_09_03.png of 'I01" in message
    assert "1 labels without a number in var (dmos.csv line 6: I81_10_03.png)" in message
    assert "1 references without an image (I81)" in message


def test_an_image_without_label_and_a_lossy_copy(make, noise):
    root = make()
    noise(root / "images" / "I01_02_05.png")
    (root / "images" / "I81_09_03.png").unlink()
    noise(root / "images" / "I81_09_03.jpg")
    with pytest.raises(DataError) as error:
        read(root)
    assert "1 images without a label (images/I01_02_05.png)" in str(error.value)
    assert "only as a lossy copy, images/I81_09_03.jpg" in str(error.value)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "kadid10k")
    with pytest.raises(DataError, match=r"KADID-10k: images, dmos\.csv not.*Did you mean '.*10k'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"direction": "lower"}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'kadid10k'"):
        read(make(), **options)
