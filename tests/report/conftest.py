import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from hmtnet.artifact import predictions, store
from hmtnet.artifact.predictions import Predictions
from hmtnet.storage import status as run_status
from hmtnet.storage.status import Status


def make(
    n: int = 60,
    *,
    methods: int = 4,
    scales: int = 3,
    grades: int = 5,
    seed: int = 0,
    **columns: Any,
) -> Predictions:
    """Predictions of a middling system, in the unit 0..1; `columns` replaces whole columns."""
    random = np.random.default_rng(seed)
    mos = random.uniform(0.02, 0.98, n)
    score = np.clip(mos + 0.1 * random.normal(size=n), 0, 1)
    true = np.minimum((mos * 5).astype(np.int64), 4)
    grade = np.minimum((score * 5).astype(np.int64), 4)
    probabilities = np.full((n, grades), 0.2 / max(grades - 1, 1))
    if grades:
        probabilities[np.arange(n), grade] = 0.8
    table: dict[str, Any] = {
        "image": tuple(f"images/{i}.png" for i in range(n)),
        "subset": ("test",) * n,
        "mos": mos,
        "mos_std": np.full(n, np.nan),
        "score": score,
        "grade": grade if grades else np.full(n, -1),
        "true_grade": true if grades else np.full(n, -1),
        "probabilities": probabilities,
        "reference": tuple(f"ref{i % 7}" for i in range(n)),
        "method": tuple(f"method{i % methods}" if methods else None for i in range(n)),
        "scale": tuple(2 + i % scales if scales else None for i in range(n)),
    }
    return Predictions(**(table | columns))


@pytest.fixture(name="predictions")
def _predictions() -> Callable[..., Predictions]:
    return make


def in_folds(references: int, split: int) -> list[str]:
    """Deal references: five folds, of which one tests and the next validates."""
    names = {split % 5: "test", (split + 1) % 5: "val"}
    return [names.get(reference % 5, "train") for reference in range(references)]


@dataclass(frozen=True)
class Runs:
    """Writes run directories as training leaves them, with the real writers."""

    root: Path

    def write(
        self,
        system: str = "hmtnet",
        stage: str = "joint",
        *,
        noise: float = 0.1,
        split: int = 0,
        seed: int = 0,
        dataset: str = "tiny",
        kind: str = "human",
        protocol: str = "content",
        references: int = 25,
        settings: dict[str, Any] | None = None,
        state: str = "finished",
        key: str | None = None,
        columns: dict[str, Any] | None = None,
        parts: dict[str, Any] | None = None,
        epochs: int = 3,
        **meta: Any,
    ) -> Path:
        """Write one run; `columns` replaces columns of its predictions.

        `meta` and `parts` replace parts of its description.

        Every reference comes with 4 methods at 2 scales. The MOS depends on all three.
        """
        subsets = in_folds(references, split)
        images = [(r, m, s) for r in range(references) for m in range(4) for s in (2, 4)]
        labels = np.random.default_rng(99)
        content = labels.normal(0, 0.05, references)
        mos = np.array([0.2 + 0.15 * m - 0.05 * s + content[r] for r, m, s in images])
        mos = np.clip(mos + labels.normal(0, 0.03, len(mos)) + 0.2, 0, 1)
        own = np.random.default_rng(zlib.crc32(f"{system}{stage}{seed}{settings}".encode()))
        score = np.clip(mos + own.normal(0, noise, len(mos)), 0, 1)
        edges = [0.2, 0.4, 0.6, 0.8]
        grade = np.searchsorted(edges, score, side="right").astype(np.int64)
        probabilities = np.full((len(mos), 5), 0.05)
        probabilities[np.arange(len(mos)), grade] = 0.8
        table: dict[str, Any] = {
            "image": tuple(f"sr/{r:02d}_{m}_{s}.png" for r, m, s in images),
            "subset": tuple(subsets[r] for r, _, _ in images),
            "mos": mos,
            "mos_std": np.full(len(mos), np.nan),
            "score": score,
            "grade": grade,
            "true_grade": np.searchsorted(edges, mos, side="right").astype(np.int64),
            "probabilities": probabilities,
            "reference": tuple(f"r{r:02d}" for r, _, _ in images),
            "method": tuple(f"method{m}" for _, m, _ in images),
            "scale": tuple(s for _, _, s in images),
        }
        found = Predictions(**(table | (columns or {})))
        tag = f"kfold5-s0-i{split}" if protocol == "kfold" else f"{protocol}-s{split}"
        name = f"{tag}-{zlib.crc32(str(subsets).encode()):08x}"
        identity = f"{system}{stage}{noise}{split}{seed}{settings}{meta}{parts}{dataset}"
        key = key or f"{zlib.crc32(identity.encode()):012x}"
        folder = self.root / dataset / name / f"{stage}-{key}"
        predictions.write(folder / "predictions.csv", found)
        document: dict[str, Any] = {
            "system": system,
            "stage": stage,
            "key": key,
            "settings": settings or {"optimizer": {"lr": 0.001}, "epochs": 3},
            "grades": {"edges_unit": edges, "edges": edges, "rule": "width"},
            "dataset": {
                "name": dataset,
                "fingerprint": f"{zlib.crc32(dataset.encode()):016x}",
                "label_kind": kind,
                "mos_range": [0.0, 1.0],
                "higher_is_better": True,
                "licence": "",
            },
            "split": {
                "id": name,
                "protocol": protocol,
                "variant": "kfold5" if protocol == "kfold" else protocol,
                "seed": 0 if protocol == "kfold" else split,
                "index": split if protocol == "kfold" else None,
                "folds": 5 if protocol == "kfold" else None,
                "leaky": protocol == "image",
                "images": {s: found.subset.count(s) for s in ("train", "val", "test")},
            },
            "upstream": {},
            "seed": seed,
            "precision": "32-true",
            "debug": None,
            "cost": {
                "parameters": 1234,
                "trained_parameters": 234,
                "seconds": 5.5,
                "device": "cpu",
            },
            "judging": {
                "megapixels": 0.2,
                "tiles": 1,
                "gflops": 2.5,
                "seconds": 0.125,
                "tensors_mb": 7.5,
                "device": "an abacus",
                "threads": 1,
            },
        }
        store.save(folder, {}, document | meta | (parts or {}))
        told = {"system": {"name": system}, "seed": seed}
        (folder / "settings.yaml").write_text(yaml.safe_dump(told), encoding="utf-8")
        curve = [f"{e},{1 / e},{1.2 / e},{1 - 1 / (e + 1)}" for e in range(1, epochs + 1)]
        (folder / "metrics.csv").write_text(
            "\n".join(["epoch,train/loss,val/loss,val/srcc", *curve, ""]), encoding="utf-8"
        )
        status = Status.begin(stage, key, 3).then(state=state, epoch=3)
        run_status.write(folder / "status.json", status)
        return folder


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs")


@pytest.fixture(scope="module")
def shared_runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Runs that the tests of one file only read."""
    return Runs(tmp_path_factory.mktemp("shared") / "runs")
