import pytest

from hmtnet.data.readers import koniq10k, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

ROWS = [
    "10004473376.jpg,0.0,0.0,0.238,0.695,0.067,105,77.38,0.53,training",
    "10007357496.jpg,0.0,0.03,0.41,0.54,0.02,103,70.28,0.58,validation",
    "10009096245.jpg,0.0,0.1,0.5,0.4,0.0,100,3.91,0.64,test",
]
SETS = ["image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set", *ROWS]
# Before the sets were published: the five-point score, and the one in [0, 100] as a z-score.
EARLIER = [
    '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"',
    '"10004473376.jpg",0,0,25,73,7,105,3.82857142857143,0.52,77.38',
    '"10007357496.jpg",0,3,42,56,2,103,3.55,0.58,70.28',
    '"10009096245.jpg",0,10,50,40,0,100,3.3,0.64,3.91',
]


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "koniq10k",
        *,
        lines=SETS,
        table="koniq10k_distributions_sets.csv",
        images=("1024x768",),
        suffix=".jpg",
        line_end="\n",
        encoding="utf-8",
    ):
        for folder in images:
            for i, name in enumerate(("10004473376", "10007357496", "10009096245")):
                noise(root / folder / (name + suffix), i)
            (root / folder / "desktop.ini").write_bytes(b"")
        root.mkdir(exist_ok=True)
        (root / table).write_bytes((line_end.join(lines) + line_end).encode(encoding))
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="koniq10k", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    assert [(r.image, r.mos, r.official) for r in labels.records] == [
        ("1024x768/10004473376.jpg", 77.38, "train"),
        ("1024x768/10007357496.jpg", 70.28, "val"),
        ("1024x768/10009096245.jpg", 3.91, "test"),
    ]
    # SD is on another scale than the MOS.
    assert all(record.mos_std is None for record in labels.records)
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 100.0), True)
    assert (labels.licence, labels.citation) == (koniq10k.FACTS.licence, koniq10k.FACTS.citation)
    assert "has 10073 scored images; this folder has 3" in caplog.text
    assert sum(koniq10k.FACTS.subsets.values()) == koniq10k.FACTS.images


@pytest.mark.parametrize(
    "variant",
    [
        {"images": ("512x384",)},
        {"line_end": "\r\n"},
        {"encoding": "utf-8-sig"},
        {"suffix": ".JPG"},
        {"table": "KonIQ10k_Distributions_Sets.csv"},
    ],
)
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records
    assert [(r.mos, r.official) for r in found] == [(r.mos, r.official) for r in official]


def test_the_earlier_table_has_another_mos_column_and_no_split(make):
    labels = read(make(lines=EARLIER, table="koniq10k_scores_and_distributions.csv"))
    assert [record.mos for record in labels.records] == [77.38, 70.28, 3.91]
    assert {record.official for record in labels.records} == {None}


def test_of_two_sizes_and_two_tables_the_official_ones_are_read(make):
    root = make(images=("512x384", "1024x768"))
    (root / "koniq10k_scores_and_distributions.csv").write_text("\n".join(EARLIER[:2]))
    labels = read(root)
    assert len(labels) == 3 and labels.records[0].official == "train"
    assert all(record.image.startswith("1024x768/") for record in labels.records)


def test_labels_alone_need_no_images(make):
    labels = read(make(images=()), labels_only=True)
    assert labels.records[2].image == "10009096245.jpg"


def test_one_error_lists_all_faults(make, noise):
    lines = [SETS[0], ROWS[0], ROWS[0].upper(), "1.jpg,0,0,0,0,0,0,50,0,testing", "2.jpg,0,0"]
    root = make(lines=lines)
    noise(root / "1024x768" / "1.png")
    noise(root / "1024x768" / "3.jpg")
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert (
        "1 malformed label lines (koniq10k_distributions_sets.csv line 5: '2.jpg,0,0')" in message
    )
    assert "1 names with more than one label" in message
    assert (
        "1 labels of an unknown set (koniq10k_distributions_sets.csv line 4: 'testing')" in message
    )
    assert "3 images without a label (1024x768/10007357496.jpg" in message
    assert "Konstanz" in message


def test_a_label_without_an_image(make):
    root = make()
    (root / "1024x768" / "10007357496.jpg").unlink()
    with pytest.raises(DataError, match=r"1 labels without an image \(10007357496\.jpg\)"):
        read(root)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "koniq")
    with pytest.raises(DataError, match=r"layout of KonIQ-10k: 1024x768.*Did you mean '.*koniq'"):
        read(tmp_path / "outer")


def test_a_table_of_another_dataset(make):
    with pytest.raises(DataError, match="no column 'image_name', 'set' in its header"):
        read(make(lines=["name,MOS", "10004473376.jpg,3"]))


@pytest.mark.parametrize("options", [{"range": (1.0, 5.0)}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'koniq10k'"):
        read(make(), **options)
