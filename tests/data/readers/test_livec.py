import numpy as np
import pytest
from scipy.io import savemat

from hmtnet.data.readers import livec, read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

TRAINING = [f"t{number}.bmp" for number in range(1, 8)]
SCORED = ["3.bmp", "10.bmp", "1125.JPG"]
MOS = [*range(20, 27), 63.9634, 3.42, 92.43]
STDS = [*range(7), 18.3, 20.0, 15.5]


def write_mat(path, name, values):
    if isinstance(values[0], str):
        cells = np.empty((len(values), 1), dtype=object)
        cells[:, 0] = values
        savemat(path, {name: cells})
    else:
        savemat(path, {name: np.array([values], dtype=np.float64)})


@pytest.fixture
def make(tmp_path, noise):
    def make(
        root=tmp_path / "livec", *, names=(*TRAINING, *SCORED), mos=MOS, stds=STDS, files=SCORED
    ):
        for i, name in enumerate(files):
            noise(root / "Images" / name, i)
        for i, name in enumerate(TRAINING):
            noise(root / "Images" / "trainingImages" / name, 100 + i)
        (root / "Images" / "Thumbs.db").write_bytes(b"x")
        (root / "Readme.txt").write_text("LIVE")
        values = {
            "AllImages_release": list(names),
            "AllMOS_release": mos,
            "AllStdDev_release": stds,
        }
        (root / "Data").mkdir()
        for name, value in values.items():
            write_mat(root / "Data" / f"{name}.mat", name, value)
        return root

    return make


def read(root, **options):
    return read_labels(DataSettings(reader="livec", root=str(root), **options))


def test_the_official_layout_is_read_whole(make, caplog):
    labels = read(make())
    assert [(r.image, r.mos, r.mos_std) for r in labels.records] == [
        ("Images/10.bmp", 3.42, 20.0),
        ("Images/1125.JPG", 92.43, 15.5),
        ("Images/3.bmp", 63.9634, 18.3),
    ]
    assert (labels.mos_range, labels.higher_is_better) == ((0.0, 100.0), True)
    assert (labels.licence, labels.citation) == (livec.FACTS.licence, livec.FACTS.citation)
    # The images of the raters' training are not among the scored ones.
    assert labels.left_out == () and "training" in livec.FACTS.notes[0]
    assert "has 1162 scored images; this folder has 3" in caplog.text


def test_other_letter_case_and_containers(make):
    labels = read(make(files=["3.PNG", "10.BMP", "1125.jpg"]))
    assert [r.image for r in labels.records] == [
        "Images/10.BMP",
        "Images/1125.jpg",
        "Images/3.PNG",
    ]


def test_the_training_images_need_not_be_there(make):
    root = make()
    for name in TRAINING:
        (root / "Images" / "trainingImages" / name).unlink()
    assert len(read(root)) == 3


def test_labels_alone_need_no_images(make, tmp_path):
    root = make()
    (root / "Images").rename(tmp_path / "elsewhere")
    assert [r.image for r in read(root, labels_only=True).records] == [
        "10.bmp",
        "1125.JPG",
        "3.bmp",
    ]


def test_one_error_lists_all_faults(make, noise):
    root = make(names=[*TRAINING, "3.bmp", "4.bmp", "3.BMP"])
    noise(root / "Images" / "trainingImages" / "t8.bmp")
    with pytest.raises(DataError) as error:
        read(root)
    message = str(error.value)
    assert "1 names with more than one label (entry 10: 3.BMP)" in message
    assert "1 labels without an image (4.bmp)" in message
    assert "3 images without a label (Images/10.bmp, Images/1125.JPG, Images/training" in message


def test_files_that_contradict_each_other(make):
    with pytest.raises(DataError, match="10 names, 9 scores and 10 standard deviations"):
        read(make(mos=MOS[:9]))


def test_a_score_that_is_no_number(make):
    with pytest.raises(DataError, match=r"without a finite MOS: Images/1125\.JPG \(nan\)"):
        read(make(mos=[*MOS[:9], np.nan]))


def test_a_missing_file(make):
    root = make()
    (root / "Data" / "AllStdDev_release.mat").unlink()
    with pytest.raises(DataError, match=r"lacks AllStdDev_release\.mat; .*holds AllImages_rel"):
        read(root)


def test_a_wrong_folder_names_the_right_one(make, tmp_path):
    (tmp_path / "outer").mkdir()
    make(tmp_path / "outer" / "ChallengeDB_release")
    with pytest.raises(DataError, match=r"LIVE Challenge: Images, Data.*Did you mean '.*release'"):
        read(tmp_path / "outer")


@pytest.mark.parametrize("options", [{"range": (0.0, 1.0)}, {"table": "a.csv"}])
def test_settings_that_contradict_the_layout_are_refused(make, options):
    with pytest.raises(SettingsError, match="reader 'livec'"):
        read(make(), **options)
