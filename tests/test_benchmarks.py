"""The benchmarks run, at their smallest; what they measure is for a quiet machine."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


def run(name, *words):
    command = [sys.executable, FOLDER / f"{name}.py", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_training(precision):
    smallest = ["--batch", "2", "--steps", "1", "--repeats", "1", "--device", "cpu"]
    printed = run("training", *smallest, "--precision", precision)
    assert printed.startswith(f"tiny on cpu, {precision}: 2 images")
    ratios = [float(found) for found in re.findall(r"(-?[\d.]+)$", printed, re.MULTILINE)]
    assert len(ratios) == 6 and all(ratio > 0 for ratio in [ratios[0], *ratios[2:]])


@pytest.mark.full
def test_the_memory_of_scoring_does_not_grow():
    run("scoring", "--images", "4", "--large", "2")


@pytest.mark.full
def test_throughput():
    printed = run("throughput", "--megapixels", "0.02", "--repeats", "1")
    assert re.search(r"first score +\d", printed)
    assert float(re.search(r"ratio ([\d.]+)", printed)[1]) < 1


@pytest.mark.full
def test_scale():
    printed = run("scale", "--sizes", "100")
    for title in ("first time  start-up", "again       near duplicates", "report      peak memory"):
        assert re.search(rf"{title}.* \d", printed)


@pytest.mark.full
def test_device_tries_itself_on_a_cpu(tmp_path):
    file = tmp_path / "device.json"
    smallest = ["--quick", "--systems", "plain", "--sizes", "tiny"]
    printed = run("device", "--device", "cpu", *smallest, "--output", file, "--parts", "training")
    rows = json.loads(file.read_text())["rows"]
    assert all(row["value"] > 0 and row["quantity"] in printed for row in rows) and len(rows) == 8


@pytest.mark.full
def test_device_without_a_gpu_says_so(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert run("device").startswith("No CUDA device")


def test_what_is_measured_is_kept_at_once_and_never_runs_longer_than_it_may(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.syspath_prepend(FOLDER)
    from measuring.rows import Rows

    file = tmp_path / "rows.json"

    def kept():
        return [
            (row["case"], row.get("value", row.get("note")))
            for row in json.loads(file.read_text())["rows"]
        ]

    def slow(case):
        rows.add(case, "ms", 1.5)
        assert kept() == [("slow", 1.5)] and "1.5" in capsys.readouterr().out
        time.sleep(60)

    def wrong(case):
        raise ValueError("no kernel\nfor this")

    rows = Rows(file, 1, {"device": "none"})
    rows.attempt("slow", slow, most=0.2)
    assert kept()[1:] == [("slow", "broken off after 0.2 s")] and not rows.failed
    rows.attempt("wrong", wrong)
    assert kept()[2:] == [("wrong", "ValueError: no kernel")] and rows.failed
    rows.end = 0
    rows.attempt("late", wrong)
    assert kept()[3:] == [("late", "the time is up")]


def test_the_spread_of_the_demo_is_shown_by_settings_and_stage(tmp_path):
    rows = ["settings,seed,threads,row,srcc,val_srcc,within_tau"]
    rows += [f"split.seed=0,{seed},1,joint,{0.8 + seed / 100:.4f},0.8,0.3" for seed in range(5)]
    rows += ["split.seed=0 size.epochs=1,0,1,joint,0.5000,0.5,"]
    (tmp_path / "demo_spread.csv").write_text("\n".join(rows) + "\n")
    printed = run("demo_spread", tmp_path, "--show")
    assert "5 trainings: SRCC median 0.820, interquartile range 0.020, 0.800 to 0.840" in printed
    assert "split.seed=0 size.epochs=1\n  joint         1 trainings: SRCC median 0.500" in printed


@pytest.mark.full
def test_the_demo_is_trained_once_for_each_seed_and_number_of_threads(tmp_path, demo_root):
    words = [tmp_path, "--seeds", "0", "--threads", "1", "2", "--settings"]
    words += ["trainer.debug.epochs=1", "trainer.debug.batches=1", "stages=[grading]"]
    assert run("demo_spread", *words).count("threads: grading") == 2
    again = run("demo_spread", *words)
    assert "threads: grading" not in again and "2 trainings" in again
