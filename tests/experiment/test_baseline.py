"""The baselines' predictions: beside the stages', in the same form, one file a question."""

import numpy as np
import pytest

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.digests import is_as_recorded_beside
from hmtnet.data.grades import Grades
from hmtnet.data.images import decode
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.data.settings import DataSettings
from hmtnet.data.sharpness import laplacian_variance
from hmtnet.data.split import SplitSettings
from hmtnet.experiment.baseline import write_baselines


@pytest.fixture
def manifest(tiny_root):
    return read(DataSettings(reader="qads", root=str(tiny_root)))


GRADES = Grades((0.4, 0.5))


def test_they_predict_validation_and_test_from_training_labels(manifest, tmp_path):
    split = make(manifest, SplitSettings())
    written = {b.name: path for b, path in write_baselines(tmp_path, manifest, split, GRADES)}
    assert set(written) == {"label-only", "scale-only", "sharpness"}
    found = prediction_files.read(written["label-only"])
    assert [len(found.select(name)) for name in ("train", "val", "test")] == [0, 4, 4]
    train = [manifest.records[row] for row in split.train]
    for i in range(len(found)):
        same = [r.mos for r in train if (r.method, r.scale) == (found.method[i], found.scale[i])]
        assert found.score[i] == pytest.approx(np.mean(same))
    assert (found.grade == np.searchsorted(GRADES.edges, found.score, side="right")).all()
    assert found.probabilities.shape == (8, 0)


def test_sharpness_takes_its_direction_from_training(manifest, tmp_path):
    split = make(manifest, SplitSettings())
    written = {b.name: path for b, path in write_baselines(tmp_path, manifest, split, GRADES)}
    found = prediction_files.read(written["sharpness"])
    assert found.subset == ("val",) * 4 + ("test",) * 4
    variances = {
        record.image: laplacian_variance(decode(manifest.path(record.image)))
        for record in manifest.records
    }
    train = [manifest.records[row] for row in split.train]
    slope, offset = np.polyfit(
        [np.log1p(variances[r.image]) for r in train], [r.mos for r in train], 1
    )
    expected = [offset + slope * np.log1p(variances[image]) for image in found.image]
    assert found.score == pytest.approx(expected)


def test_a_shared_reference_adds_a_row(manifest, tmp_path):
    split = make(manifest, SplitSettings(protocol="image"))
    written = write_baselines(tmp_path, manifest, split, GRADES)
    names = ["scale-only", "label-only", "label+reference", "sharpness"]
    assert [baseline.name for baseline, path in written if path is not None] == names


def test_other_grades_have_another_file_and_the_same_the_same(manifest, tmp_path):
    split = make(manifest, SplitSettings())

    def paths(grades):
        return [path for _, path in write_baselines(tmp_path, manifest, split, grades)]

    first = paths(GRADES)
    assert paths(GRADES) == first and len(set(first)) == 3
    assert not set(first) & set(paths(Grades((0.5,))))
    assert {path.parent.parent for path in first} == {tmp_path / "qads" / split.id}


def test_what_does_not_apply_has_no_file_but_a_reason(tiny_root, tmp_path):
    (tiny_root / "labels.csv").write_text(
        "image,mos\n"
        + "".join(f"super-resolved_images/img0{i}_2_01.png,0.{i}\n" for i in range(1, 7))
    )
    try:
        settings = {"range": (0, 1), "direction": "higher", "label_kind": "human"}
        manifest = read(DataSettings(reader="table", root=str(tiny_root), **settings))
    finally:
        (tiny_root / "labels.csv").unlink()
    split = make(manifest, SplitSettings(protocol="image"))
    *labels, (sharp, path) = write_baselines(tmp_path, manifest, split, GRADES)
    assert all(path is None and baseline.reason for baseline, path in labels)
    assert sharp.name == "sharpness" and not sharp.reason
    assert list(tmp_path.glob("*/*/*")) == [path.parent]
    assert is_as_recorded_beside(path)
