"""Doors for what hmtnet has written itself and finds again: runs, weights, sweeps, scores, sets."""

import hashlib
import html
import io
import json
import re
import struct
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import safetensors.torch
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hmtnet.artifact import predictions, scenes, store
from hmtnet.cli import info, sweep
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.words import hydra_words
from hmtnet.errors import SettingsError
from hmtnet.experiment.checkpoints import set_damaged_aside
from hmtnet.experiment.loggers.stage_log import note_of, read_note
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.maps import MapStyle
from hmtnet.models.plain.network import SYSTEM, PlainSettings, PlainStageSettings
from hmtnet.models.weights import read_weights
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.history import read_history
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.scores import ScorePage
from hmtnet.report.render.text import as_text
from hmtnet.report.render.write import FILES
from hmtnet.scoring.restore import restore
from hmtnet.scoring.score_table import COLUMNS, Row, ScoreFile
from hmtnet.scoring.tiles import Layout
from hmtnet.scoring.verdict import Verdict
from hmtnet.settings import plain
from hmtnet.storage import status, trials
from hmtnet.storage.directory import RunDirectory
from hmtnet.synthesis.recipe import claim
from tests.fuzz.mutations import Sample, as_json, as_lines, raw
from tests.fuzz.target import Folder, Target, written, zipped

