import openpyxl
import pytest

from hmtnet.data.readers import csiq, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

HEADER = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"]
ROWS = [
    # The reference's name is a number in the sheet.
    [1600, 1, "noise", 1, 0.046, 0.062],
    [1600, 2, "jpeg", 2, 0.05, 0],
    [1600, 3, "jpeg 2000", 3, 0.0853, 0.206],
    ["aerial_city", 4, "fnoise", 4, 0.1, 1],
    ["aerial_city", 5, "blur", 5, 0.1, 0.9],
    ["aerial_city", 6, "contrast", 1, 0.1, 0.5],
]
FILES = [
    "awgn/1600.AWGN.1",
    "jpeg/1600.JPEG.2",
    "jpeg2000/1600.jpeg2000.3",
    "fnoise/aerial_city.fnoise.4",
    "blur/aerial_city.BLUR.5",
    "contrast/aerial_city.contrast.1",
]


def write_book(path, rows, header=HEADER):
    book = openpyxl.Workbook()
    # Other sheets have the same columns, and come first.
    other = book.active
    other.title = "all_by_distortion"
    other.append([None, None, *HEADER])
    other.append([None, None, 1600, 1, "noise", 1, 0.9, 0.9])
    sheet = book.create_sheet("all_by_image")
    sheet["D1"] = "CSIQ DMOS, by image"
    # Three rows and three columns are free.
    for number, cells in enumerate([header, *rows], 4):
        for place, cell in enumerate(cells, 4):
            sheet.cell(number, place, cell)
    book.create_sheet("notes")
    book.save(path)


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "csiq",
        *,
        rows=ROWS,
        suffix=".png",
        upper=False,
        sources=("1600.png", "aerial_city.png"),
        book="csiq.DMOS.xlsx",
    ):
        for i, name in enumerate(FILES):
            folder, _, file = name.partition("/")
            noise(root / "dst_imgs" / folder / ((file.upper() if upper else file) + suffix), i)
        (root / "dst_imgs" / "awgn" / "Thumbs.db").write_bytes(b"x")
        for i, name in enumerate(sources):
            noise(root / "src_imgs" / name, 100 + i)
        write_book(root / book, rows)
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="csiq", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    found = {
        (r.image, r.mos, r.mos_std, r.reference, r.method, r.reference_image)
        for r in labels.records
    }
    methods = ["awgn", "jpeg", "jpeg2000", "fnoise", "blur", "contrast"]
    assert found == {
        (f"dst_imgs/{file}.png", row[5], row[4], str(row[0]), method, f"src_imgs/{row[0]}.png")
        for file, row, method in zip(FILES, ROWS, methods, strict=True)
    }
    assert len(labels) == 6 and {r.scale for r in labels.records} == {None}
    # DMOS: 0 is the best.
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 1.0), False)
    best = labels.records[labels.unit_mos.argmax()]
    assert (best.image, labels.unit_mos.max()) == ("dst_imgs/jpeg/1600.JPEG.2.png", 1.0)
    assert set(labels.content) == {"csiq/1600", "csiq/aerial_city"}
    assert (labels.licence, labels.citation) == (csiq.FACTS.licence, csiq.FACTS.citation)
    assert "has 866 scored images; this folder has 6" in caplog.text


@pytest.mark.parametrize(
    "variant",
    [
        {"suffix": ".bmp"},
        {"upper": True},
        {"book": "csiq.beta.xlsx"},
        {"rows": [[str(cell) for cell in row] for row in ROWS]},
        {"rows": [[float(c) if isinstance(c, int) else c for c in row] for row in ROWS]},
    ],
)
def test_known_variants_give_the_same_labels(make, tmp_path, variant):
    official = read(make()).records
    found = read(make(tmp_path / "variant", **variant)).records

    def said(records):
        return [(r.reference, r.method, r.mos, r.mos_std) for r in records]

    assert said(found) == said(official)


def test_references_are_optional_as_a_whole(make, caplog):
    assert {r.reference_image for r in read(make(sources=())).records} == {None}
    assert "no folder src_imgs/" in caplog.text


def test_labels_alone_need_no_images(make, tmp_path):
    root = make(sources=())
    (root / "dst_imgs").rename(tmp_path / "elsewhere")
    first = read(root, labels_only=True).records[0]
    assert (first.image, first.reference) == ("awgn/1600.AWGN.1.png", "1600")


def test_one_error_lists_all_faults(make, noise):
    rows = [
        *ROWS[:4],
        [1600.0, 1, "Noise", 1, 0.046, 0.07],
        [1600, 1, "snow", 1, 0.1, 0.5],
        ["aerial_city", 5, "blur", 5, 0.1, "n/a"],
        ["aerial_city", 6, "contrast", 1, None, 0.5],
        ["aerial_city", 6, "contrast", 2, 0.1, 0.5],
    ]
    root = make(rows=rows, sources=("1600.png",))
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert "2 malformed label lines (sheet 'all_by_image' row 10: '1600, snow, 1" in message
    assert "names with more than one label (sheet 'all_by_image' row 9" in message
    assert "1 labels without a number in dmos_std (sheet 'all_by_image' row 12" in message
    assert "1 labels without an image (contrast/aerial_city.contrast.2.png)" in message
    assert "1 references without an image in 'src_imgs' (aerial_city.png)" in message
    assert "1 images without a label (dst_imgs/blur/aerial_city.BLUR.5.png)" in message


def test_a_book_without_the_sheet(make):
    root = make()
    book = openpyxl.Workbook()
    book.active.title = "all_by_distortion"
    book.active.append(HEADER)
    book.save(root / "csiq.DMOS.xlsx")
    with pytest.raises(DataError, match=r"No sheet 'all_by_image' of .* found 'all_by_distortion'"):
        read(root)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    make(tmp_path / "outer" / "CSIQ")
    with pytest.raises(DataError, match=r"layout of CSIQ: dst_imgs, csiq.*Did you mean '.*CSIQ'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"direction": "higher"}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'csiq'"):
        read(make(), **options)
