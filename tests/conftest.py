"""Fixtures that tests of several rooms share."""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from hmtnet.artifact.description import META_FILE, read_document
from hmtnet.artifact.digests import WEIGHTS_FILE, own_digest, records_of
from hmtnet.cli.main import main
from hmtnet.data import demo


def pytest_configure():
    # What a shell starts in the background ignores Ctrl-C, and what nohup starts a lost terminal.
    # So would all that tests start in order to stop it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def demo_root():
    """The folder of the whole demo set, built once a machine (under HMTNET_HOME or ~/.cache)."""
    return demo.ensure()


@dataclass(frozen=True)
class Outcome:
    """What a command has left: its exit code, and all it has printed."""

    code: int
    out: str
    err: str


def run_here(*words):
    """Run ``hmtnet`` in this process, and leave the process as it was."""
    environment = dict(os.environ)
    out, err = io.StringIO(), io.StringIO()
    logging.getLogger("hmtnet").handlers.clear()  # they hold the standard error of an earlier call
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(word) for word in words])
    except SystemExit as stop:  # Hydra's answer to --help
        code = stop.code
    finally:
        os.environ.clear()
        os.environ.update(environment)
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def hmtnet():
    """Call ``hmtnet("train", "seed=1")``: the command line, in this process."""
    torch.set_num_threads(1)  # as many as in a subprocess, so that results are equal bit by bit
    return run_here


@pytest.fixture(scope="session")
def hmtnet_process():
    """Start ``python -m hmtnet`` as a process of its own; killed at the end if it still runs."""
    processes = []

    def start(*words, **environment):
        process = subprocess.Popen(
            [sys.executable, "-m", "hmtnet", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def make_tiny(root):
    """Write a dataset in the layout of QADS: 6 references × 2 scales × 2 methods, 64 × 64 pixels.

    What is scored, not quite exactly, is the strength of a blur: a network sees it, but contents of
    different detail and contrast make it work for that.
    """
    rng = np.random.default_rng(0)
    for folder in ("super-resolved_images", "source_images"):
        (root / folder).mkdir(parents=True)
    lines = []
    for reference in range(1, 7):
        cells = (8, 16, 32)[reference % 3]
        pixels = 128 + rng.uniform(0.3, 1) * rng.uniform(-127, 127, (cells, cells, 3))
        sharp = Image.fromarray(pixels.astype(np.uint8)).resize((64, 64), Image.Resampling.NEAREST)
        sharp.save(root / "source_images" / f"img{reference:02d}.png")
        for scale in (2, 4):
            for method in (1, 2):
                blur = 0.25 * scale + 0.4 * method + 0.05 * reference
                name = f"img{reference:02d}_{scale}_{method:02d}.png"
                image = sharp.filter(ImageFilter.GaussianBlur(blur))
                image.save(root / "super-resolved_images" / name)
                mos = 1 / (1 + blur) + rng.uniform(-0.03, 0.03)
                lines.append(f"{mos:.4f} {name}\n")
    (root / "mos_with_names.txt").write_text("".join(lines))
    return root


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """The folder of a tiny dataset in the layout of QADS; copy it before changing it."""
    return make_tiny(tmp_path_factory.mktemp("tiny") / "qads")


@pytest.fixture(scope="session")
def tiny(tiny_root):
    """Make the words of a training command that takes seconds: ``tiny(runs, "seed=1")``."""

    def words(runs, *more, root=tiny_root):
        return [
            *("train", "data=qads", f"data.root={root}", f"runs={runs}", "trainer=cpu"),
            "report=false",
            *("size.crops={size: 48, count: 1, grid: 1}", "size.batch_size=4"),
            *("size.backbone.widths=[16,16]", "system.sfen.network.levels=2"),
            *("system.grades.count=3", "system.grading.epochs=1"),
            "size.ema=0",  # of a few steps, an average is still what they began from
            *("system.sfen.epochs=2", "system.joint.epochs=1", *more),
        ]

    return words


@dataclass(frozen=True)
class Finished:
    """A finished chain: what it printed, its folder of runs, and its run directories by stage."""

    outcome: Outcome
    runs: Path
    stages: dict[str, Path]


@pytest.fixture(scope="session")
def finished(hmtnet, tiny, tmp_path_factory):
    """The whole chain on the tiny dataset; copy its runs before adding to them."""
    runs = tmp_path_factory.mktemp("finished") / "runs"
    outcome = hmtnet(*tiny(runs))
    assert outcome.code == 0, outcome.err
    paths = {name: list(runs.glob(f"*/*/{name}-*")) for name in ("grading", "sfen", "joint")}
    return Finished(outcome, runs, {name: path for name, (path,) in paths.items()})


@pytest.fixture(scope="session")
def rewrite():
    """Change a stage's description, and record all its files as if the stage had left them so."""

    def written(folder, change=lambda document: None):
        document = read_document(folder)
        change(document)
        document["files"] = records_of(folder, document["files"])
        document["sha256"] = own_digest(document)
        (folder / META_FILE).write_text(json.dumps(document))
        return folder

    return written


@pytest.fixture(scope="session")
def unverified():
    """Make a stage's description one of before digests were recorded."""

    def before(folder):
        document = read_document(folder)
        weights = document.pop("files").get(WEIGHTS_FILE, {}).get("sha256")
        del document["sha256"]
        document |= {"format": 2, "weights_sha256": weights}
        (folder / META_FILE).write_text(json.dumps(document))
        return folder

    return before


@pytest.fixture
def runs(finished, tmp_path):
    """A copy of the finished chain's folder of runs, to go on in."""
    return shutil.copytree(finished.runs, tmp_path / "runs")


@pytest.fixture(scope="session")
def assess():
    """Judge one whole image by its tiles, all at once: ``assess(network, image, crops)``."""

    @torch.inference_mode()
    def judge(network, image, crops, reference=None):
        references = None if reference is None else [reference]
        return network(network.crops_of([image], crops, references))

    return judge