_STATUS = as_json(
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
_CURVE = as_lines(
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
_PREDICTIONS = as_lines([_HEADER, *(_predicted(row) for row in range(20))])
_WEIGHTS = safetensors.torch.save({"a.weight": torch.ones(2, 3), "b": torch.zeros(1).half()})
_DESCRIPTION: dict[str, Any] = {
    "format": 2,
    "hmtnet": "0",
    "weights_sha256": hashlib.sha256(_WEIGHTS).hexdigest(),
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
    "reference": "none",
    "selection": "validation",
    "val_srcc": 0.5,
    "cost": {"parameters": 12, "trained_parameters": 3, "seconds": 5.5, "device": "cpu"},
}
_SETTINGS = as_lines([["system: {name: plain}"], ["seed: 0"], ["size: {name: tiny}"]])
_RUN: Folder = {
    "stage.json": as_json(_DESCRIPTION),
    "status.json": _STATUS,
    "predictions.csv": _PREDICTIONS,
    "metrics.csv": _CURVE,
    "settings.yaml": _SETTINGS,
    "stage.safetensors": raw(_WEIGHTS),
}


def _report(root: Path) -> None:
    report = build_report(collect([root]), "A title")
    for make in FILES.values():
        make(report)
    as_text(report)
    json.dumps(as_document(report), allow_nan=False)


def _info(root: Path) -> None:
    with redirect_stdout(io.StringIO()):
        info.info([str(root)])
        info.info([str(root), "--format", "json"])


# Of a version that did not write digests down, so that what lies beside it is read.
_UNVERIFIED = {"format": 2, "hmtnet": "0.1.0", "weights_sha256": None}


def _safetensors(data: bytes) -> Sample:
    """Return a safetensors file by its header, whose length is told anew, and its numbers."""

    def pack(document: Any) -> bytes:
        header = json.dumps(document["header"]).encode()
        return struct.pack("<Q", len(header)) + header + document["numbers"]

    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    return Sample({"header": header, "numbers": data[8 + length :]}, pack)


def _artifact(path: Path) -> None:
    """Read weights whose digest is right, so that only their form can be wrong."""
    meta = {**_DESCRIPTION, "weights_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
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
    before = _DESCRIPTION["weights_sha256"].encode()
    path.write_bytes(path.read_bytes().replace(before, digest.encode()))
    restore(root)


def tiny_network() -> Folder:
    """Return the artifact of a network as small as can be."""
    settings = PlainStageSettings(network=PlainSettings(backbone=BackboneSettings(widths=(4, 4))))
    network = SYSTEM.stages[0].network(settings, None)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    weights = safetensors.torch.save(state)
    meta = {**_DESCRIPTION, "settings": plain(settings), "upstream": {}}
    return {"stage.json": as_json(meta), "stage.safetensors": _safetensors(weights)}


_AXES = {"system.sfen.optimizer.lr": "1e-4,3e-4", "seed": "0,1"}
_SWEEP: Folder = {
    "sweeps/s/sweep.json": as_json(
        {
            "axes": _AXES,
            "fixed": ["a=b"],
            "n_trials": 4,
            "direction": "maximize",
            "sampler": None,
        }
    ),
    **{
        f"sweeps/s/trials/{number}.json": as_json(
            {
                "number": number,
                "state": "complete",
                "val_srcc": 0.5,
                "seconds": 1.5,
                "overrides": {"seed": "0"},
                "pid": 1,
                "host": "here",
                "key": "k",
                "message": None,
            }
        )
        for number in (0, 1)
    },
}


def _swept(root: Path) -> None:
    with redirect_stdout(io.StringIO()):
        sweep.sweep(["status", "s", f"runs={root}"])
    trials.begin(root / "sweeps" / "s", trials.Sweep(_AXES, ("a=b",), 4))


_SCORE_ROW = [
    *("a.png", "0.5", "-0.5", "2", "0.75", "640", "480", "1.0", "MOS 0 to 1", "hmtnet-lite"),
    *("0" * 16, "1" * 16),
]


def _scored(path: Path) -> None:
    file = ScoreFile(path)
    file.finish(sort=True)
    assert ScoreFile(path).rows == file.rows


def _page() -> Sample:
    """A page of one score, by what it says of itself."""
    verdict = Verdict(
        *(0.5, 0.5, (0.0, 1.0), True, "human", 2, np.array([0.25, 0.75])),
        maps={"level": np.full((2, 2), 0.5, np.float32), "map": np.ones((12, 16), np.float32)},
        styles={
            "level": MapStyle(kind="levels", title="by level", names=("a", "b")),
            "map": MapStyle(kind="local", title="a map"),
        },
        layout=Layout(12, 16, 8, ((0, 0),)),
    )
    row = Row.from_cells(_SCORE_ROW)
    with TemporaryDirectory() as folder:
        page = ScorePage(Path(folder) / "page.html", "hmtnet-lite", [("system", ["plain"])], 1)
        page.see(row.image, np.zeros((12, 16, 3), np.uint8), verdict)
        page.append(row)
        before, kept, after = re.split(
            r'(?<=data-kept=")([^"]*)', page.path.read_text(encoding="utf-8")
        )

    def pack(document: Any) -> bytes:
        said = html.escape(json.dumps(document))
        return f"{before}{said}{after}".encode("utf-8", "surrogatepass")

    return Sample(json.loads(html.unescape(kept)), pack)


def _paged(path: Path) -> None:
    page = ScorePage(path, "hmtnet-lite", [], 1)
    page.finish(list(page.rows.values()), [])
    assert ScorePage(path, "hmtnet-lite", [], 1).rows == page.rows


_RECIPE = {
    "version": 1,
    "settings": {"seed": 0, "scales": [2, 4]},
    "methods": ["bicubic"],
    "weights": {},
    "photographs": {"a.png": "0" * 16},
    "libraries": {"numpy": "2"},
}


_LOGGED = {"epoch": 3, "finished": True, "subsets": ["val", "test"], "where": "wandb/offline"}


_WORDS = [
    *("data=qads", "data.root=/data/QADS", "seed=1", "size.crops={size: 48, count: 1}"),
    *("stages=[grading,sfen]", "system.sfen.optimizer.lr=1e-4,3e-4", "data.columns={image: name}"),
    *("-m", "split.fractions=[0.8,0.1,0.1]", "name='a b'", "seed=range(0,5)", "~x", "+a=b"),
    *("system.x=choice(a,b)", "data.name=${oc.env:HOME}", "a@b.c=d"),
]


def _words(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    words = [word for word in re.split("[\0\n]", text) if word]
    found = hydra_words(words, (conf_folder(),))
    try:
        OverridesParser.create().parse_overrides([word for word in found if word[0] != "-"])
    except HydraException as error:  # told as a message, see run_composed
        raise SettingsError(str(error)) from error


_WORD_LINES = Sample(_WORDS, lambda value: "\n".join(map(str, value)).encode("utf-8", "replace"))


RUN_TARGETS = [
    Target("status", [{"status.json": _STATUS}], lambda root: status.read(root / "status.json")),
    Target("curve", [{"metrics.csv": _CURVE}], lambda root: read_history(root, {})),
    Target(
        *("predictions", [{"predictions.csv": _PREDICTIONS}]),
        lambda root: predictions.read(root / "predictions.csv"),
    ),
    Target("run directory", [_RUN], lambda root: collect([root])),
    Target(
        "run directory, told (info)",
        [{name: _RUN[name] for name in ("stage.json", "predictions.csv")}],
        _info,
    ),
    Target(
        *("run directory, reported", [{f"plain-a/{n}": s for n, s in _RUN.items()}], _report),
        costly=True,
    ),
    Target.of_file(
        *("safetensors", store.WEIGHTS_FILE, [raw(_WEIGHTS), _safetensors(_WEIGHTS)], _artifact)
    ),
    Target.of_file(
        "safetensors of weights", "a.safetensors", [_safetensors(_WEIGHTS)], read_weights
    ),
    Target(
        "scenes",
        [{"stage.json": as_json(_UNVERIFIED), "scenes.safetensors": _safetensors(_SCENES)}],
        scenes.read_scenes,
    ),
    Target.of_file("weights .pth", "a.pth", _STATES, read_weights),
    Target.of_file(
        *("checkpoint", "epoch-0001.ckpt", [raw(_CHECKPOINT), zipped(_CHECKPOINT)], _resumed)
    ),
    Target("stage.json, restored", [tiny_network()], network, files_only=True),
    Target("sweep and trials", [_SWEEP], _swept),
    Target.of_file("scores", "scores.csv", [as_lines([COLUMNS, _SCORE_ROW, _SCORE_ROW])], _scored),
    Target.of_file("page of scores", "page.html", [_page()], _paged),
    Target("recipe", [{"recipe.json": as_json(_RECIPE)}], lambda root: claim(root, _RECIPE)),
    Target(
        *("W&B note", [{"wandb/logged.json": as_json(_LOGGED)}]),
        lambda root: read_note(note_of(RunDirectory(root), "wandb")),
    ),
    Target.of_file("override line", "words", [_WORD_LINES], _words),
]
