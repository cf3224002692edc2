"""The benchmarks run, at their smallest; what they measure is for a quiet machine."""

import re
import subprocess
import sys
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
