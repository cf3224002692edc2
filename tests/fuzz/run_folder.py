"""A valid run directory, file by file."""

import hashlib
import json
import struct
from typing import Any

import safetensors.torch
import torch

from hmtnet.artifact.digests import RECORDED, own_digest
from tests.fuzz.mutations import Sample, as_json, as_lines, raw
from tests.fuzz.target import Folder

STATUS = as_json(
    {
        "state": "finished",
        "stage": "plain",
        "key": "a" * 12,
        "started": "2026-01-01T00:00:00+00:00",
        "updated": "2026-01-01T00:00:01+00:00",
        "epoch": 3,
        "epochs": 3,
        "pid": 7,
        "host": "here",
        "objective": 0.5,
        "message": None,
    }
)
CURVE = as_lines(
    [
        ["epoch", "train/loss", "val/loss", "val/srcc"],
        *([e, 1 / e, 1.2 / e, e / 9] for e in (1, 2, 3)),
    ]
)


def _predicted(row: int) -> list[Any]:
    subset = ("train", "val", "test", "test", "test")[row % 5]
    label = [f"sr/{row}.png", subset, row % 20 / 20, "", row % 19 / 20, 1 + row % 2, 1 + row % 2]
    return [*label, "0.75", "0.25", f"r{row % 4}", f"m{row % 3}", 2 + row % 2]


_HEADER = (
    *("image", "subset", "mos", "mos_std", "score", "grade", "true_grade", "p_1", "p_2"),
    *("reference", "method", "scale"),
)
PREDICTIONS = as_lines([_HEADER, *(_predicted(row) for row in range(20))])
WEIGHTS = safetensors.torch.save({"a.weight": torch.ones(2, 3), "b": torch.zeros(1).half()})
DESCRIPTION: dict[str, Any] = {
    "format": 2,
    "hmtnet": "0",
    "weights_sha256": hashlib.sha256(WEIGHTS).hexdigest(),
    "system": "plain",
    "stage": "plain",
    "key": "a" * 12,
    "seed": 0,
    "precision": "32-true",
    "settings": {"epochs": 3, "optimizer": {"lr": 0.001}, "crops": {"size": 64, "grid": 2}},
    "grades": {"edges_unit": [0.5], "edges": [0.5], "rule": "width"},
    "dataset": {
        "name": "tiny",
        "fingerprint": "f" * 16,
        "label_kind": "human",
        "unit": "MOS",
        "mos_range": [0.0, 1.0],
        "higher_is_better": True,
        "licence": "",
    },
    "split": {
        "id": "content-s0",
        "protocol": "content",
        "variant": "content",
        "seed": 0,
        "index": None,
        "folds": None,
        "leaky": False,
        "images": {"train": 4, "val": 4, "test": 12},
    },
    "upstream": {"grading": {"key": "b" * 12, "path": "../grading-b"}},
    "debug": None,
    "oracle": False,
    "reference": "none",
    "selection": "validation",
    "seen": {
        "fingerprint": "f" * 16,
        "split": "content-s0",
        "train": {"images": ["0" * 16], "groups": ["1" * 16]},
        "val": {"images": ["2" * 16], "groups": ["other/"]},
        "upstream": [],
    },
    "val_srcc": 0.5,
    "grade_accuracy": {"train": 0.75, "val": 0.5},
    "cost": {"parameters": 12, "trained_parameters": 3, "seconds": 5.5, "device": "cpu"},
    "conditions": [{"epoch": 0, "threads": 1, "cpu": "A", "gpu": None, "versions": {"torch": "2"}}],
    "predictions": {"key": "c" * 12, "versions": {"torch": "2"}},
    "judging": {
        "megapixels": 0.2,
        "tiles": 4,
        "gflops": 0.5,
        "seconds": 0.04,
        "tensors_mb": 11.5,
        "device": "A",
        "threads": 1,
    },
    "learned_from": {"brightness": [19.5, 137.25], "side": [192.0, 192.0]},
}
CALIBRATION = {"coverage": 0.9, "half_width": 0.2, "images": 192}
"""What a description says too where it comes without its predictions."""
_SETTINGS = as_lines([["system: {name: plain}"], ["seed: 0"], ["size: {name: tiny}"]])
RUN: Folder = {
    "stage.json": as_json(DESCRIPTION),
    "status.json": STATUS,
    "predictions.csv": PREDICTIONS,
    "metrics.csv": CURVE,
    "settings.yaml": _SETTINGS,
    "stage.safetensors": raw(WEIGHTS),
}


def _recorded(sample: Sample) -> dict[str, Any]:
    digest = hashlib.sha256(sample.data).hexdigest()
    return {"sha256": digest, "bytes": len(sample.data), "modified_ns": 0}


def _digested(document: Any) -> bytes:
    whole = isinstance(document, dict) and "sha256" in document
    return json.dumps(document | {"sha256": own_digest(document)} if whole else document).encode()


_ENVELOPE = {
    "format": 3,
    "sha256": "",
    "files": {name: _recorded(RUN[name]) for name in RECORDED if name in RUN},
}
VERIFIED: Folder = {**RUN, "stage.json": Sample({**DESCRIPTION, **_ENVELOPE}, _digested)}
"""The same with the digests of its files, and its own one, which is made anew after an edit."""


def safetensors_sample(data: bytes) -> Sample:
    """Return a safetensors file by its header, whose length is told anew, and its numbers."""

    def pack(document: Any) -> bytes:
        header = json.dumps(document["header"]).encode()
        return struct.pack("<Q", len(header)) + header + document["numbers"]

    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return Sample({"header": header, "numbers": data[8 + length :]}, pack)
