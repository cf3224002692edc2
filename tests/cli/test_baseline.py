"""`hmtnet baseline`: labels alone, over many splits."""

import csv
import json

import h5py
import numpy as np
import pytest

from hmtnet.cli.main import BAD_INPUT


@pytest.fixture
def published(tmp_path):
    """A published table of QADS with 6 references and 30 stored orders; there is no image."""
    path = tmp_path / "fullinfo.mat"
    rng = np.random.default_rng(0)
    names = [f"img{r:02d}_{s}_{m:02d}.bmp" for r in range(1, 7) for s in (2, 4) for m in (1, 2, 3)]
    scores = [0.9 - 0.1 * int(n[6]) - 0.05 * int(n[9]) + rng.uniform(-0.02, 0.02) for n in names]
    with h5py.File(path, "w") as file:
        cells = []
        for i, name in enumerate(names):
            cell = file.create_dataset(f"#refs#/{i}", data=np.array([[ord(c)] for c in name], "u2"))
            cell.attrs["MATLAB_class"] = np.bytes_("char")
            cells.append(cell.ref)
        file["im_names"] = np.array([[c] for c in cells], dtype=h5py.ref_dtype)
        file["subjective_scores"] = np.array([scores])
        file["ref_ids"] = np.array([[float(n[3:5]) for n in names]])
        file["index"] = np.array([rng.permutation(6) + 1.0 for _ in range(30)]).T
    return path


def test_the_published_splits_need_no_image(hmtnet, published, tmp_path):
    done = hmtnet(
        *("baseline", "data=qads", f"data.table={published}", "split=published", "format=json"),
        f"output={tmp_path / 'all.csv'}",
    )
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert (document["dataset"], document["protocol"]) == ("qads", "published")
    found = {result["name"]: result for result in document["results"]}
    assert found["label-only"]["splits"] == found["scale-only"]["splits"] == 30
    assert found["label-only"]["test_images"] == 6  # one reference of six
    for number in ("srcc", "plcc", "krcc"):
        assert found["label-only"][number]["median"] > found["scale-only"][number]["median"] > 0.5
    assert found["label-only"]["predicted_by"]["method and scale"] == 1
    rows = list(csv.DictReader((tmp_path / "all.csv").open()))
    assert len(rows) == 60
    label_only = [float(row["srcc"]) for row in rows if row["baseline"] == "label-only"]
    assert np.median(label_only) == found["label-only"]["srcc"]["median"]


def test_text_says_what_it_is_about(hmtnet, published):
    words = ("baseline", "data=qads", f"data.table={published}", "splits=4")
    out = hmtnet(*words, "split=method").out
    assert "qads, 4 splits by protocol 'method'; labels: human scores" in out
    assert "label-only predicts by training means: 100.0 % by scale" in out
    assert (
        "(leaky)" not in out
        and "4 splits by protocol 'image' (leaky)" in hmtnet(*words, "split=image").out
    )


def test_a_fractional_scale_factor_is_a_scale_factor(hmtnet, tmp_path):
    rows = [
        f"{r}_{m}_{s}.png,{0.9 - s / 9 + r / 99},{r},{m},{s}"
        for r in range(6)
        for m in "ab"
        for s in (1.5, 2, 3)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,mos,reference,method,scale", *rows]))
    declared = ("data.range=[0,1]", "data.direction=higher", "data.label_kind=human")
    words = ("baseline", "data=table", f"data.root={tmp_path}", *declared, "format=json")
    found = json.loads(hmtnet(*words).out)["results"][0]
    assert found["predicted_by"]["scale"] == 1 and found["srcc"]["median"] > 0.9
    held = hmtnet(*words, "split=scale", "split.scale=1.5")
    assert held.code == 0, held.err
    assert json.loads(held.out)["results"][0]["test_images"] == 2
    whole = hmtnet(*words, "split=scale", "split.scale=2.0")
    assert json.loads(whole.out)["results"][0]["test_images"] == 2


def test_a_dataset_with_images_is_read_by_its_labels(hmtnet, tiny_root):
    done = hmtnet("baseline", "data=qads", f"data.root={tiny_root}", "split=kfold", "format=json")
    document = json.loads(done.out)
    names = [result["name"] for result in document["results"]]
    assert names == ["scale-only", "label-only", "sharpness"]
    assert {result["splits"] for result in document["results"]} == {5}


def test_a_label_table_without_images_says_why_there_is_no_sharpness(hmtnet, published):
    out = hmtnet("baseline", "data=qads", f"data.table={published}", "splits=2").out
    assert "sharpness: not applicable, no images that can be measured: " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["split=published"], "split=published needs the table that stores the splits"),
        (["splits=0"], "splits=0: split=content of 'qads' yields 1 to"),
        (["split=all"], "split=all tests nothing"),
        (["data.table=labels.csv"], "a published table that ends in .mat"),
        (["data.table=none.mat"], "was not found: looked for"),
        (["split.fold=1"], "Unknown setting 'split.fold'. Did you mean 'folds'?"),
    ],
)
def test_bad_input(hmtnet, tiny_root, words, message):
    done = hmtnet("baseline", "data=qads", f"data.root={tiny_root}", *words)
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert message in done.err and "Traceback" not in done.err
