"""Run directories, found and read; what cannot be used is told, and the others go on."""

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import META_FILE, read_description
from hmtnet.artifact.predictions import Predictions
from hmtnet.errors import ArtifactError, DataError, listed

PREDICTIONS_FILE = "predictions.csv"
STATUS_FILE = "status.json"

BEST_ON_TEST = "best_on_test"
"""The value of ``selection`` by which a run says that the test images chose its epoch."""

# Baselines leave predictions of validation and test images; a report recomputes them from the
# training images of the runs beside them.
_BASELINE = re.compile(r"(label-only|scale-only)-[0-9a-f]+")
_FOLD = re.compile(r"kfold(\d+)-s(\d+)-i(\d+)-")


@dataclass(frozen=True)
class Problem:
    """A run directory that is not in the tables.

    Attributes:
        path: The directory.
        message: Why, and what to do.
    """

    path: Path
    message: str

    def __str__(self) -> str:
        """Return both as one line."""
        return f"{self.path}: {self.message}"


@dataclass(frozen=True, eq=False)
class Run:
    """A finished stage: what ``stage.json`` says, and its predictions.

    Attributes:
        path: The run directory.
        key: The stage's key.
        system: The system's name.
        stage: The stage's name.
        dataset: The dataset's name.
        fingerprint: Identity of the dataset.
        label_kind: ``human`` or ``pseudo``.
        mos_range: Lowest and highest MOS that the dataset declares.
        higher_is_better: The direction of its MOS.
        split: The split's id.
        protocol: The split's protocol.
        leaky: Whether one content may lie in several subsets.
        seed: Of the training.
        predictions: One row an image.
        settings: The stage's settings.
        grades: Edges (unit scores, ascending) and rule; no edges where unknown.
        upstream: Keys of the stages it started from, by stage name.
        cost: Parameters, seconds, device.
        selection: What chose the epoch: ``validation`` or ``best_on_test``.
        precision: Of the arithmetic in training.
        finished: When, ISO 8601 in UTC; empty where unknown.
        train_images: Size of the training subset; None where unknown.
    """

    path: Path
    key: str
    system: str
    stage: str
    dataset: str
    fingerprint: str
    label_kind: str
    mos_range: tuple[float, float]
    higher_is_better: bool
    split: str
    protocol: str
    leaky: bool
    seed: int
    predictions: Predictions
    settings: Mapping[str, Any] = field(default_factory=dict)
    grades: tuple[tuple[float, ...], str] = ((), "")
    upstream: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    selection: str = "validation"
    precision: str = ""
    finished: str = ""
    train_images: int | None = None

    @property
    def fold(self) -> tuple[str, int] | None:
        """The k-fold division that the split is a fold of, and its number; None if it is none."""
        found = _FOLD.match(self.split)
        return None if found is None else (f"kfold{found[1]}-s{found[2]}", int(found[3]))


@dataclass(frozen=True)
class Collection:
    """What was found.

    Attributes:
        runs: Usable runs, ordered by path.
        problems: The others.
    """

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


def collect(paths: Sequence[Path]) -> Collection:
    """Find run directories in and under ``paths`` and read them.

    Args:
        paths: Run directories, or folders that hold such at any depth.

    Raises:
        DataError: A path does not exist or is no folder; all such paths are named.
    """
    wrong = [str(path) for path in paths if not Path(path).is_dir()]
    if wrong:
        raise DataError(
            f"No such folder: {listed(wrong)}. Give run directories, or the folder that holds "
            "them, such as runs/."
        )
    runs: list[Run] = []
    problems: list[Problem] = []
    for folder in _run_directories(paths):
        try:
            runs.append(read_run(folder))
        except ArtifactError as error:
            problems.append(Problem(folder, str(error)))
    kept, contradicting = _consistent(runs)
    return Collection(tuple(kept), (*problems, *contradicting))


def read_run(folder: Path) -> Run:
    """Read one run directory.

    Raises:
        ArtifactError: The run is unfinished or capped, a file is missing, damaged or old, or the
            test images are not all predicted.
    """
    finished = _check_finished(folder)
    meta = read_description(folder)
    if meta.get("debug"):
        raise ArtifactError(
            "it was capped by trainer.debug, so its numbers mean nothing. Train it without the cap."
        )
    run = _from_meta(folder, meta, prediction_files.read(folder / PREDICTIONS_FILE), finished)
    found, expected = run.predictions.subset.count("test"), _get(meta, "split", "images", "test")
    if not found:
        raise ArtifactError(
            "it has no predictions of test images: a sweep reads none. Run the configuration that "
            "validation has chosen again, with evaluate.test=true."
        )
    if isinstance(expected, int) and found != expected:
        raise ArtifactError(
            f"{PREDICTIONS_FILE} holds {found} of {expected} test images. Remove that file and run "
            "the same command again: it predicts what is missing."
        )
    return run


