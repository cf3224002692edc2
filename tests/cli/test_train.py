"""The whole chain by the command line: what it leaves, what it shows, what it reuses."""

import csv
import json
import shutil
import subprocess
import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import yaml

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli import chain
from hmtnet.cli.main import BAD_INPUT
from hmtnet.experiment.machine import cpu_name
from hmtnet.experiment.settings import train_settings
from hmtnet.metrics import median_grade
from hmtnet.report.numbers.summary import summarise
from hmtnet.report.render.closing import Row, as_records, closing_table
from hmtnet.storage import status as run_status
from hmtnet.storage.directory import RunDirectory

STAGES = ("grading", "sfen", "joint")
BESIDE = ("scale-only", "label-only", "sharpness")


def run_directories(runs):
    return sorted(path for path in runs.glob("*/*/*-*") if (path / "status.json").exists())


def contents(runs):
    """Return every file's path and time of writing, but the pictures', which are drawn anew."""
    return {
        path.relative_to(runs): path.stat().st_mtime_ns
        for path in runs.rglob("*")
        if path.is_file() and path.suffix != ".svg"
    }


def records_of(outcome):
    return json.loads(outcome.out)


def test_a_run_directory_holds_what_it_should(finished):
    common = {"settings.yaml", "status.json", "metrics.csv", "predictions.csv"}
    common |= {"stage.safetensors", "stage.json", "scenes.safetensors", ".lock"}
    pictures = {"scatter.svg", "grades.svg"}
    assert run_directories(finished.runs) == sorted(finished.stages.values())
    for stage, path in finished.stages.items():
        expected = common | (pictures if stage == "joint" else set())
        assert {entry.name for entry in path.iterdir()} == expected
        assert RunDirectory(path).finished
    for picture in pictures:
        root = ElementTree.parse(finished.stages["joint"] / picture).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "joint on " in "".join(root.itertext())


