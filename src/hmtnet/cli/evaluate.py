"""``hmtnet evaluate``: predict a dataset with a finished stage, and show how good it is."""

import json
from collections.abc import Sequence
from functools import partial

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact.description import read_description
from hmtnet.cli.composing import run_composed
from hmtnet.data.join import label_kind_of
from hmtnet.experiment.evaluate import Evaluation, EvaluationSettings
from hmtnet.experiment.evaluate import evaluate as evaluate_stage
from hmtnet.report.numbers.summary import summarise
from hmtnet.report.render.closing import Row, as_records, closing_table, heading
from hmtnet.settings import build


def evaluate(arguments: Sequence[str]) -> int:
    """Run ``hmtnet evaluate`` with Hydra's overrides and return the exit code."""
    run_composed("evaluate", arguments, partial(build, EvaluationSettings), _job)
    return 0


def _job(settings: EvaluationSettings) -> float:
    found = evaluate_stage(settings)
    _show(settings, found)
    return 0.0


def _show(settings: EvaluationSettings, found: Evaluation) -> None:
    manifest, split, path = found.manifest, found.split, found.directory.path
    predictions = prediction_files.read(found.directory.predictions)
    home = read_description(path)["evaluated"]["dataset"]
    note = "" if home == manifest.name else f"trained on {home}, whose scores have another unit"
    tables = {
        dataset: Row(found.stage, None, summarise(rows, "test"), note)
        for dataset, rows in predictions.apart().items()
    }
    if settings.format == "json":
        document = {
            "dataset": manifest.name,
            "label_kind": manifest.label_kind,
            "split": split.id,
            "leaky": split.leaky,
            "run": str(path),
            "results": [
                record if dataset is None else {"of": dataset, **record}
                for dataset, row in tables.items()
                for record in as_records([row])
            ],
        }
        print(json.dumps(document, indent=2))
        return
    for dataset, row in tables.items():
        assert row.test is not None
        title = heading(
            dataset or manifest.name,
            split.protocol,
            "test",
            row.test.n,
            label_kind_of(manifest, dataset),
            leaky=split.leaky,
        )
        print(f"\n{closing_table([row], title)}")
    print(f"\npredictions: {path}")
