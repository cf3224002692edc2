"""The example that takes a model for a loss: what it optimises gets better by the model's word."""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "docs/examples/improve/improve.py"


def test_the_model_likes_what_was_improved_by_it(finished, tmp_path, capsys, monkeypatch):
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    Image.fromarray(blocks).save(tmp_path / "photo.png")
    words = [finished.stages["joint"], tmp_path / "photo.png", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["improve.py", *map(str, words)])
    runpy.run_path(str(EXAMPLE))
    lines = capsys.readouterr().out.splitlines()
    score = {line.split()[0]: float(re.search(r"score (\S+)", line)[1]) for line in lines}
    assert score["bicubic"] < score["improved"] and score["bicubic"] < score["gamed"]
    for name in score:
        assert Image.open(tmp_path / "out" / f"{name}.png").size == (64, 64)
