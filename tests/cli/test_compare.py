"""The command that says which SR method is better."""

import csv
import json
import shutil

import pytest


@pytest.fixture
def results(tmp_path, tiny_root, monkeypatch):
    """Two folders of results of the same four photographs, and nothing else."""
    monkeypatch.chdir(tmp_path)
    images = sorted((tiny_root / "super-resolved_images").glob("*.png"))
    for method, chosen in (("good", images[:4]), ("bad", images[4:8])):
        (tmp_path / method).mkdir()
        for number, path in enumerate(chosen):
            shutil.copy(path, tmp_path / method / f"{number}.png")
    return tmp_path


@pytest.fixture
def compare(hmtnet, finished):
    return lambda *words: hmtnet("compare", *words, "--model", finished.stages["joint"])


def read(path):
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def test_folders_are_compared_on_the_contents_they_share(compare, results):
    (results / "good" / "extra.png").write_bytes(b"no image")
    done = compare("good", "bad")
    assert done.code == 0, done.err
    out = results / "comparison"
    scores = {row["image"]: float(row["unit_score"]) for row in read(out / "scores.csv")}
    assert len(scores) == 8
    methods = {row["name"]: row for row in read(out / "methods.csv")}
    for name, row in methods.items():
        own = [score for image, score in scores.items() if image.startswith(f"{name}/")]
        assert float(row["mean"]) == pytest.approx(sum(own) / 4)
    assert len(read(out / "contents.csv")) == 4
    page = (out / "comparison.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp;base64,") == 8
    assert "too few photographs" in done.out and "1 of 5 images are left out" in done.out


def test_the_same_command_goes_on_and_json_is_for_programs(compare, results):
    compare("good", "bad", "--output", "out")
    path = results / "out" / "scores.csv"
    text = path.read_text(encoding="utf-8")
    score = read(path)[0]["unit_score"]
    path.write_text(text.replace(score, "0.125", 1), encoding="utf-8")
    document = json.loads(compare("good", "bad", "--output", "out", "--format", "json").out)
    assert "0.125" in path.read_text(encoding="utf-8")  # not scored again
    assert document["contents"] == 4 and document["people"] is None
    assert document["methods"][0]["low"] is None  # below 10 photographs there is no interval


def test_what_has_no_score_is_told_and_its_content_left_out(compare, results):
    (results / "bad" / "2.png").write_bytes(b"no image")
    done = compare("good", "bad")
    assert done.code == 2 and "not scored: bad/2.png" in done.err
    assert "1 contents are left out" in done.out
    assert len(read(results / "comparison" / "contents.csv")) == 3


def test_a_datasets_methods_are_held_against_its_labels(compare, results, tiny_root):
    done = compare("data=qads", f"data.root={tiny_root}")
    assert done.code == 0, done.err
    assert "Beside people: Kendall's τ" in done.out
    assert {"mos"} <= set(read(results / "comparison" / "methods.csv")[0])


def test_bad_input_is_one_message_and_writes_nothing(compare, results, tiny_root, hmtnet):
    data = ("data=qads", f"data.root={tiny_root}")
    for words, message in {
        ("good",): "folder of results per SR method",
        ("good", "none"): "There is no folder none",
        ("good", "good"): "given twice",
        ("good", *data): "not both",
        ("good", "bad", "--methods", "a,b"): "Leave it out",
        (*data, "--methods", "no,such"): "no SR method no, such",
    }.items():
        done = compare(*words)
        assert (done.code, done.out) == (2, "") and message in done.err, done.err
    assert hmtnet("compare", "good", "bad", "--model", "hmtnet-lit").code == 2
    assert not (results / "comparison").exists()
