import numpy as np
import pytest
import scipy.io

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.ma import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

METHODS = ("Bicubic", "BP", "Shan08", "Glasner09", "Yang10", "Dong11", "Yang13", "Timofte13")
METHODS += ("SRCNN",)
SIGMAS = {2: "0.8", 3: "1.0", 4: "1.2", 5: "1.6", 6: "1.8", 8: "2.0"}
REFERENCES = ("187058", "130066")
NAMES = [
    f"{method}/sf{scale}/sigma{sigma}/{reference}.png"
    for method in METHODS
    for scale, sigma in SIGMAS.items()
    for reference in REFERENCES
]
SCORES = [i / 11 for i in range(len(NAMES))]


def own_table(path, names=NAMES, scores=SCORES, columns=9):
    """Write the authors' file: names in a cell array, scores in a column a method."""
    cells = np.empty((len(names), 1), dtype=object)
    cells[:, 0] = ["E:\\data\\" + name.replace("/", "\\") for name in names]
    matrix = np.reshape(scores, (-1, columns), order="F")
    scipy.io.savemat(path, {"SR_image_names": cells, "subject_scores_mean40": matrix})


@pytest.fixture
def make_ma(tmp_path, noise, published_table):
    """Make a folder in the layout of MA: 2 references × 9 methods × 6 scales."""

    def make(root=tmp_path / "ma", *, images="", suffix=".png", kind="own", sources="Ref"):
        for i, name in enumerate(NAMES):
            noise((root / images / name).with_suffix(suffix), i)
        for reference in REFERENCES if sources else ():
            noise(root / sources / f"{reference}.jpg")
        if kind == "own":
            own_table(root / "sr_metric_data.mat")
        elif kind == "published":
            numbers = [1 + REFERENCES.index(name.split("/")[-1][:-4]) for name in NAMES]
            published_table(root / "sr_metric_data.mat", NAMES, SCORES, numbers)
        return root

    return make


def read_ma(root, **options):
    return read_labels(DataSettings(reader="ma", root=str(root), **options))


def check_complete(labels, prefix=""):
    found = {record.image: record for record in labels.records}
    assert set(found) == {prefix + name for name in NAMES}
    for name, score in zip(NAMES, SCORES, strict=True):
        record = found[prefix + name]
        method, scale, _, file = name.split("/")
        assert record.mos == score
        assert (record.method, record.scale) == (method, int(scale[2:]))
        assert record.reference == file[:-4]


@pytest.mark.parametrize("kind", ["own", "published"])
def test_the_official_layout_is_read_whole(make_ma, kind):
    labels = read_ma(make_ma(kind=kind))
    check_complete(labels)
    assert labels.mos_range == (0.0, 10.0) and labels.higher_is_better
    assert labels.label_kind == "human" and labels.facts is FACTS
    record = labels.records[0]
    assert record.reference_image == f"Ref/{record.reference}.jpg"
    if kind == "own":
        assert labels.published is None
    else:
        references = [REFERENCES[number - 1] for number in labels.published.references]
        assert references == [record.reference for record in labels.records]
        assert labels.published.permutations.shape == (5, 2)


def test_no_method_and_no_scale_is_dropped(make_ma):
    """Some public loaders drop two methods, or Shan08 at x3."""
    records = read_ma(make_ma()).records
    assert {record.method for record in records} == set(METHODS)
    assert {record.scale for record in records} == set(SIGMAS)
    odd = [record for record in records if (record.method, record.scale) == ("Shan08", 3)]
    assert len(odd) == len(REFERENCES)
    assert any("Shan08" in note for note in FACTS.notes)


@pytest.mark.parametrize(
    "variant", [{"images": "SRimages"}, {"images": "SR_images"}, {"sources": None}]
)
def test_known_variants(make_ma, variant):
    labels = read_ma(make_ma(**variant))
    images = variant.get("images")
    check_complete(labels, f"{images}/" if images else "")
    has_reference = labels.records[0].reference_image is not None
    assert has_reference == ("sources" not in variant)


