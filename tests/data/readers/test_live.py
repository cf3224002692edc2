import logging

import numpy as np
import pytest
from scipy.io import savemat

from hmtnet.data.readers import live, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

COUNTS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
SOURCES = [f"scene{number}.bmp" for number in range(1, 30)]
TOTAL = 982
# Of the 982 images 203 are undistorted copies of a reference.
ORGS = np.zeros(TOTAL)
ORGS[np.linspace(0, TOTAL - 1, 203).astype(int)] = 1
REFERENCES = [SOURCES[row % 29] for row in range(TOTAL)]
NEW = np.linspace(-2.64, 111.77, TOTAL)


def cells(texts):
    array = np.empty((1, len(texts)), dtype=object)
    array[0] = texts
    return array


def write_labels(root, *, realigned=True, plain=True, orgs=ORGS, references=REFERENCES):
    savemat(root / "refnames_all.mat", {"refnames_all": cells(references)})
    if realigned:
        stds = np.arange(TOTAL) / 100
        values = {"dmos_new": NEW[None], "dmos_std": stds[None], "orgs": orgs[None]}
        savemat(root / "dmos_realigned.mat", values)
    if plain:
        dmos = np.arange(TOTAL) / 10
        savemat(root / "dmos.mat", {"dmos": dmos[None], "orgs": orgs[None].astype(np.uint8)})


@pytest.fixture
def make(tmp_path, noise):
    noise(tmp_path / "one.bmp")
    pixels = (tmp_path / "one.bmp").read_bytes()

    def make(root=tmp_path / "live", *, suffix=".bmp", sources=SOURCES, **options):
        for folder, count in COUNTS.items():
            (root / folder).mkdir(parents=True)
            for number in range(1, count + 1):
                (root / folder / f"img{number}{suffix}").write_bytes(pixels)
            (root / folder / "info.txt").write_text("as shipped")
        for name in sources:
            (root / "refimgs").mkdir(exist_ok=True)
            (root / "refimgs" / name).write_bytes(pixels)
        write_labels(root, **options)
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="live", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    with caplog.at_level(logging.WARNING):
        labels = read(make())
    assert not caplog.records  # the official counts
    assert len(labels) == live.FACTS.images == 779
    # Row 0 is an undistorted copy.
    first, last = labels.records[0], labels.records[-1]
    assert (first.image, first.method, first.mos) == ("jp2k/img2.bmp", "jp2k", NEW[1])
    assert (first.reference, first.reference_image) == ("scene2", "refimgs/scene2.bmp")
    assert first.mos_std == 0.01
    assert (last.image, last.method) == ("fastfading/img173.bmp", "fastfading")
    assert (last.mos, last.mos_std, last.reference) == (NEW[980], 9.8, SOURCES[980 % 29][:-4])
    assert {r.method for r in labels.records} == set(COUNTS)
    assert len(set(labels.content)) == live.FACTS.references
    starts = dict(zip(COUNTS, np.cumsum([0, *COUNTS.values()]), strict=False))
    for record in labels.records:
        row = starts[record.method] + int(record.image.partition("img")[2][:-4]) - 1
        assert not ORGS[row]
        assert (record.mos, record.reference) == (NEW[row], REFERENCES[row][:-4])
    # DMOS: the lowest is the best.
    assert not labels.higher_is_better
    assert labels.unit_mos.argmax() == 0
    assert (labels.licence, labels.citation) == (live.FACTS.licence, live.FACTS.citation)


def test_without_realigned_scores_the_plain_ones_are_read(make):
    labels = read(make(realigned=False))
    assert len(labels) == 779
    assert (labels.records[0].mos, labels.records[0].mos_std) == (0.1, None)


def test_the_undistorted_ones_may_be_named_by_the_other_file(make):
    root = make()
    savemat(root / "dmos_realigned.mat", {"dmos_new": NEW[None]})
    labels = read(root)
    assert len(labels) == 779
    assert (labels.records[0].mos, labels.records[0].mos_std) == (NEW[1], None)


def test_other_letter_case_and_containers(make, caplog):
    names = [name.upper() for name in REFERENCES]
    labels = read(make(suffix=".PNG", sources=[], references=names))
    first = labels.records[0]
    assert (first.image, first.reference, first.reference_image) == (
        "jp2k/img2.PNG",
        "scene2",
        None,
    )
    assert "no folder refimgs/" in caplog.text


def test_labels_alone_need_no_images(tmp_path):
    write_labels(tmp_path)
    labels = read(tmp_path, labels_only=True)
    assert len(labels) == 779
    assert labels.records[0].image == "jp2k/img2.bmp"
    assert labels.records[0].reference_image is None


def test_one_error_lists_all_faults(make, noise):
    root = make(sources=SOURCES[1:])
    (root / "wn" / "img174.bmp").unlink()
    (root / "jp2k" / "img1.bmp").unlink()  # an undistorted copy
    noise(root / "jp2k" / "img228.bmp")
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert "1 images missing in 'jp2k' (img1.bmp)" in message
    assert "1 images missing in 'wn' (img174.bmp)" in message
    assert "1 references without an image in 'refimgs' (scene1.bmp)" in message
    assert "1 images without a label (jp2k/img228.bmp)" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"orgs": ORGS[:-1]}, "981 orgs; expected 982, one for each image of jp2k"),
        ({"references": REFERENCES[:5]}, "5 refnames_all; expected 982"),
    ],
)
def test_files_of_another_length(tmp_path, options, message):
    write_labels(tmp_path, **options)
    with pytest.raises(DataError, match=message):
        read(tmp_path, labels_only=True)


def test_a_wrong_folder_names_the_right_one(tmp_path):
    inner = tmp_path / "outer" / "databaserelease2"
    for folder in COUNTS:
        (inner / folder).mkdir(parents=True)
    write_labels(inner)
    with pytest.raises(DataError, match=r"layout of LIVE: jp2k, jpeg, .*Did you mean '.*release2'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"direction": "higher"}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(tmp_path, options):
    with pytest.raises(SettingsError, match="reader 'live'"):
        read(tmp_path, **options)
