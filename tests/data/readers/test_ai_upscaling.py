import os
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hmtnet.data.readers import read_labels
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
from nr_metrics import read_scores, table

REAL = Path(os.environ.get("HMTNET_DATA", "nowhere")) / "labels" / "ai_upscaling"
ENDS = {"KXNet": "_", "BSRGAN": "_BSRGAN", "lanczos": ""}


def write(root, photos=("01_IMG_1", "b_2_"), ends=ENDS):
    names = {
        (photo, method, scale): f"{photo}{end}{'x2' * (end == '_BSRGAN' and scale == 2)}.png"
        for photo in photos
        for method, end in ends.items()
        for scale in (2, 4)
    }
    root.mkdir()
    lines = ["stimuli_file,mos,count,ci,std,factor,upscaler,base_img"]
    scores = ["model,metric,img_id,quality_score"]
    for i, ((photo, method, scale), name) in enumerate(names.items()):
        path, mos = f"./stimuli/{method}/x{scale}/{name}", 1 + i / 60
        lines.append(f"{path},{mos},14,1,0.5,x{scale},{method},{photo}")
        scores.append(f"{method}_x{scale},NIQE,{name},{-mos}")
        if scale == 2:
            scores.append(f"{method}_x{scale},MUSIQ,{name},{mos}")
    (root / "mos.csv").write_text("\n".join(lines))
    (root / "iqa.csv").write_text("\n".join(scores))
    return root


def read(root, **options):
    return read_labels(DataSettings(reader="ai_upscaling", root=str(root), **options))


def test_names_say_upscaler_factor_and_photograph(tmp_path, noise):
    root = write(tmp_path / "set", photos=("01_IMG_1", "b_2_"))
    labels = read(root, labels_only=True)
    assert {r.reference for r in labels.records} == {"01_IMG_1", "b_2_"}
    assert Counter((r.method, r.scale) for r in labels.records) == Counter(
        2 * [(method, scale) for method in ENDS for scale in (2, 4)]
    )
    assert labels.records[0].mos_std == 0.5
    for record in labels.records:
        noise(root / "stimuli" / record.image)
    whole = read(root).records
    assert [(r.reference, r.mos) for r in whole] == [(r.reference, r.mos) for r in labels.records]
    (root / "stimuli" / labels.records[0].image).unlink()
    with pytest.raises(DataError, match="1 labels without an image"):
        read(root)


def test_every_score_is_joined_counted_and_turned_so_that_higher_is_better(tmp_path):
    root = write(tmp_path / "set", photos=[f"{i:02d}_IMG" for i in range(10)])
    labels = read(root, labels_only=True)
    scores = read_scores(root / "iqa.csv", labels)
    assert np.isfinite(scores["NIQE"]).sum() == 60 and np.isfinite(scores["MUSIQ"]).sum() == 30
    np.testing.assert_allclose(scores["NIQE"], labels.mos)
    rows = {row[0]: row[1:] for row in table(labels, scores, 2)}
    assert rows["NIQE"][:2] == ["60", "1.000"] and rows["MUSIQ"][0] == "30"
    assert "30 images" in rows["best metric"][-1]


def test_a_score_of_no_image_or_given_twice_is_an_error(tmp_path):
    root = write(tmp_path / "set")
    labels, path = read(root, labels_only=True), root / "iqa.csv"
    text = path.read_text()
    path.write_text(f"{text}\nKXNet_x4,NIQE,01_IMG_1.png,3")
    with pytest.raises(
        DataError, match=r"1 scores belong to no image: NIQE KXNet_x4/01_IMG_1\.png"
    ):
        read_scores(path, labels)
    path.write_text(f"{text}\n{text.splitlines()[1]}")
    with pytest.raises(DataError, match="1 scores are given twice"):
        read_scores(path, labels)


@pytest.mark.skipif(not REAL.is_dir(), reason="HMTNET_DATA names no folder with these labels")
def test_the_real_labels_and_what_they_say():
    labels = read(REAL, labels_only=True)
    facts, records = labels.facts, labels.records
    assert len(records) == facts.images
    assert Counter(record.scale for record in records) == facts.scales
    assert len({record.reference for record in records}) == facts.references
    assert len({record.method for record in records}) == facts.methods
    rows = {row[0]: row[1:] for row in table(labels, read_scores(REAL / "iqa.csv", labels), 20)}
    assert float(rows["label-only"][1]) == pytest.approx(0.73, abs=0.02)
    assert float(rows["label-only"][3]) == pytest.approx(0.69, abs=0.02)
    assert float(rows["DBCNN"][1]) == pytest.approx(0.64, abs=0.02)
    assert float(rows["DBCNN"][3]) == pytest.approx(0.60, abs=0.02)
