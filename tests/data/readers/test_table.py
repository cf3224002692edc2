import logging

import pytest

from hmtnet.data.readers import read, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

MEANING = {"range": (0.0, 10.0), "direction": "lower", "label_kind": "human"}
PLAIN = "image,mos\na.png,1.5\nb.png,9\n"


def read_table(root, **options):
    return read(DataSettings(reader="table", root=str(root), **(MEANING | options)))


def test_a_plain_table(make_table):
    manifest = read_table(make_table(PLAIN), name="mine", licence="CC0", citation="me")
    assert [(r.image, r.mos) for r in manifest.records] == [("a.png", 1.5), ("b.png", 9.0)]
    assert manifest.records[0].reference is None and len(set(manifest.content)) == 2
    assert (manifest.name, manifest.licence, manifest.citation) == ("mine", "CC0", "me")
    assert manifest.mos_range == (0.0, 10.0) and not manifest.higher_is_better
    assert manifest.unit_mos.tolist() == pytest.approx([0.85, 0.1])


def test_a_table_without_a_name_is_called_as_its_folder(make_table, monkeypatch):
    root = make_table(PLAIN)
    assert read_table(root).name == root.name
    monkeypatch.chdir(root)
    assert read_table(".").name == root.name


def test_every_column_is_read(make_table, noise):
    text = (
        "mos_std,image,mos,reference,method,scale,reference_image,comment\n"
        '0.5,"a, b.png",1.5,sea,SRCNN,2,ref.png,nice\n'
        ",c.png,2,,,4.0,,\n"
    )
    root = make_table(text, images=["a, b.png", "c.png", "ref.png"])
    one, two = read_table(root).records
    assert one.image == "a, b.png" and one.mos_std == 0.5 and one.reference_image == "ref.png"
    assert (one.reference, one.method, one.scale) == ("sea", "SRCNN", 2)
    assert (two.reference, two.method, two.scale, two.mos_std) == (None, None, 4, None)
    assert two.reference_image is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_separators_encodings_and_line_ends(make_table, delimiter, encoding, line_end):
    text = line_end.join(["image,mos", "Grün.png,1.5", "", "b.png,9", ""])
    root = make_table(text.replace(",", delimiter), images=["Grün.png", "b.png"], encoding=encoding)
    assert [r.image for r in read_table(root).records] == ["Grün.png", "b.png"]


def test_columns_and_folders_can_have_other_names(make_table):
    text = "name,quality,ref\na.jpg,1,sea.png\nx/b.jpg,2,pristine/sky.png\n"
    images = ["in/a.jpg", "in/x/b.jpg", "in/sea.png", "pristine/sky.png"]
    root = make_table(text, name="mos.txt", images=images)
    columns = {"image": "name", "mos": "quality", "reference_image": "ref"}
    manifest = read_table(root, table="mos.txt", images="in", columns=columns)
    assert [r.image for r in manifest.records] == ["in/a.jpg", "in/x/b.jpg"]
    assert [r.reference_image for r in manifest.records] == ["in/sea.png", "pristine/sky.png"]


def test_windows_separators_in_names(make_table):
    root = make_table("image,mos\nx\\a.png,1\n", images=["x/a.png"])
    assert read_table(root).records[0].image == "x/a.png"


def test_one_error_asks_for_everything_that_is_undeclared(make_table):
    root = str(make_table(PLAIN))
    with pytest.raises(SettingsError) as error:
        read(DataSettings(reader="table", root=root))
    assert "data.range=[0,1] data.direction=higher data.label_kind=human" in str(error.value)
    with pytest.raises(SettingsError, match=r"mean: data\.direction must be declared"):
        read_table(root, direction=None)


def test_unknown_columns_name_the_nearest(make_table):
    root = make_table("name,mos\na.png,1\n")
    with pytest.raises(SettingsError, match=r"data\.columns\.imag'.*Did you mean 'image'"):
        read_table(root, columns={"imag": "name"})
    with pytest.raises(
        DataError, match=r"no column 'nam' in its header \(name, mos\).*mean 'name'"
    ):
        read_table(root, columns={"image": "nam"})
    with pytest.raises(DataError, match=r"no column 'image'.*data\.columns=\{image: …\}"):
        read_table(root)
    with pytest.raises(DataError, match="no column 'ref'"):
        read_table(root, columns={"image": "name", "reference": "ref"})


def test_an_empty_table_and_a_doubled_column(make_table):
    with pytest.raises(DataError, match=r"no column 'image', 'mos' .*\(empty\)"):
        read_table(make_table(""))
    with pytest.raises(DataError, match="more than one column mos"):
        read_table(make_table("image,mos,mos\na.png,1,2\n"))
    with pytest.raises(DataError, match="no scored image"):
        read_table(make_table("image,mos\n"))


def test_the_only_table_is_taken_and_several_are_listed(make_table):
    root = make_table(PLAIN)
    make_table(PLAIN, name="other.CSV")
    with pytest.raises(DataError, match=r"several: labels\.csv, other\.CSV.*data\.table"):
        read_table(root)
    assert len(read_table(root, table="other.CSV")) == 2
    with pytest.raises(DataError, match=r"nothing\.csv' does not exist; .* holds a\.png"):
        read_table(root, table="nothing.csv")