@pytest.mark.parametrize("stage", STAGES)
def test_status_curves_and_settings(finished, tiny, stage):
    path = finished.stages[stage]
    epochs = {"grading": 1, "sfen": 2, "joint": 1}[stage]
    status = run_status.read(path / "status.json")
    assert (status.state, status.epoch, status.epochs) == ("finished", epochs, epochs)
    assert (status.stage, f"{stage}-{status.key}") == (stage, path.name)
    with (path / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    first = 0 if stage == "joint" else 1  # it starts from trained weights, which are judged too
    assert [int(row["epoch"]) for row in rows] == list(range(first, epochs + 1))
    assert [int(row["step"]) for row in rows] == [4 * i for i in range(first, epochs + 1)]
    assert all(np.isfinite(float(row["val/srcc"])) for row in rows)
    chosen = max(float(row["val/srcc"]) for row in rows)
    assert status.objective == pytest.approx(chosen, abs=1e-6)
    # What was composed can be read back, and says what the words said.
    tree = yaml.safe_load((path / "settings.yaml").read_text())
    settings, _ = train_settings(tree, complete=True)
    assert settings.system.stages["sfen"].network.levels == 2
    assert settings.data.reader == "qads"


@pytest.mark.parametrize("stage", STAGES)
def test_stage_json_describes_the_stage(finished, stage):
    meta = json.loads((finished.stages[stage] / "stage.json").read_text())
    assert (meta["system"], meta["stage"]) == ("hmtnet", stage)
    assert finished.stages[stage].name == f"{stage}-{meta['key']}"
    assert meta["settings"]["network"] and meta["settings"]["loss"]
    assert len(meta["grades"]["edges"]) == 2 and meta["grades"]["rule"] == "kmeans"
    assert meta["dataset"]["name"] == "qads" and meta["dataset"]["label_kind"] == "human"
    assert meta["dataset"]["mos_range"] == [0.0, 1.0]
    assert meta["split"]["images"] == {"train": 16, "val": 4, "test": 4}
    assert meta["split"]["leaky"] is False and meta["split"]["protocol"] == "content"
    assert len(meta["seen"]["train"]["images"]) == 16 and len(meta["seen"]["val"]["groups"]) == 1
    upstream = {"grading": [], "sfen": ["grading"], "joint": ["grading", "sfen"]}[stage]
    assert list(meta["upstream"]) == upstream
    for name in upstream:
        there = finished.stages[stage] / meta["upstream"][name]["path"]
        assert there.resolve() == finished.stages[name].resolve()
    assert meta["seed"] == 0 and meta["precision"] == "32-true" and meta["debug"] is None
    (conditions,) = meta["conditions"]
    assert (conditions["epoch"], conditions["threads"], conditions["gpu"]) == (0, 1, None)
    assert {"python", "torch", "lightning"} <= conditions["versions"].keys()
    cost, judging = meta["cost"], meta["judging"]
    assert judging["gflops"] > 0 and judging["seconds"] > 0 and judging["tensors_mb"] > 0
    assert judging["device"] == cpu_name()
    assert 0 < cost["trained_parameters"] <= cost["parameters"] and cost["seconds"] > 0
    assert (cost["trained_parameters"] < cost["parameters"]) == (stage == "sfen")  # frozen grader
    assert set(meta["grade_accuracy"]) == {"train", "val"}


def test_training_images_need_not_be_predicted_and_may_be_later(hmtnet, tiny, tmp_path):
    words = tiny(tmp_path / "runs", "stages=[grading]")
    done = hmtnet(*words, "evaluate.train=false")
    assert done.code == 0, done.err
    (path,) = (tmp_path / "runs").glob("*/*/grading-*")
    assert prediction_files.read(path / "predictions.csv").subsets == ("val", "test")
    assert set(store.read_meta(path)["grade_accuracy"]) == {"val"}
    again = hmtnet(*words)
    assert again.code == 0 and "reused" in again.err, again.err
    assert len(prediction_files.read(path / "predictions.csv").select("train")) == 16


@pytest.mark.parametrize("stage", STAGES)
def test_predictions_cover_every_image_once(finished, stage):
    found = prediction_files.read(finished.stages[stage] / "predictions.csv")
    assert found.subsets == ("train", "val", "test")
    assert [len(found.select(name)) for name in found.subsets] == [16, 4, 4]
    assert len(set(found.image)) == 24
    references = [set(found.select(name).reference) for name in found.subsets]
    assert not references[0] & references[1] and not references[0] & references[2]
    assert np.allclose(found.probabilities.sum(1), 1) and found.probabilities.shape == (24, 3)
    assert (found.grade == median_grade(found.probabilities)).all()
    assert set(found.method) == {"01", "02"} and set(found.scale) == {2, 4}
    meta = store.read_meta(finished.stages[stage])
    edges = meta["grades"]["edges"]
    assert (found.true_grade == np.searchsorted(edges, found.mos, side="right")).all()


def note_of(path):
    """Return what the table must say of a stage; of four validation images any may be best."""
    kept = (path / "stage.json").exists() and "kept_start" in store.read_meta(path)
    return chain.KEPT_START if kept else ""


def test_the_table_is_made_of_the_predictions(finished):
    baselines = [next(finished.runs.glob(f"*/*/{name}-*")) for name in BESIDE]
    files = {path.name.rsplit("-", 1)[0]: path for path in [*baselines, *finished.stages.values()]}
    rows = [
        Row(name, summarise(found, "val"), summarise(found, "test"), note_of(path))
        for name, path in files.items()
        for found in [prediction_files.read(path / "predictions.csv")]
    ]
    assert closing_table(rows) in finished.outcome.out
    assert "qads, test subset: 4 images, split by protocol 'content'" in finished.outcome.out
    assert "labels: human scores" in finished.outcome.out
    assert finished.outcome.out.rstrip().endswith(str(finished.stages["joint"]))


def test_json_says_the_same(finished, hmtnet, tiny, runs):
    document = records_of(hmtnet(*tiny(runs, "format=json")))
    assert set(document) == {"dataset", "label_kind", "split", "leaky", "runs", "page", "results"}
    assert (document["dataset"], document["leaky"]) == ("qads", False)
    names = [*BESIDE, *STAGES]
    assert [(r["name"], r["subset"]) for r in document["results"]] == [
        (name, subset) for name in names for subset in ("val", "test")
    ]
    for stage, path in document["runs"].items():
        found = prediction_files.read(runs / path / "predictions.csv")
        note = note_of(runs / path)
        rows = [Row(stage, summarise(found, "val"), summarise(found, "test"), note)]
        assert as_records(rows) == [r for r in document["results"] if r["name"] == stage]


def test_a_second_run_reuses_everything_and_is_quick(finished, hmtnet, tiny, runs):
    before = contents(runs)
    started = time.perf_counter()
    again = hmtnet(*tiny(runs))
    assert time.perf_counter() - started < 10
    assert again.code == 0 and again.err.count(": reused ") == 3
    assert "training" not in again.err.replace("training images", "")
    changed = {path for path, when in contents(runs).items() if before.get(path) != when}
    assert {path.parent.name.rsplit("-", 1)[0] for path in changed} <= set(BESIDE)
    assert again.out.split("pictures")[0] == finished.outcome.out.split("pictures")[0]


@pytest.mark.full
def test_a_finished_chain_is_found_without_what_trains(tiny, runs):
    code = (
        "import sys; from hmtnet.cli.main import main; assert main(sys.argv[1:]) == 0; "
        "print(*{'lightning', 'torchmetrics', 'torchvision', 'timm'} & {*sys.modules}, 'end')"
    )
    command = [sys.executable, "-c", code, *map(str, tiny(runs))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.count(": reused ") == 3 and done.stdout.splitlines()[-1] == "end"


def test_a_stage_trained_with_other_threads_is_reused_and_the_table_says_so(hmtnet, tiny, runs):
    again = hmtnet(*tiny(runs, "trainer.threads=2"))
    assert again.code == 0 and again.err.count(": reused ") == 3
    told = "trained before, under other conditions: threads 1 (here 2)"
    assert told in " ".join(again.out.split())
    assert torch.get_num_threads() == 1
    program = records_of(hmtnet(*tiny(runs, "trainer.threads=2", "format=json")))
    notes = {row["name"]: row["note"] for row in program["results"]}
    assert all(told in notes[stage] for stage in STAGES)
    assert all(told not in notes[baseline] for baseline in BESIDE)


def test_a_single_run_ends_with_its_page(finished, hmtnet, tiny, runs):
    words = tiny(runs, "report=true")
    assert hmtnet(*words, "-m").code == 0 and not list(runs.rglob("*.html"))
    last = hmtnet(*words).out.splitlines()[-1]
    page = next(runs.glob("*/*/joint-*")) / "report.html"
    assert last == f"page: {page}"
    assert all(name in page.read_text(encoding="utf-8") for name in (*STAGES, "label-only"))
    page.unlink()
    page.mkdir()  # nothing can be written there
    done = hmtnet(*words)
    assert done.code == 0 and done.err.count("No page of the chain was made: ") == 1


def test_stages_are_added_to_the_ones_there_are(finished, hmtnet, tiny, runs):
    shutil.rmtree(next(runs.glob("*/*/joint-*")))
    one = hmtnet(*tiny(runs, "stages=[grading]"))
    assert one.err.count(": reused ") == 1 and "sfen" not in one.err + one.out
    both = hmtnet(*tiny(runs, "stages=[sfen,grading]"))  # order is the system's
    assert both.err.count(": reused ") == 2 and "joint" not in both.err + both.out
    three = hmtnet(*tiny(runs))
    assert three.err.count(": reused ") == 2 and "joint: training" in three.err
    # The same numbers as of the chain in one go, to the last bit.
    name = finished.stages["joint"].relative_to(finished.runs)
    again = store.load(runs / name)
    for key, tensor in store.load(finished.runs / name).tensors.items():
        assert torch.equal(tensor, again.tensors[key])


def test_workers_and_a_cache_change_nothing(finished, hmtnet, tiny, tmp_path):
    words = ["stages=[grading,sfen]", "trainer.workers=1", "data.cache=none", "evaluate.test=false"]
    assert hmtnet(*tiny(tmp_path, *words)).code == 0
    for path in run_directories(tmp_path):
        here = store.load(path).tensors
        there = store.load(finished.runs / path.relative_to(tmp_path)).tensors
        assert all(torch.equal(here[key], tensor) for key, tensor in there.items())


def test_the_joint_stage_runs_from_scratch(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path, "stages=[joint]", "format=json"))
    assert done.code == 0 and list(records_of(done)["runs"]) == ["joint"]
    (path,) = run_directories(tmp_path)
    meta = store.read_meta(path)
    assert meta["upstream"] == {}
    assert meta["cost"]["trained_parameters"] == meta["cost"]["parameters"]


def test_sfen_alone_needs_a_prior_or_does_without(hmtnet, tiny, tmp_path):
    refused = hmtnet(*tiny(tmp_path / "runs", "stages=[sfen]"))
    assert refused.code == BAD_INPUT
    assert "Stage 'sfen' with prior=mixture and extractor=grading needs" in refused.err
    assert not (tmp_path / "runs").exists()
    words = ["system.sfen.network.prior=none", "system.sfen.extractor=weights"]
    done = hmtnet(*tiny(tmp_path / "runs", "stages=[sfen]", "system.sfen.epochs=1", *words))
    assert done.code == 0, done.err
    (path,) = run_directories(tmp_path / "runs")
    found = prediction_files.read(path / "predictions.csv")
    assert found.probabilities.shape == (24, 0) and (found.grade == -1).all()
    assert {p.name for p in path.glob("*.svg")} == {"scatter.svg"}  # no grades, no picture of them


def test_test_images_are_left_alone_where_asked(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path, "stages=[grading]", "evaluate.test=false"))
    (path,) = run_directories(tmp_path)
    assert prediction_files.read(path / "predictions.csv").subsets == ("train", "val")
    assert "val subset: 4 images" in done.out
    settings = (path / "settings.yaml").read_text()
    trained = (path / "stage.safetensors").stat().st_mtime_ns
    done = hmtnet(*tiny(tmp_path, "stages=[grading]"))
    assert "grading: reused" in done.err and "test subset: 4 images" in done.out
    assert prediction_files.read(path / "predictions.csv").subsets == ("train", "val", "test")
    assert (path / "stage.safetensors").stat().st_mtime_ns == trained
    assert (path / "settings.yaml").read_text() == settings


