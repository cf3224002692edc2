from collections import Counter

import numpy as np
import pytest
import scipy.io

from hmtnet.data.readers import read_labels
from hmtnet.data.readers.realsrq import FACTS
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, SettingsError

METHODS = {2: ("AIS", "Aplus", "SRGAN"), 3: ("AIS", "Aplus"), 4: ("Aplus", "SRGAN")}
SCENES = ("Buildings_001", "Buildings_007", "Text_010")


def names_of(scale):
    return [
        f"{scene[:-4]}_SR/{scene[:-4]}_LR{scale}_SR/{scene[-3:]}/{scene}_LR{scale}_{method}.png"
        for scene in SCENES
        for method in METHODS[scale]
    ]


def scores_of(scale):
    return [0.5 * i - scale for i in range(len(names_of(scale)))]


NAN = "Buildings_SR/Buildings_LR2_SR/007/Buildings_007_LR2_Aplus.png"


@pytest.fixture
def make_realsrq(tmp_path, noise, published_table):
    """Make a folder in the layout of RealSRQ: 3 scenes, one label of which is NaN."""

    def make(
        root=tmp_path / "realsrq", *, images="SR_results", sources=True, scales=(2, 3, 4), **change
    ):
        for scale in (2, 3, 4):
            for i, name in enumerate(names_of(scale)):
                noise(root / images / name, 10 * scale + i)
        for scene in SCENES if sources else ():
            folder = root / "HR_LR_pairs" / scene[:-4]
            noise(folder / f"{scene[:-4]}_HR" / f"{scene}_HR.png")
            noise(folder / f"{scene[:-4]}_LR2" / f"{scene}_LR2.png")
        for scale in scales:
            names = change.get("names", names_of(scale))
            pairs = zip(names, scores_of(scale), strict=True)
            scores = [float("nan") if name == NAN else score for name, score in pairs]
            references = [1 + i // len(METHODS[scale]) for i in range(len(names))]
            path = root / f"RealSRQ_LR{scale}_meta.mat"
            published_table(path, names, scores, change.get("references", references))
        return root

    return make


def read_realsrq(root, **options):
    return read_labels(DataSettings(reader="realsrq", root=str(root), **options))


@pytest.mark.parametrize("images", ["SR_results", ""])
def test_all_tables_of_the_folder_are_joined(make_realsrq, images):
    labels = read_realsrq(make_realsrq(images=images))
    prefix = f"{images}/" if images else ""
    expected = {
        prefix + name: score
        for scale in (2, 3, 4)
        for name, score in zip(names_of(scale), scores_of(scale), strict=True)
    }
    del expected[prefix + NAN]
    assert {record.image: record.mos for record in labels.records} == expected
    assert labels.left_out == (f"{prefix}{NAN} (no number in the labels)",)
    record = labels.records[0]
    assert record.image == prefix + names_of(2)[0]
    assert (record.reference, record.scale, record.method) == ("Buildings_001", 2, "AIS")
    assert record.reference_image == "HR_LR_pairs/Buildings/Buildings_HR/Buildings_001_HR.png"
    assert {r.scale: 0 for r in labels.records} == {2: 0, 3: 0, 4: 0}
    assert {r.reference for r in labels.records} == set(SCENES)
    # The three tables have stored splits each, so that none holds for all.
    assert labels.published is None
    assert labels.mos_range == (-10.0, 10.0) and labels.facts is FACTS


def test_one_table_keeps_its_stored_splits(make_realsrq):
    root = make_realsrq(sources=False)
    labels = read_realsrq(root, table="RealSRQ_LR2_meta.mat")
    assert [record.image[11:] for record in labels.records] == sorted(set(names_of(2)) - {NAN})
    assert len(labels.left_out) == 1 and labels.records[0].reference_image is None
    names = [SCENES[number - 1] for number in labels.published.references]
    assert names == [record.reference for record in labels.records]
    assert labels.published.permutations.shape == (5, 3)


def test_the_only_table_of_a_folder_is_enough(make_realsrq):
    labels = read_realsrq(make_realsrq(scales=(4,)))
    assert len(labels) == len(names_of(4)) and labels.published is not None


def test_labels_alone_need_no_images(make_realsrq, tmp_path):
    root = make_realsrq()
    table = root / "RealSRQ_LR3_meta.mat"
    labels = read_labels(DataSettings(reader="realsrq", table=str(table), labels_only=True))
    assert [record.image for record in labels.records] == sorted(names_of(3))
    everything = read_realsrq(root, labels_only=True)
    assert len(everything) == sum(len(names_of(scale)) for scale in (2, 3, 4)) - 1
    assert everything.records[0].image == names_of(2)[0]


@pytest.fixture
def matrix(tmp_path):
    """Save the authors' matrix: 60 scenes x (10 + 9 + 8) versions, one of them NaN."""

    def save(change=None):
        scores = np.random.default_rng(0).normal(size=(60, 27))
        scores[6, 2] = np.nan
        for block in (slice(0, 10), slice(10, 19), slice(19, 27)):
            scores[:, block] -= np.nanmean(scores[:, block], axis=1, keepdims=True)
        if change is not None:
            scores = change(scores)
        root = tmp_path / "own"
        root.mkdir(exist_ok=True)
        scipy.io.savemat(root / "subj_BT_score.mat", {"score_matrix": scores})
        return root, scores

    return save


def test_the_authors_own_matrix(matrix):
    root, scores = matrix()
    labels = read_realsrq(root, labels_only=True)
    assert len(labels) == 1619 and labels.published is None
    (left_out,) = labels.left_out
    assert "Buildings_SR/Buildings_LR2_SR/007/Buildings_007_LR2_ASDS.png (no number" in left_out
    found = {record.image.split("/")[-1]: record.mos for record in labels.records}
    # Methods are sorted without letter case: AIS, Aplus, ASDS.
    assert found["Buildings_001_LR2_AIS.png"] == scores[0, 0]
    assert found["Buildings_001_LR2_Aplus.png"] == scores[0, 1]
    assert found["Manmade_001_LR3_AIS.png"] == scores[10, 10]
    assert found["Scene_010_LR4_Aplus.png"] == scores[49, 19]
    assert found["Text_010_LR4_VDSR.png"] == scores[59, 26]
    scales = Counter(record.scale for record in labels.records)
    assert scales == {2: 599, 3: 540, 4: 480}
    assert len({record.method for record in labels.records}) == 10


def test_the_tables_go_before_the_matrix(make_realsrq, matrix):
    root = make_realsrq(scales=(4,))
    (matrix()[0] / "subj_BT_score.mat").rename(root / "subj_BT_score.mat")
    assert len(read_realsrq(root)) == len(names_of(4))


@pytest.mark.parametrize("change", [lambda m: m.T, lambda m: m[:, ::-1], lambda m: m[:59]])
def test_a_matrix_of_another_kind_is_refused(matrix, change):
    root, _ = matrix(change)
    with pytest.raises(DataError, match=r"expected a 'score_matrix' of 60 scenes x 27 versions"):
        read_realsrq(root, labels_only=True)


def test_missing_and_unlabelled_images(make_realsrq, noise):
    root = make_realsrq()
    (root / "SR_results" / names_of(4)[0]).unlink()
    (root / "SR_results" / NAN).unlink()
    noise(root / "SR_results" / "Text_SR" / "Text_LR2_SR" / "010" / "Text_010_LR2_BCI.png")
    (root / "HR_LR_pairs" / "Text" / "Text_HR" / "Text_010_HR.png").unlink()
    with pytest.raises(DataError) as error:
        read_realsrq(root)
    message = str(error.value)
    assert f"2 labels without an image ({NAN}, {names_of(4)[0]})" in message
    assert "1 images without a label (SR_results/Text_SR/Text_LR2_SR/010/Text_010_LR2_B" in message
    assert "1 scenes without an image in 'HR_LR_pairs' (Text_010_HR)" in message


def test_malformed_and_repeated_names(make_realsrq):
    names = [*names_of(2)[:-1], "Text_SR/Text_010_SRGAN.png"]
    with pytest.raises(DataError, match=r"malformed names in the labels \(row 9: 'Text_SR/Text_0"):
        read_realsrq(make_realsrq(scales=(2,), names=names))


def test_reference_numbers_that_contradict_the_names(make_realsrq):
    with pytest.raises(DataError, match="Buildings_001 is number 1, Buildings_001 is number 2"):
        read_realsrq(make_realsrq(scales=(2,), references=[1, 1, 2, 2, 2, 2, 3, 3, 3]))


def test_a_folder_without_tables_and_a_wrong_folder(make_realsrq, tmp_path):
    root = make_realsrq(tmp_path / "outer" / "RealSRQ")
    with pytest.raises(DataError, match=r"Did you mean '.*outer/RealSRQ'\?"):
        read_realsrq(tmp_path / "outer")
    for table in root.glob("*.mat"):
        table.unlink()
    with pytest.raises(DataError, match=r"RealSRQ_LR2_meta\.mat not found"):
        read_realsrq(root)


def test_settings_that_contradict_the_layout_are_refused(make_realsrq):
    with pytest.raises(SettingsError, match=r"data\.range=.*always has \(-10\.0, 10\.0\)"):
        read_realsrq(make_realsrq(), range=(0.0, 1.0))
    with pytest.raises(SettingsError, match=r"data\.table='labels\.csv'"):
        read_realsrq(make_realsrq(), table="labels.csv")
