"""Doors for what hmtnet has written itself and finds again: runs, sweeps, scores, sets."""

import hashlib
import html
import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hmtnet.artifact import predictions
from hmtnet.artifact.description import amend_description, changed_of, read_document
from hmtnet.artifact.digests import RECORDED
from hmtnet.cli import info, sweep
from hmtnet.cli.composing import conf_folder
from hmtnet.cli.runs import runs
from hmtnet.cli.words import hydra_words
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import Split
from hmtnet.errors import SettingsError
from hmtnet.experiment.chain import _given
from hmtnet.experiment.conditions import differences, record, recorded
from hmtnet.experiment.loggers.stage_log import note_of, read_note
from hmtnet.metrics.logistic import Curve, curve
from hmtnet.models.maps import MapStyle
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.history import read_history
from hmtnet.report.numbers.reference_rows import reference_rows
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.scores import ScorePage
from hmtnet.report.render.text import as_text
from hmtnet.report.render.write import FILES
from hmtnet.scoring.score_table import COLUMNS, Row, ScoreFile
from hmtnet.scoring.tiles import Layout
from hmtnet.scoring.verdict import Verdict
from hmtnet.storage import status, trials
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.inventory import find_runs
from hmtnet.synthesis.build import _read_log
from hmtnet.synthesis.degradation import Degradation
from hmtnet.synthesis.listing import LOG
from hmtnet.synthesis.methods import Enlargement
from hmtnet.synthesis.photographs import Photograph, Reference
from hmtnet.synthesis.plan import PlannedImage
from hmtnet.synthesis.recipe import claim
from hmtnet.synthesis.worker import Workshop, _drawn
from tests.fuzz.mutations import Sample, as_json, as_lines, raw
from tests.fuzz.run_folder import (
    CALIBRATION,
    CURVE,
    DESCRIPTION,
    PREDICTIONS,
    RUN,
    STATUS,
    VERIFIED,
)
from tests.fuzz.target import Folder, Target


@lru_cache(1_000)
def _fitted(z: bytes, y: bytes, parameters: int) -> Curve:
    return curve(np.frombuffer(z), np.frombuffer(y), parameters)


def _report(root: Path) -> None:
    # Most inputs hold the same scores, and fitting their curves takes longer than all else.
    with patch(
        "hmtnet.metrics.mapping.curve",
        lambda z, y, parameters: _fitted(z.tobytes(), y.tobytes(), parameters),
    ):
        report = build_report(collect([root]), "A title")
    for make in FILES.values():
        make(report)
    as_text(report)
    json.dumps(as_document(report), allow_nan=False)


def _info(root: Path) -> None:
    with redirect_stdout(io.StringIO()):
        info.info([str(root)])
        info.info([str(root), "--format", "json"])


def _verified(root: Path) -> None:
    document = read_document(root)
    changed_of(root, document, RECORDED)
    amend_description(root, {"val_srcc": 0.25})
    differences(document.get("conditions"), _HERE)


def _looked_after(root: Path) -> None:
    with redirect_stdout(io.StringIO()):
        for form in ("text", "json"):
            runs(["list", "--runs", str(root), "--format", form])
            for run in find_runs(root):
                runs(["show", str(run.path), "--runs", str(root), "--format", form])
        runs(["prune", "--unfinished", "--yes", "--runs", str(root)])


_CARD = raw("# A card\n\nIt judges ü.\n".encode())
_SHARED = Manifest(
    name="tiny",
    root=Path("nowhere"),
    records=tuple(Record(image=f"{i}.png", mos=i / 9, reference=f"r{i}") for i in range(9)),
    label_kind="human",
    mos_range=(0.0, 1.0),
    higher_is_better=True,
    licence="",
    citation="",
    digests=tuple(f"{i:016x}" for i in range(9)),
    reference_digests=(None,) * 9,
)
_DEALT = Split("content", 0, (0, 1, 2), (3, 4, 5), (6, 7, 8), "content-s0", False)
_GIVEN: Folder = {
    "sfen/stage.json": as_json(
        {**DESCRIPTION, "upstream": {"grading": {"key": "b" * 12, "path": "../grading"}}}
    ),
    "grading/stage.json": as_json({**DESCRIPTION, "stage": "grading", "upstream": {}}),
}


def _given_to_chain(root: Path) -> None:
    told = SimpleNamespace(upstream={"plain": str(root / "sfen")}, stages=["joint"])
    _given(SimpleNamespace(settings=told, manifest=_SHARED, split=_DEALT))


def _compared(root: Path) -> None:
    if found := collect([root]).runs:
        reference_rows(found)


_HERE = {"threads": 2, "cpu": "B", "gpu": None, "versions": {"torch": "2"}}
_LEFT = f"{hashlib.sha256(PREDICTIONS.data).hexdigest()}  predictions.csv\n"
_CONDITIONS = [{"epoch": 0, **_HERE}, {"epoch": 2, **_HERE, "cpu": "A"}]


def _conditions(path: Path) -> None:
    differences(recorded(path), _HERE)
    record(path, 3, _HERE)


_SHOWN = Reference(1, Photograph("a.jpg", "0" * 16, 1), 0)
_PLANNED = PlannedImage("a.png", _SHOWN, (), 2, Degradation(), Enlargement("m"))
_SHOP = Workshop(Path(), Path(), 64, 0, "fidelity", ())
_LOGGED_ROW = {**_drawn(_PLANNED), "sha256": "0" * 64, "formula": "fidelity", "mos": 0.5}
_LOGGED_ROWS = as_lines([[json.dumps(_LOGGED_ROW)], [json.dumps(_LOGGED_ROW)]])


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
    *("0" * 16, "1" * 16, "0.1", "-0.9", "-0.1", "smaller than a tile"),
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
    Target("status", [{"status.json": STATUS}], lambda root: status.read(root / "status.json")),
    Target("curve", [{"metrics.csv": CURVE}], lambda root: read_history(root, {})),
    Target(
        *("predictions", [{"predictions.csv": PREDICTIONS}]),
        lambda root: predictions.read(root / "predictions.csv"),
    ),
    Target("run directory", [RUN], lambda root: collect([root])),
    Target(
        "run directory, told (info)",
        [
            {name: RUN[name] for name in ("stage.json", "predictions.csv")},
            {"stage.json": as_json({**DESCRIPTION, "calibration": CALIBRATION}), "card.md": _CARD},
        ],
        _info,
    ),
    Target("run directory, given to a chain", [_GIVEN], _given_to_chain),
    Target("run directory, reported", [{f"plain-a/{n}": s for n, s in RUN.items()}], _report),
    Target("run directory, verified", [VERIFIED], _verified),
    Target(
        "runs, listed and shown",
        [{f"plain-{'a' * 12}/{n}": s for n, s in RUN.items()}],
        _looked_after,
    ),
    Target(
        "sharpness, left beside a run",
        [
            {
                **{f"plain-a/{name}": sample for name, sample in RUN.items()},
                "sharpness-a/predictions.csv": PREDICTIONS,
                "sharpness-a/predictions.csv.sha256": raw(_LEFT.encode()),
            }
        ],
        _compared,
    ),
    Target.of_file("conditions", "conditions.json", [as_json(_CONDITIONS)], _conditions),
    Target.of_file(
        *("log of a synthesis", LOG, [_LOGGED_ROWS]),
        lambda path: _read_log(replace(_SHOP, folder=path.parent), [_PLANNED]),
    ),
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