def test_a_capped_run_says_that_its_numbers_mean_nothing(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path, "trainer=debug", "trainer.accelerator=cpu"))
    assert done.code == 0 and "these numbers mean nothing" in done.out
    assert "label-only" not in done.out
    for path in run_directories(tmp_path):
        found = prediction_files.read(path / "predictions.csv")
        assert [len(found.select(name)) for name in found.subsets] == [8, 4, 4]  # 2 batches of 4
        assert store.read_meta(path)["debug"]["batches"] == 2


def test_an_undefined_objective_is_told(hmtnet, tiny, tiny_root, tmp_path):
    words = ("stages=[grading]", "format=json", "seed=1")  # of seed 0 the SRCC is itself -1
    # All labels of the validation reference are equal, so nothing can be ranked.
    root = shutil.copytree(tiny_root, tmp_path / "qads")
    first = hmtnet(*tiny(tmp_path / "a", *words, root=root))
    path = tmp_path / "a" / records_of(first)["runs"]["grading"]
    held_out = set(prediction_files.read(path / "predictions.csv").select("val").reference)
    lines = (root / "mos_with_names.txt").read_text().splitlines()
    flat = [
        f"0.5 {line.split()[1]}" if line.split()[1].split("_")[0] in held_out else line
        for line in lines
    ]
    (root / "mos_with_names.txt").write_text("\n".join(flat) + "\n")
    done = hmtnet(*tiny(tmp_path / "b", *words, root=root))
    assert done.code == 0 and "The validation SRCC is undefined" in done.err
    (path,) = run_directories(tmp_path / "b")
    assert run_status.read(path / "status.json").objective is None
    assert store.read_meta(path)["val_srcc"] is None
    results = records_of(done)["results"]
    assert [r["srcc"] for r in results if r["name"] == "grading" and r["subset"] == "val"] == [None]
