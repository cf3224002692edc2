import statistics

import openpyxl
import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.isrgen_qa import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

# Image, its low-resolution version, reference, method, scale: as the dataset names them.
IMAGES = {
    "train": [
        ("ATD_x2_0813x2.png", "0813x2.png", "0813", "ATD", 2),
        ("SR_ESRGAN_0813x4.png", "0813x4.png", "0813", "SR_ESRGAN", 4),
        ("SeD_SwinIR-SeD_0820x4.png", "0820x4.png", "0820", "SeD_SwinIR-SeD", 4),
        # Numbered otherwise: 0813 exists too, and is another image.
        ("BFSR_EDSR-LINF_x4_813x4.png", "0820x4.png", "0820", "BFSR_EDSR-LINF", 4),
    ],
    "val": [("SwinIR_x8_0820x8.png", "0820x8.png", "0820", "SwinIR", 8)],
    "test": [("Real-ESRGAN_x3_0813x3.png", "0813x3.png", "0813", "Real-ESRGAN", 3)],
}


def ratings_of(name):
    return [1 + (len(name) * person) % 5 for person in range(21)]


def save_sheet(path, images, change=None):
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    people = [f"P{person}" for person in range(1, 22)]
    book.active.append(["Image_name", "LR_ref", "HR_ref", *people, "MOS"])
    short = book.create_sheet("Sheet2")
    short.append(["Image_name", "#", "MOS", "#", "LR_ref"])
    for name, low, reference, *_ in images:
        ratings = ratings_of(name)
        row = [name, low, f"{reference}.png", *ratings, statistics.fmean(ratings)]
        book.active.append((change or (lambda row: row))(row))
        short.append([name, "#", 99, "#", low])
    for _ in range(30):
        short.append([None, "#", None, "#", None])
    book.save(path)


@pytest.fixture
def make_isrgen(tmp_path, noise):
    """Make a folder in the layout of ISRGen-QA: 2 references, 4 + 1 + 1 images."""

    def make(root=tmp_path / "isrgen", *, kind="xlsx", images="SR", sources=True):
        for i, (name, *_) in enumerate(image for rows in IMAGES.values() for image in rows):
            noise(root / images / name, i)
        for reference in ("0813", "0820") if sources else ():
            noise(root / "HR" / f"{reference}.png")
        for subset, rows in IMAGES.items():
            if kind == "xlsx":
                save_sheet(root / f"{subset}.xlsx", rows)
                continue
            lines = []
            for name, low, *_ in rows:
                mos = f"{statistics.fmean(ratings_of(name)):.15g}"
                lines.append("#".join([name, low, mos] if subset == "test" else [name, mos, low]))
            (root / f"{subset}.txt").write_bytes("\r\n".join(lines).encode())
        return root

    return make


def read_isrgen(root, **options):
    return read_labels(DataSettings(reader="isrgen_qa", root=str(root), **options))


@pytest.mark.parametrize("kind", ["xlsx", "txt"])
@pytest.mark.parametrize("alone", [False, True])
def test_the_official_layout_is_read_whole(make_isrgen, kind, alone):
    labels = read_isrgen(make_isrgen(kind=kind), labels_only=alone)
    found = {record.image: record for record in labels.records}
    assert len(found) == len(labels) == 6
    for subset, rows in IMAGES.items():
        for name, _, reference, method, scale in rows:
            record = found[name if alone else f"SR/{name}"]
            assert record.mos == pytest.approx(statistics.fmean(ratings_of(name)), abs=1e-12)
            assert (record.reference, record.method, record.scale) == (reference, method, scale)
            assert record.official == subset
            assert record.reference_image == (None if alone else f"HR/{reference}.png")
            std = statistics.stdev(ratings_of(name)) if kind == "xlsx" else None
            assert record.mos_std == std
    assert labels.mos_range == (1.0, 5.0) and labels.facts is FACTS


def test_spreadsheets_are_preferred(make_isrgen):
    root = make_isrgen()
    for subset in IMAGES:
        (root / f"{subset}.txt").write_text("nothing of use")
    assert read_isrgen(root).records[0].mos_std is not None


def test_known_variants(make_isrgen):
    labels = read_isrgen(make_isrgen(images="sr", sources=False))
    assert labels.records[0].image == "sr/ATD_x2_0813x2.png"
    assert all(record.reference_image is None for record in labels.records)


def test_missing_unlabelled_and_repeated(make_isrgen, noise):
    root = make_isrgen()
    (root / "SR" / "SR_ESRGAN_0813x4.png").unlink()
    (root / "HR" / "0820.png").unlink()
    noise(root / "SR" / "ATD_x2_0999x2.png")
    save_sheet(root / "val.xlsx", IMAGES["val"] + IMAGES["train"][:1])
    with pytest.raises(DataError) as error:
        read_isrgen(root)
    message = str(error.value)
    assert "1 labels without an image (SR_ESRGAN_0813x4.png)" in message
    assert "1 images without a label (SR/ATD_x2_0999x2.png)" in message
    assert "1 references without an image in 'HR' (0820)" in message
    assert "more than one label (val.xlsx sheet 'Sheet1' row 3: ATD_x2_0813x2.png)" in message


def test_malformed_lines_and_names(make_isrgen):
    root = make_isrgen(kind="txt")
    (root / "val.txt").write_text("ATD_x2_0820x2.png#4#0820x4.png\nx.png#4\nATD.png#4#0820x4.png\n")
    with pytest.raises(DataError) as error:
        read_isrgen(root)
    message = str(error.value)
    assert "1 malformed label lines (val.txt line 2: 'x.png#4')" in message
    assert "2 malformed names in the labels (val.txt line 3: 'ATD.png' made of" in message
    assert "val.txt line 1: 'ATD_x2_0820x2.png' made of '0820x4.png'" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda row: [*row[:3], None, *row[4:]], r"1 malformed rows \(val\.xlsx sheet 'Sheet1' r"),
        (lambda row: [*row[:-1], "high"], "1 malformed rows"),
        (lambda row: [*row[:2], "0001.png", *row[3:]], "1 malformed rows"),
        (lambda row: [*row[:-1], row[-1] + 0.5], "1 scores that are not the mean of their rat"),
    ],
)
def test_rows_that_contradict_themselves(make_isrgen, change, message):
    root = make_isrgen()
    save_sheet(root / "val.xlsx", IMAGES["val"], change)
    with pytest.raises(DataError, match=message):
        read_isrgen(root)


def test_a_missing_list_and_a_wrong_folder(make_isrgen, tmp_path):
    root = make_isrgen(tmp_path / "outer" / "ISRGen-QA")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/ISRGen-QA'\?"):
        read_isrgen(tmp_path / "outer")
    (root / "test.xlsx").unlink()
    with pytest.raises(DataError, match=r"test\.xlsx not found"):
        read_isrgen(root)


def test_there_is_no_published_table(make_isrgen):
    with pytest.raises(SettingsError, match=r"data\.table='a\.mat'.*no use for it"):
        read_isrgen(make_isrgen(), table="a.mat")