def test_no_table(tmp_path):
    with pytest.raises(DataError, match=r"found none; .* is empty"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("a.png,", r"1 rows without a MOS \(line 3: ''\)"),
        ("a.png,good", r"MOS should be a number \(line 3: 'good'\)"),
        (",3", r"rows without an image name \(line 3: ''\)"),
        ("absent.png,3", r"1 labels without an image \(line 3: 'absent\.png'\)"),
        ("a.png,nan", r"without a finite MOS: a\.png \(nan\)"),
        ("a.png,11", r"outside the declared range 0 to 10: a\.png \(11\)"),
        ("b.png,3", r"named more than once: b\.png"),
        ("./b.png,3", r"named more than once: b\.png"),
        ("a.png,3,4", "has 2 columns, but line 3 has 3"),
        ("../secret.png,3", r"leave the dataset's folder \(line 3: '\.\./secret\.png'\)"),
        ("x/../../secret.png,3", "leave the dataset's folder"),
        ("/etc/passwd,3", r"1 absolute names.*'/etc/passwd'"),
        (r"C:\x\a.png,3", "1 absolute names"),
    ],
)
def test_faulty_rows(make_table, noise, tmp_path, cells, message):
    noise(tmp_path / "secret.png")
    root = make_table(f"image,mos\nb.png,1\n{cells}\n", images=["a.png", "b.png"])
    with pytest.raises(DataError, match=message):
        read_table(root)


def test_faults_of_all_rows_come_in_one_error(make_table):
    root = make_table(
        "image,mos,scale\na.png,,2\nb.png,1,-2.5\nc.png,1,2\n", images=["a.png", "b.png"]
    )
    with pytest.raises(
        DataError, match=r"without a MOS.*scale should be a number above 0.*without an image"
    ):
        read_table(root)


def test_a_link_that_leaves_the_root(make_table, noise, tmp_path):
    noise(tmp_path / "secret.png")
    root = make_table(PLAIN, images=["b.png"])
    (root / "a.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=r"leave the dataset's folder '.*own': a\.png"):
        read_table(root)


def test_folder_and_table_outside_the_root(make_table, tmp_path):
    root = make_table(PLAIN)
    (tmp_path / "other.csv").write_text(PLAIN)
    with pytest.raises(DataError, match=r"data\.images='\.\.' leaves the dataset's folder"):
        read_table(root, images="..")
    with pytest.raises(DataError, match=r"data\.table='\.\./other\.csv' leaves"):
        read_table(root, table="../other.csv")
    with pytest.raises(DataError, match=r"data\.images='nowhere' is no folder"):
        read_table(root, images="nowhere")


def test_images_without_label_are_counted_and_left_out(make_table, caplog):
    text = "image,mos,reference_image\na.png,1,r.png\n"
    root = make_table(text, images=["a.png", "r.png", "x/extra.JPG", "extra.png"])
    with caplog.at_level(logging.WARNING):
        manifest = read_table(root)
    assert len(manifest) == 1
    assert "2 images below" in caplog.text and "extra.png, x/extra.JPG" in caplog.text


@pytest.mark.parametrize(
    ("cell", "subset"),
    [("train", "train"), ("Training", "train"), ("valid", "val"), ("TEST", "test"), ("", None)],
)
def test_the_official_subset_is_read(make_table, cell, subset):
    root = make_table(f"image,mos,split\na.png,1,{cell}\n")
    assert read_table(root).records[0].official == subset


def test_an_unknown_subset(make_table):
    root = make_table("image,mos,part\na.png,1,fold 1\nb.png,1,test\n")
    with pytest.raises(DataError, match=r"split should be train, val or test \(line 2: 'fold 1'\)"):
        read_table(root, columns={"split": "part"})


def test_labels_alone_need_no_images(make_table):
    root = make_table("image,mos,reference_image\nx\\a.png,1,r.png\n./b.png,9,\n", images=[])
    settings = DataSettings(reader="table", root=str(root), labels_only=True, **MEANING)
    labels = read_labels(settings)
    assert [r.image for r in labels.records] == ["x/a.png", "b.png"]
    assert [r.reference_image for r in labels.records] == ["r.png", None]
    with pytest.raises(DataError, match="2 labels without an image"):
        read_table(root)


def test_what_a_mac_leaves_behind_is_not_there(make_table, noise, caplog):
    root = make_table("image,mos\na.png,1\n", images=["a.png"])
    (root / "._labels.csv").write_bytes(b"\0\5\x16\7")
    noise(root / "__MACOSX/a.png")
    noise(root / "._a.png")
    assert len(read_table(root).records) == 1
    assert "no label" not in caplog.text


@pytest.mark.parametrize("empty", ["nan", "NaN", "None", "NA", "null", "NULL"])
def test_words_for_an_empty_cell_are_empty_cells(make_table, empty):
    optional = ("reference", "method", "scale", "reference_image", "mos_std", "split")
    text = f"image,mos,{','.join(optional)}\na.png,1{6 * f',{empty}'}\n"
    (record,) = read_table(make_table(text, images=["a.png"])).records
    told = ("reference", "method", "scale", "reference_image", "mos_std", "official")
    assert [getattr(record, name) for name in told] == [None] * 6


def test_a_scale_factor_may_be_a_fraction(make_table):
    text = "image,mos,scale\na.png,1,1.5\nb.png,1,2.0\n"
    one, two = read_table(make_table(text, images=["a.png", "b.png"])).records
    assert one.scale == 1.5 and repr(two.scale) == "2"


def test_names_in_other_letters_are_found(make_table):
    root = make_table(
        "image,mos\nSub/CAFE\u0301.PNG,1\nb.png,2\n", images=["sub/café.png", "b.png"]
    )
    assert {record.image for record in read_table(root).records} == {"sub/café.png", "b.png"}
