"""Predictions of a finished network: each image once, tiled, in float32."""

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from hmtnet.artifact.predictions import Predictions
from hmtnet.data.batch import Batch
from hmtnet.data.grades import Grades
from hmtnet.data.labels import Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import Subset
from hmtnet.metrics import median_grade
from hmtnet.models.quality import Prediction, QualityNetwork, in_parts, make_crops
from hmtnet.models.reproducible import reproducible
from hmtnet.terminal import progress

if TYPE_CHECKING:
    from hmtnet.data.datamodule import QualityData

_WORDS = {"train": "training", "val": "validation", "test": "test"}


@torch.inference_mode()
def predict(
    network: QualityNetwork,
    data: "QualityData",
    manifest: Manifest,
    grades: Grades,
    subsets: Sequence[Subset],
    device: torch.device,
    batches: int | None = None,
) -> Predictions:
    """Predict subsets of a dataset.

    Args:
        network: A trained network; it is moved to ``device`` and put into evaluation mode.
        data: The loaders, with the crops the network was trained with.
        manifest: The dataset.
        grades: For the true grades.
        subsets: Which of train, val and test.
        device: Where to compute, in float32 everywhere, so that scores are reproducible.
        batches: At most so many batches per subset (a capped run).

    Returns:
        One row per image; scores in the dataset's own unit.
    """
    network.to(device).eval()
    parts = []
    for subset in subsets:
        loader = data.tiled(subset)
        total = len(loader) if batches is None else min(batches, len(loader))
        rows: list[int] = []
        scores: list[np.ndarray] = []
        probabilities: list[np.ndarray] = []
        told = f"predicting {_WORDS[subset]} images"
        for batch in progress(islice(loader, total), total=total, title=told, unit="batch"):
            rows += batch.rows.tolist()
            for part in in_parts(batch, network, data.crops.size):
                prediction = _predict_batch(network, part.to(device), data.crops.size, grades.count)
                scores.append(prediction.unit_score.cpu().double().numpy())
                if prediction.log_grades is not None:
                    probabilities.append(prediction.log_grades.cpu().double().exp().numpy())
        parts.append(_table(manifest, grades, subset, rows, scores, probabilities))
    return Predictions.concatenate(parts)


def _predict_batch(network: QualityNetwork, batch: Batch, size: int, grades: int) -> Prediction:
    with reproducible(batch.rows.device):
        crops = make_crops(
            batch, size, network.saliency_operator, grades if network.reads_labels else 0
        )
        prediction: Prediction = network(crops)
        return prediction


def _table(
    manifest: Manifest,
    grades: Grades,
    subset: Subset,
    rows: list[int],
    scores: list[np.ndarray],
    probabilities: list[np.ndarray],
) -> Predictions:
    order = np.argsort(rows)  # a random sample comes in another one
    # (N, 0) stands for "this network knows no grades".
    p = np.concatenate(probabilities)[order] if probabilities else np.zeros((len(rows), 0))
    return tabulate(
        manifest,
        grades,
        subset,
        np.asarray(rows)[order].tolist(),
        score=manifest.from_unit(np.concatenate(scores)[order]),
        grade=median_grade(p) if probabilities else np.full(len(rows), -1),
        probabilities=p,
    )


def tabulate(
    labels: Labels,
    grades: Grades | None,
    subset: Subset,
    rows: Sequence[int],
    score: np.ndarray,
    grade: np.ndarray,
    probabilities: np.ndarray,
) -> Predictions:
    """Put predictions of some rows beside what is known of them.

    Args:
        labels: The dataset.
        grades: For the true grades; None where images have none.
        subset: Name of the subset that all rows are of.
        rows: (N,) rows of the dataset.
        score: (N,) in the dataset's own unit.
        grade: (N,) predicted, -1 where there is none.
        probabilities: (N, K) of the grades, K = 0 where there are none.
    """
    records = [labels.records[row] for row in rows]
    mos = np.array([record.mos for record in records], dtype=np.float64)
    datasets, none = labels.datasets, np.full(len(rows), -1, dtype=np.int64)
    std = [np.nan if record.mos_std is None else record.mos_std for record in records]
    return Predictions(
        image=tuple(record.image for record in records),
        subset=(subset,) * len(records),
        mos=mos,
        mos_std=np.array(std, dtype=np.float64),
        score=score,
        grade=grade,
        true_grade=none if grades is None else grades.of(labels)[list(rows)],
        probabilities=probabilities,
        # Of a set without references, the context: what numbers are resampled over.
        reference=tuple(labels.records[row].reference or labels.content[row] for row in rows),
        method=tuple(record.method for record in records),
        scale=tuple(record.scale for record in records),
        dataset=tuple(datasets[row] for row in rows),
    )