def _run_directories(paths: Sequence[Path]) -> Iterator[Path]:
    seen = set()
    for path in paths:
        for root, folders, files in os.walk(path):
            folders.sort()
            folder = Path(root)
            if not {PREDICTIONS_FILE, STATUS_FILE} & set(files):
                continue
            folders.clear()  # nothing below a run is a run
            if folder.resolve() in seen or (
                META_FILE not in files and _BASELINE.fullmatch(folder.resolve().name)
            ):
                continue
            seen.add(folder.resolve())
            yield folder


def _check_finished(folder: Path) -> str:
    """Return when the run was finished; refuse one that is not."""
    path = folder / STATUS_FILE
    advice = "Run the same command again: it resumes or reuses the run."
    try:
        status = json.loads(path.read_text(encoding="utf-8"))
        state = status.get("state")
    except FileNotFoundError:
        raise ArtifactError(f"{STATUS_FILE} is missing: the run may be half done. {advice}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{STATUS_FILE} cannot be read ({error}). {advice}") from error
    if state != "finished":
        said = {"running": "interrupted or still running", "failed": "failed"}.get(state, state)
        raise ArtifactError(f"the run is not finished ({said}). {advice}")
    return str(status.get("updated") or "")


def _from_meta(
    folder: Path, meta: Mapping[str, Any], predictions: Predictions, finished: str
) -> Run:
    """Build a run; what an older hmtnet did not write has its default where one is safe."""
    texts = {
        name: _need(folder, meta, str, *where)
        for name, where in {
            "key": ("key",),
            "system": ("system",),
            "stage": ("stage",),
            "dataset": ("dataset", "name"),
            "fingerprint": ("dataset", "fingerprint"),
            "label_kind": ("dataset", "label_kind"),
            "split": ("split", "id"),
            "protocol": ("split", "protocol"),
        }.items()
    }
    low, high = _range(folder, _need(folder, meta, list, "dataset", "mos_range"))
    edges, rule = _get(meta, "grades", "edges_unit"), _get(meta, "grades", "rule")
    upstream = meta.get("upstream")
    return Run(
        **texts,
        path=folder,
        mos_range=(low, high),
        higher_is_better=_need(folder, meta, bool, "dataset", "higher_is_better"),
        leaky=_need(folder, meta, bool, "split", "leaky"),
        seed=_need(folder, meta, int, "seed"),
        predictions=predictions,
        settings=_mapping(meta.get("settings")),
        grades=(_edges(edges), str(rule or "")),
        upstream={n: str(_get(_mapping(upstream), n, "key")) for n in _mapping(upstream)},
        cost=_mapping(meta.get("cost")),
        selection=str(meta.get("selection") or "validation"),
        precision=str(meta.get("precision") or ""),
        finished=finished,
        train_images=_get(meta, "split", "images", "train"),
    )


def _consistent(runs: Sequence[Run]) -> tuple[list[Run], list[Problem]]:
    """Keep runs that agree about the test images of their split; the first one of a split rules."""
    kept, problems = [], []
    first: dict[tuple[str, str], tuple[Run, dict[str, float]]] = {}
    for run in runs:
        test = run.predictions.select("test")
        labels = dict(zip(test.image, test.mos.tolist(), strict=True))
        ruling, expected = first.setdefault((run.fingerprint, run.split), (run, labels))
        if labels == expected:
            kept.append(run)
            continue
        problems.append(
            Problem(
                run.path,
                f"its test images or their MOS are not those of {ruling.path}, which names the same "
                f"dataset and split ({run.split}). One of the two files was changed: train that "
                "run again.",
            )
        )
    return kept, problems


def _get(meta: Mapping[str, Any], *where: str) -> Any:
    value: Any = meta
    for key in where:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _need(folder: Path, meta: Mapping[str, Any], kind: type, *where: str) -> Any:
    value = _get(meta, *where)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ArtifactError(
            f"{folder / META_FILE} has no usable '{'.'.join(where)}' (found {value!r}): it is "
            "damaged, or an older hmtnet made it. Train the stage again."
        )
    return value


def _range(folder: Path, values: Sequence[Any]) -> tuple[float, float]:
    if (
        len(values) != 2
        or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values)
        or not values[0] < values[1]
    ):
        raise ArtifactError(
            f"{folder / META_FILE}: 'dataset.mos_range' must be two numbers, lowest first; found "
            f"{values!r}. Train the stage again."
        )
    return float(values[0]), float(values[1])


def _edges(values: Any) -> tuple[float, ...]:
    usable = isinstance(values, list) and all(isinstance(v, (int, float)) for v in values)
    return tuple(float(v) for v in values) if usable else ()


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
