"""Several datasets trained on together: ``data.also``."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.metrics import srcc
from hmtnet.models.system import own_systems


@pytest.fixture(scope="module")
def second(tiny_root, tmp_path_factory):
    """A table of the tiny set's images, turned so that none is recognised; 100 is worst.

    Only its first scene is one of the tiny set's too, saved anew.
    """
    root = tmp_path_factory.mktemp("second") / "turned"
    root.mkdir()
    rows = []
    for line in (tiny_root / "mos_with_names.txt").read_text().splitlines():
        mos, name = line.split()
        reference, scale, method = name.removesuffix(".png").split("_")
        turn = 0 if reference == "img01" else 90
        files = {name: "super-resolved_images", f"{reference}.png": "source_images"}
        for file, folder in files.items():
            image = Image.open(tiny_root / folder / file).rotate(turn)
            image.point(lambda value: value * 0.9 + 12).save(root / file)
        rows.append([name, 100 - 90 * float(mos), reference, method, scale, f"{reference}.png"])
    with (root / "labels.csv").open("w", newline="") as stream:
        columns = ["image", "mos", "reference", "method", "scale", "reference_image"]
        csv.writer(stream).writerows([columns, *rows])
    return root


@pytest.fixture(scope="module")
def also(second):
    """The words that add it."""
    return [
        f"data.also.turned.{word}"
        for word in (
            *("reader=table", f"root={second}", "label_kind=pseudo", "direction=lower"),
            "range=[0,100]",
        )
    ]


@pytest.fixture(scope="module")
def trained(hmtnet, tiny, also, tmp_path_factory):
    runs = tmp_path_factory.mktemp("several") / "runs"
    done = hmtnet(*tiny(runs, *also, "data.label_kind=human", "format=json"))
    assert done.code == 0, done.err
    return json.loads(done.out), runs


def test_the_artifact_lists_the_datasets(trained):
    document, _ = trained
    dataset = store.read_meta(document["runs"]["joint"])["dataset"]
    assert (dataset["name"], dataset["label_kind"]) == ("qads+turned", "pseudo")
    assert (dataset["mos_range"], dataset["higher_is_better"]) == ([0.0, 1.0], True)
    parts = {part["name"]: part for part in dataset["parts"]}
    assert parts["qads"]["label_kind"] == "human" and parts["qads"]["images"] == 24
    assert parts["turned"]["label_kind"] == "pseudo"
    assert parts["turned"]["mos_range"] == [0.0, 100.0]
    assert not parts["turned"]["higher_is_better"]


def test_a_photograph_of_both_lies_on_one_side(trained):
    found = predictions(trained)
    subsets = dict(zip(found.image, found.subset, strict=True))
    for scale in (2, 4):
        name = f"img01_{scale}_01.png"
        assert subsets[f"qads/super-resolved_images/{name}"] == subsets[f"turned/{name}"]


def predictions(trained):
    return prediction_files.read(f"{trained[0]['runs']['joint']}/predictions.csv")


def test_the_epoch_is_chosen_by_the_mean_of_the_datasets(trained):
    val = predictions(trained).select("val").apart()
    assert len(val) == 2
    expected = np.mean([srcc(rows.score, rows.mos) for rows in val.values()])
    meta = store.read_meta(trained[0]["runs"]["joint"])
    assert meta["val_srcc"] == pytest.approx(expected, abs=1e-12)


def test_each_dataset_has_rows_of_its_own(trained, hmtnet):
    document, runs = trained
    rows = {(row["of"], row["name"], row["subset"]): row for row in document["results"]}
    names = {"scale-only", "label-only", "sharpness", "grading", "sfen", "joint"}
    assert {name for _, name, _ in rows} == names
    test = predictions(trained).select("test").apart()
    assert list(test) == ["qads", "turned"]
    for dataset, found in test.items():
        row = rows[dataset, "joint", "test"]
        assert row["n"] == len(found)
        assert row["srcc"] == pytest.approx(srcc(found.score, found.mos))
        # One scale's mean of this dataset, not of both.
        left = next(runs.glob("*/*/scale-only-*/predictions.csv"))
        scores = prediction_files.read(left).select("test").apart()[dataset].score
        train = predictions(trained).select("train").apart()[dataset]
        means = {s: train.mos[[x == s for x in train.scale]].mean() for s in (2, 4)}
        np.testing.assert_allclose(scores, [means[s] for s in found.scale])
    done = hmtnet("report", runs, "--format", "json", "--output", runs / "report")
    tables = {table["dataset"]: table["label_kind"] for table in json.loads(done.out)["sections"]}
    assert tables == {"qads (of qads+turned)": "human", "turned (of qads+turned)": "pseudo"}
    done = hmtnet("info", document["runs"]["joint"])
    assert "test (turned): SRCC" in done.out and "those of qads given by people" in done.out


def test_it_is_found_again_and_evaluated(trained, hmtnet, tiny, also, tiny_root):
    document, runs = trained
    again = hmtnet(*tiny(runs, *also, "data.label_kind=human", "format=json"))
    assert json.loads(again.out) == document and "reused" in again.err
    told = [f"artifact={document['runs']['joint']}", f"runs={runs}", "trainer=cpu"]
    seen = hmtnet("evaluate", "data=qads", f"data.root={tiny_root}", "split=whole", *told)
    assert seen.code == BAD_INPUT and "has seen" in seen.err
    kept = [f"split.file={runs / 'split.json'}", "split=file"]
    words = ["data=qads", f"data.root={tiny_root}", *also]
    assert hmtnet("data", "split", *words, f"output={runs / 'split.json'}").code == 0
    done = hmtnet("evaluate", *words, *kept, *told, "data.label_kind=human")
    assert done.code == 0, done.err
    assert "turned, test subset" in done.out and "qads, test subset" in done.out


def test_verify_tells_what_both_show(hmtnet, tiny_root, also):
    done = hmtnet("data", "verify", "data=qads", f"data.root={tiny_root}", "data.name=own", *also)
    assert "1 contents are in 'turned' too: img01" in done.out
    assert "own in" in done.out and "turned in" in done.out


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        (["train"], ["size.batch_size=5"], "expected an even system.grading.batch_size, found 5"),
        (["train"], ["data.also.turned.name=x"], "name is 'turned' already"),
        (["train"], ["data.also.turned.cache=none"], "for all datasets together"),
        (["train"], ["data.name=turned"], "must have two names"),
        (["train"], ["data.also.more.root=x"], "'data.also.more.reader' is required"),
        (["train"], ["data.also.more.redaer=x"], "Did you mean 'reader'?"),
        (["data", "export"], [], "writes one dataset"),
        (["baseline"], [], "one dataset at a time; leave out data.also"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    hmtnet, tiny, tiny_root, also, tmp_path, command, words, message
):
    told = tiny(tmp_path / "runs")[1:] if command == ["train"] else [f"data.root={tiny_root}"]
    done = hmtnet(*command, *told, "data=qads", *also, *words)
    assert (done.code, done.out) == (BAD_INPUT, "") and message in done.err, done.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.full
@pytest.mark.parametrize("system", [system.name for system in own_systems()])
def test_every_system_learns_from_both(hmtnet, also, tiny_root, tmp_path, system):
    done = hmtnet(
        *("train", "data=qads", f"data.root={tiny_root}", f"system={system}", "size=tiny"),
        *("trainer=cpu", "trainer.debug.epochs=1", f"runs={tmp_path}", "format=json", *also),
    )
    assert done.code == 0, done.err
    assert {row["of"] for row in json.loads(done.out)["results"]} == {"qads", "turned"}