def test_other_containers_and_a_folder_round_the_labels(make_ma):
    root = make_ma(suffix=".bmp")
    (root / "inner").mkdir()
    (root / "sr_metric_data.mat").rename(root / "inner" / "sr_metric_data.mat")
    (root / "inner").rename(root / "sr_metric_data")
    record = read_ma(root).records[0]
    assert record.image == "Bicubic/sf2/sigma0.8/130066.bmp" and record.mos == SCORES[1]


@pytest.mark.parametrize("kind", ["own", "published"])
def test_labels_alone_need_no_images(make_ma, tmp_path, kind):
    table = make_ma(kind=kind) / "sr_metric_data.mat"
    alone = tmp_path / "alone" / "any.mat"
    alone.parent.mkdir()
    table.rename(alone)
    labels = read_labels(DataSettings(reader="ma", table=str(alone), labels_only=True))
    check_complete(labels)
    assert all(record.reference_image is None for record in labels.records)
    assert (labels.published is not None) == (kind == "published")


def test_missing_unlabelled_and_repeated_images(make_ma, noise):
    root = make_ma()
    (root / NAMES[3]).unlink()
    (root / "Ref" / "187058.jpg").unlink()
    noise(root / "BP" / "sf2" / "sigma0.8" / "holiday.png")
    noise((root / NAMES[5]).with_suffix(".bmp"))
    noise(root / "LR" / "187058.png")  # what lies beside the methods' folders is not scored
    with pytest.raises(DataError) as error:
        read_ma(root)
    message = str(error.value)
    assert f"1 labels without an image ({NAMES[3]})" in message
    assert "1 images without a label (BP/sf2/sigma0.8/holiday.png)" in message
    assert "1 images present more than once" in message
    assert "1 references without an image in 'Ref' (187058)" in message
    assert "LR/" not in message


def test_malformed_and_repeated_names(make_ma):
    root = make_ma()
    names = [*NAMES[:-1], NAMES[-2].upper()]
    names[0] = "Bicubic/sf2/187058.png"
    own_table(root / "sr_metric_data.mat", names)
    with pytest.raises(DataError, match=r"contradicts itself: expected a column of scores for e"):
        read_ma(root)
    names[0] = "Bicubic/sfx/sigma0.8/187058.png"
    names[-1] = names[-2]
    own_table(root / "sr_metric_data.mat", names)
    with pytest.raises(DataError) as error:
        read_ma(root)
    message = str(error.value)
    assert "malformed names in the labels (row 1: 'E:/data/Bicubic/sfx/sigma0.8/187058.png')" in (
        message
    )
    assert "names with more than one label (row 108: E:/data/SRCNN/sf8/sigma2.0/187058.png)" in (
        message
    )


def test_scores_in_rows_instead_of_columns_are_refused(make_ma):
    root = make_ma()
    cells = np.array([[name] for name in NAMES], dtype=object)
    matrix = np.reshape(SCORES, (9, -1))
    path = root / "sr_metric_data.mat"
    scipy.io.savemat(path, {"SR_image_names": cells, "subject_scores_mean40": matrix})
    with pytest.raises(DataError, match=r"scores of shape \(9, 12\) for 108 names"):
        read_ma(root)


def test_a_label_without_a_number(make_ma):
    root = make_ma()
    own_table(root / "sr_metric_data.mat", NAMES, [float("nan"), *SCORES[1:]])
    with pytest.raises(DataError, match=r"without a finite MOS: Bicubic/sf2/sigma0\.8/187058\.png"):
        read_ma(root)


def test_a_wrong_folder_names_the_right_one(make_ma, tmp_path):
    make_ma(tmp_path / "outer" / "MA")
    with pytest.raises(DataError) as error:
        read_ma(tmp_path / "outer")
    assert f"Did you mean '{tmp_path / 'outer' / 'MA'}'?" in str(error.value)


def test_another_mat_file_is_refused(make_ma, hdf5):
    root = make_ma()
    hdf5(root / "sr_metric_data.mat", scores=[[1.0]])
    with pytest.raises(DataError, match="no variable 'SR_image_names', only scores"):
        read_ma(root)


@pytest.mark.parametrize("options", [{"range": (0.0, 1.0)}, {"direction": "lower"}])
def test_settings_that_contradict_the_layout_are_refused(make_ma, options):
    with pytest.raises(SettingsError, match=r"data\.(range|direction)=.*reader 'ma'"):
        read_ma(make_ma(), **options)
