"""A finished stage as its run directory describes it."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from hmtnet.artifact.description import META_FILE, need, value_at
from hmtnet.artifact.predictions import Predictions
from hmtnet.data.grades import Grades
from hmtnet.data.settings import LabelKind
from hmtnet.errors import ArtifactError, SettingsError
from hmtnet.report.numbers.history import History, read_history

BEST_ON_TEST = "best_on_test"
"""The value of ``selection`` by which a run says that the test images chose its epoch."""

REFERENCE_USES = ("none", "training", "always")
"""When a system looks at reference images, as ``reference`` of ``stage.json`` says."""


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
        parts: Of several datasets that were used together, the label kind of each, by name.
        mos_range: Lowest and highest MOS that the dataset declares.
        higher_is_better: The direction of its MOS.
        split: The split's id.
        protocol: The split's protocol.
        variant: How it is drawn, which all its seeds and indices share, e.g. ``kfold5``.
        leaky: Whether one content may lie in several subsets.
        seed: Of the training.
        predictions: One row per image.
        settings: The stage's settings.
        grades: Edges (unit scores, ascending) and rule; no edges where unknown.
        upstream: Keys of the stages it started from, by stage name.
        cost: Parameters, seconds and device of training.
        judging: Operations, seconds, memory and device of judging one image.
        selection: What chose the epoch: ``validation`` or ``best_on_test``.
        trained_on: The dataset that it was trained on.
        oracle: Whether it reads the true grades of the images that it is tested on.
        reference: When it looks at reference images: one of ``REFERENCE_USES``.
        precision: Of the arithmetic in training.
        finished: When, ISO 8601 in UTC; empty where unknown.
        train_images: Size of the training subset; None where unknown.
        history: What it was told, and its learning curves.
        fold: The k-fold division that the split is a fold of, and its number; None if it is none.
        partial: Whether it has scores of a part of the images alone, as adopted scores may.
        not_compared: Test images that it has a score of, and another run of the split has not.
        verified: Whether its files are known to be as they were written: an older hmtnet recorded
            no digests.
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
    variant: str
    leaky: bool
    seed: int
    predictions: Predictions
    settings: Mapping[str, Any] = field(default_factory=dict)
    grades: tuple[tuple[float, ...], str] = ((), "")
    upstream: Mapping[str, str] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)
    judging: Mapping[str, Any] = field(default_factory=dict)
    selection: str = "validation"
    trained_on: str = ""
    oracle: bool = False
    reference: str = "none"
    precision: str = ""
    finished: str = ""
    train_images: int | None = None
    history: History = field(default_factory=lambda: History("", None))
    fold: tuple[str, int] | None = None
    partial: bool = False
    not_compared: int = 0
    verified: bool = True
    parts: Mapping[str, str] = field(default_factory=dict)


_TOLD = {"data": ("dataset", "name"), "split": ("split", "protocol")}


def run_from(folder: Path, meta: Mapping[str, Any], predictions: Predictions, finished: str) -> Run:
    """Build a run; what an older hmtnet did not write has its default where one is safe.

    Args:
        folder: The run directory.
        meta: The stage's description.
        predictions: One row per image.
        finished: When, ISO 8601.

    Raises:
        ArtifactError: The description lacks what a table cannot do without.
    """
    if value_at(meta, "split", "id") and not value_at(meta, "split", "variant"):
        raise ArtifactError(_outdated(folder, meta))
    texts = {
        name: need(folder, meta, str, *where)
        for name, where in {
            "key": ("key",),
            "system": ("system",),
            "stage": ("stage",),
            "dataset": ("dataset", "name"),
            "fingerprint": ("dataset", "fingerprint"),
            "split": ("split", "id"),
            "protocol": ("split", "protocol"),
            "variant": ("split", "variant"),
        }.items()
    }
    low, high = mos_range(folder, meta)
    rule = value_at(meta, "grades", "rule")
    upstream = meta.get("upstream")
    return Run(
        **texts,
        path=folder,
        label_kind=label_kind(folder, meta, "dataset", "label_kind"),
        mos_range=(low, high),
        higher_is_better=need(folder, meta, bool, "dataset", "higher_is_better"),
        leaky=need(folder, meta, bool, "split", "leaky"),
        seed=need(folder, meta, int, "seed"),
        predictions=predictions,
        settings=_mapping(meta.get("settings")),
        grades=(_edges(folder, meta), str(rule or "")),
        upstream={n: str(value_at(_mapping(upstream), n, "key")) for n in _mapping(upstream)},
        cost=_mapping(meta.get("cost")),
        judging=_mapping(meta.get("judging")),
        selection=str(meta.get("selection") or "validation"),
        trained_on=str(value_at(meta, "evaluated", "dataset") or texts["dataset"]),
        oracle=bool(meta.get("oracle", False)),
        reference=_reference(folder, meta.get("reference", "none")),
        precision=str(meta.get("precision") or ""),
        finished=finished,
        train_images=value_at(meta, "split", "images", "train"),
        history=read_history(folder, _mapping(meta.get("settings"))),
        fold=_fold(folder, meta) if value_at(meta, "split", "folds") else None,
        partial=meta.get("partial") is True,
        parts={
            need(folder, part, str, "name"): label_kind(folder, part, "label_kind")
            for part in value_at(meta, "dataset", "parts") or ()
        },
    )


def by_dataset(run: Run) -> list[Run]:
    """Return a run once for each of several datasets that were used together, else the run.

    What is said of one dataset is never compared with what is said of another, so each has tables
    of its own, baselines included.
    """
    if not run.parts:
        return [run]
    whole = run.predictions.subset.count("train") == run.train_images
    found = []
    for name, rows in run.predictions.apart().items():
        if name is None or "test" not in rows.subset:
            continue
        dataset = f"{name} (of {run.dataset})"
        found.append(
            replace(
                run,
                dataset=dataset,
                fingerprint=f"{run.fingerprint} {name}",
                label_kind=run.parts.get(name, run.label_kind),
                trained_on=dataset if run.trained_on == run.dataset else run.trained_on,
                train_images=rows.subset.count("train") if whole else run.train_images,
                predictions=rows,
            )
        )
    return found


def _fold(folder: Path, meta: Mapping[str, Any]) -> tuple[str, int]:
    variant = need(folder, meta, str, "split", "variant")
    seed, index = (need(folder, meta, int, "split", name) for name in ("seed", "index"))
    return f"{variant}-s{seed}", index


def _outdated(folder: Path, meta: Mapping[str, Any]) -> str:
    """Name the command that makes a run of an older hmtnet anew."""
    told = [
        *(f"{name}={value_at(meta, *where)}" for name, where in _TOLD.items()),
        f"split.seed={value_at(meta, 'split', 'seed')}",
    ]
    command = f"hmtnet train system={meta.get('system')} seed={meta.get('seed')}"
    if "evaluated" in meta:
        command = f"hmtnet evaluate artifact={folder / str(value_at(meta, 'evaluated', 'path'))}"
    return (
        "an older hmtnet made it, which did not write down how its split was drawn. Run again what "
        f"made it (settings.yaml beside it has all settings): {command} {' '.join(told)}"
    )


def mos_range(folder: Path, meta: Mapping[str, Any]) -> tuple[float, float]:
    """Return the lowest and the highest MOS that a stage's dataset declares.

    Raises:
        ArtifactError: The description has no such range.
    """
    values = need(folder, meta, list, "dataset", "mos_range")
    if (
        len(values) != 2
        or not all(isinstance(v, (int, float)) for v in values)
        or not -sys.float_info.max <= values[0] < values[1] <= sys.float_info.max
    ):
        raise ArtifactError(
            f"{folder / META_FILE}: 'dataset.mos_range' must be two numbers, lowest first; found "
            f"{values!r}. Train the stage again."
        )
    return float(values[0]), float(values[1])


def label_kind(folder: Path, meta: Mapping[str, Any], *where: str) -> LabelKind:
    """Return who gave a dataset's labels, as a description says in one place.

    Raises:
        ArtifactError: The description does not say. A formula must never pass for people.
    """
    kind: LabelKind = need(folder, meta, str, *where)
    if kind not in get_args(LabelKind):
        raise ArtifactError(
            f"{folder / META_FILE}: '{'.'.join(where)}' must be one of "
            f"{', '.join(get_args(LabelKind))}; found {kind!r}. Train the stage again."
        )
    return kind


def _reference(folder: Path, value: Any) -> str:
    if value not in REFERENCE_USES:
        raise ArtifactError(
            f"{folder / META_FILE}: 'reference' must be one of {', '.join(REFERENCE_USES)}; found "
            f"{value!r}. Train the stage again."
        )
    return str(value)


def _edges(folder: Path, meta: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the edges of the grades; none where an older hmtnet did not write them."""
    if value_at(meta, "grades", "edges_unit") is None:
        return ()
    edges = need(folder, meta, list, "grades", "edges_unit")
    try:
        return Grades(tuple(edges)).edges
    except SettingsError as error:
        raise ArtifactError(f"{folder / META_FILE}: {error} Train the stage again.") from error


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
