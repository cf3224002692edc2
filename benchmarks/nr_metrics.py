"""Public no-reference metrics beside the predictor that never looks at a pixel, on human scores.

The authors of AVT AI upscaling computed nine metrics on their images. Each is compared, over splits
by content, with label-only (the training mean of upscaler and factor): on the rows that the metric
has, and once more on the rows that all metrics have.

    python benchmarks/nr_metrics.py ai_upscaling/ ai_upscaling/iqa.csv

Labels alone are needed, no image. Metrics are not trained here, so they only see test images.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hmtnet import metrics
from hmtnet.baselines.labels import label_only
from hmtnet.data.labels import Labels
from hmtnet.data.protocols import make
from hmtnet.data.readers import read_labels
from hmtnet.data.series import series
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, listed
from hmtnet.report.render.terminal import text_table

Floats = npt.NDArray[np.float64]
LOWER_IS_BETTER = frozenset({"BRISQUE", "NIQE", "ILNIQE"})


def read_scores(path: Path, labels: Labels) -> dict[str, Floats]:
    """Join metrics' scores to a dataset's records by model and image.

    Args:
        path: A CSV with ``model`` (upscaler_factor), ``metric``, ``img_id`` and ``quality_score``.
        labels: The dataset, whose image names end in ``<upscaler>/<factor>/<img_id>``.

    Returns:
        By metric, (N,) score of every record, higher is better; NaN where the metric has none.

    Raises:
        DataError: A score belongs to no record, or a record has two of one metric.
    """
    row_of = {
        ("_".join(record.image.split("/")[-3:-1]), record.image.split("/")[-1]): row
        for row, record in enumerate(labels.records)
    }
    scores: dict[str, Floats] = {}
    lost, twice = [], []
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for line in csv.DictReader(stream):
            metric, key = line["metric"], (line["model"], line["img_id"])
            values = scores.setdefault(metric, np.full(len(labels), np.nan))
            if key not in row_of:
                lost.append(f"{metric} {'/'.join(key)}")
                continue
            if np.isfinite(values[row_of[key]]):
                twice.append(f"{metric} {'/'.join(key)}")
            sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
            values[row_of[key]] = sign * float(line["quality_score"])
    for what, found in {"belong to no image": lost, "are given twice": twice}.items():
        if found:
            raise DataError(f"'{path}': {len(found)} scores {what}: {listed(found)}.")
    return scores


def table(labels: Labels, scores: Mapping[str, Floats], splits: int) -> list[list[str]]:
    """Return a row per metric: how many images it has, and its median SRCC beside label-only's."""
    whole = np.ones(len(labels), dtype=bool)
    common = np.all([np.isfinite(values) for values in scores.values()], axis=0)
    made = [make(labels, s) for s in series(labels, SplitSettings(protocol="content"), splits)]
    expected = [label_only(labels, split.train).scores for split in made]

    def median(values: Floats | None, known: npt.NDArray[np.bool_]) -> str:
        found = []
        for split, baseline in zip(made, expected, strict=True):
            rows = np.array([row for row in split.test if known[row]])
            predicted = baseline if values is None else values
            if predicted is not None:
                found.append(metrics.srcc(predicted[rows], labels.mos[rows]))
        return f"{np.median(found):.3f}"

    rows = [["label-only", str(len(labels)), median(None, whole), "", median(None, common)]]
    for name, values in sorted(scores.items()):
        own = np.isfinite(values)
        cells = [median(values, own), median(None, own), median(values, common)]
        rows.append([name, str(own.sum()), *cells])
    best = [max(rows[1:], key=lambda row: row[place])[0] for place in (2, 4)]
    rows.append(["best metric", "", best[0], "", f"{best[1]} of {common.sum()} images"])
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("folder", help="of ai_upscaling, with mos.csv")
    parser.add_argument("scores", type=Path, help="the authors' iqa.csv")
    parser.add_argument("--splits", type=int, default=100)
    chosen = parser.parse_args()
    root = str(Path(chosen.folder).resolve())
    labels = read_labels(DataSettings(reader="ai_upscaling", root=root, labels_only=True))
    rows = table(labels, read_scores(chosen.scores, labels), chosen.splits)
    header = ["median SRCC", "images", "of the metric", "label-only there", "on common images"]
    print(text_table(header, rows))


if __name__ == "__main__":
    main()
