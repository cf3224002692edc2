"""Doors for weights: artifacts, checkpoints, what others have trained."""

import functools
import hashlib
import json
import math
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import safetensors.torch
import torch

from hmtnet.artifact import scenes, store
from hmtnet.experiment.checkpoints import set_damaged_aside
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.plain.network import SYSTEM, PlainSettings, PlainStageSettings
from hmtnet.models.weights import read_weights
from hmtnet.scoring.restore import restore
from hmtnet.scoring.scorer import Scorer
from hmtnet.settings import plain
from hmtnet.web.desk import Desk
from tests.fuzz.data_targets import IMAGES
from tests.fuzz.mutations import as_json, raw
from tests.fuzz.run_folder import CALIBRATION, DESCRIPTION, WEIGHTS, safetensors_sample
from tests.fuzz.target import Folder, Target, written, zipped

# Of a version that did not write digests down, so that what lies beside it is read.
_UNVERIFIED = {"format": 2, "hmtnet": "0.1.0", "weights_sha256": None}


def _artifact(path: Path) -> None:
    """Read weights whose digest is right, so that only their form can be wrong."""
    meta = {**DESCRIPTION, "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    path.with_name(store.META_FILE).write_text(json.dumps(meta))
    store.load(path.parent)


def _saved(content: Any, **options: Any) -> bytes:
    return written(lambda stream: torch.save(content, stream, **options))


_STATE = {"state_dict": {"a": torch.ones(2, 3), "b": torch.zeros(1)}, "epoch": 3, "lr": 0.5}
_STATES = [
    *(raw(_saved(_STATE)), zipped(_saved(_STATE))),
    raw(_saved(_STATE, _use_new_zipfile_serialization=False)),
]
_SCENES = safetensors.torch.save({"greys": torch.zeros(2, 24, 24, dtype=torch.uint8)})
_CHECKPOINT = _saved({"hmtnet": {"key": "k"}, **_STATE})


def _resumed(path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_name(f"{path.name}.sha256").write_text(f"{digest}  {path.name}\n")
    set_damaged_aside(path.parent, "k")


def network(root: Path) -> None:
    """Restore a network whose weights have the right digest."""
    path = root / store.META_FILE
    digest = hashlib.sha256((root / store.WEIGHTS_FILE).read_bytes()).hexdigest()
    before = DESCRIPTION["weights_sha256"].encode()
    path.write_bytes(path.read_bytes().replace(before, digest.encode()))
    restore(root)


_PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)


def _judging(root: Path) -> None:
    network(root)
    assert math.isfinite(Scorer(root, "cpu")(_PIXELS).score)


def _uploaded(path: Path) -> None:
    with patch.object(tempfile, "tempdir", str(path.parent)):
        found = _desk()(path.read_bytes(), maps=True)
    json.dumps(found, allow_nan=False)


@functools.cache
def _desk() -> Desk:
    with tempfile.TemporaryDirectory() as folder:
        for name, sample in tiny_network().items():
            (Path(folder) / name).write_bytes(sample.data)
        network(Path(folder))
        return Desk(Scorer(folder, "cpu"), "tiny")


def tiny_network() -> Folder:
    """Return the artifact of a network as small as can be."""
    settings = PlainStageSettings(network=PlainSettings(backbone=BackboneSettings(widths=(4, 4))))
    network = SYSTEM.stages[0].network(settings, None)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    meta = {
        **DESCRIPTION,
        "settings": plain(settings),
        "upstream": {},
        "calibration": CALIBRATION,
    }
    return {"stage.json": as_json(meta), "stage.safetensors": safetensors_sample(weights)}


WEIGHTS_TARGETS = [
    Target.of_file(
        *("safetensors", store.WEIGHTS_FILE, [raw(WEIGHTS), safetensors_sample(WEIGHTS)], _artifact)
    ),
    Target.of_file(
        "safetensors of weights", "a.safetensors", [safetensors_sample(WEIGHTS)], read_weights
    ),
    Target(
        "scenes",
        [{"stage.json": as_json(_UNVERIFIED), "scenes.safetensors": safetensors_sample(_SCENES)}],
        scenes.read_scenes,
    ),
    Target.of_file("weights .pth", "a.pth", _STATES, read_weights),
    Target.of_file(
        *("checkpoint", "epoch-0001.ckpt", [raw(_CHECKPOINT), zipped(_CHECKPOINT)], _resumed)
    ),
    Target("stage.json, restored and judging", [tiny_network()], _judging, files_only=True),
    Target.of_file(
        *("upload to hmtnet serve", "image", [sample for s in IMAGES.values() for sample in s]),
        _uploaded,
    ),
]
