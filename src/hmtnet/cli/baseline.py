"""``hmtnet baseline``: what labels alone reach, and sharpness where there are images."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hmtnet.baselines import SHARPNESS
from hmtnet.baselines.labels import SOURCES
from hmtnet.baselines.study import Outcome, Study, study
from hmtnet.cli.composing import run_composed
from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.readers import find, read_labels
from hmtnet.data.series import series
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import HmtnetError, SettingsError, printable
from hmtnet.files import csv_text, write_text
from hmtnet.report.render.formats import decimals
from hmtnet.report.render.terminal import text_table
from hmtnet.settings import build

NUMBERS = ("srcc", "plcc", "krcc", "rmse")


@dataclass(frozen=True, kw_only=True)
class BaselineSettings:
    """Everything that ``hmtnet baseline`` is told.

    Attributes:
        data: The dataset; where its images lie beside the labels, their sharpness is measured.
        split: The protocol, and its first seed or index.
        seed: Of the first split; ``conf/split`` takes it over.
        splits: How many splits; see ``data.series.series``.
        output: A CSV file for the numbers of every split.
        format: What is printed.
    """

    data: DataSettings
    split: SplitSettings
    seed: int = 0
    splits: int | None = None
    output: str | None = None
    format: Literal["text", "json"] = "text"


def baseline(arguments: Sequence[str]) -> int:
    """Run ``hmtnet baseline`` with Hydra's overrides and return the exit code."""
    run_composed("baseline", arguments, partial(build, BaselineSettings), _job)
    return 0


def _job(settings: BaselineSettings) -> float:
    if settings.split.protocol == "cross":
        raise SettingsError("hmtnet baseline reads one dataset; split=cross needs two.")
    labels = read_labels(replace(settings.data, labels_only=True))
    variance, reason = _sharpness(labels, settings.data)
    found = study(labels, series(labels, settings.split, settings.splits), variance)
    if reason:
        found = replace(found, reasons={**found.reasons, SHARPNESS: reason})
    if settings.output is not None:
        write_text(Path(settings.output).expanduser(), _csv(found.outcomes))
    if settings.format == "json":
        print(json.dumps(_document(labels, settings, found), indent=2))
    else:
        print(printable(_text(labels, settings, found)))
    return 0.0


def _sharpness(labels: Labels, settings: DataSettings) -> tuple[FloatArray | None, str]:
    """Measure the images, or say why they cannot be: labels are enough for the other rows."""
    if settings.labels_only:
        return None, "data.labels_only=true looks at no image"
    try:
        found = find(settings.reader).read(settings)
        if not np.array_equal(found.mos, labels.mos):
            return None, "some images that have a label are not there"
        from hmtnet.data.manifest import Manifest
        from hmtnet.data.sharpness import sharpness_of  # decodes images, and so imports torch

        return sharpness_of(Manifest.of(found), range(len(found))), ""
    except HmtnetError as error:
        return None, f"no images that can be measured: {str(error).splitlines()[0]}"


def summary(outcomes: Sequence[Outcome], number: str) -> dict[str, float | None]:
    """Summarise one number over splits; None where it is undefined on every split."""
    values = np.array([getattr(outcome, number) for outcome in outcomes])
    values = values[np.isfinite(values)]
    if not values.size:
        return dict.fromkeys(("median", "mean", "sd", "lowest", "highest"))
    return {
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if values.size > 1 else None,
        "lowest": float(values.min()),
        "highest": float(values.max()),
    }


def _by_baseline(found: Study) -> dict[str, list[Outcome]]:
    names = dict.fromkeys(outcome.baseline for outcome in found.outcomes)
    return {name: [o for o in found.outcomes if o.baseline == name] for name in names}


def _shares(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the share of test images that each training mean has predicted."""
    total = sum(outcome.n for outcome in outcomes)
    return {source: sum(o.used[source] for o in outcomes) / total for source in outcomes[0].used}


def _document(labels: Labels, settings: BaselineSettings, found: Study) -> dict[str, Any]:
    return {
        "dataset": labels.name,
        "label_kind": labels.label_kind,
        "protocol": settings.split.protocol,
        "leaky": found.leaky,
        "results": [
            {
                "name": name,
                "splits": len(outcomes),
                "test_images": sum(outcome.n for outcome in outcomes) / len(outcomes),
                **{number: summary(outcomes, number) for number in NUMBERS},
                "predicted_by": _shares(outcomes),
            }
            for name, outcomes in _by_baseline(found).items()
        ],
        "not_applicable": found.reasons,
    }


def _text(labels: Labels, settings: BaselineSettings, found: Study) -> str:
    groups = _by_baseline(found)
    kind = "pseudo-MOS, not human" if labels.label_kind == "pseudo" else "human scores"
    leaky = " (leaky)" if found.leaky else ""
    count = max((len(outcomes) for outcomes in groups.values()), default=0)
    lines = [
        f"{labels.name}, {count} split{'s' * (count != 1)} by protocol "
        f"'{settings.split.protocol}'{leaky}; labels: {kind}",
        "",
    ]
    rows = []
    for name, outcomes in groups.items():
        cells = [summary(outcomes, number) for number in NUMBERS]
        spread = cells[0]
        rows.append(
            [
                name,
                *(decimals(cell["median"]) for cell in cells),
                f"{decimals(spread['mean'])} ± {decimals(spread['sd'])}",
                f"{decimals(spread['lowest'])} to {decimals(spread['highest'])}",
            ]
        )
    header = ["median of splits", "SRCC", "PLCC", "KRCC", "RMSE", "SRCC mean ± sd", "SRCC range"]
    lines.append(text_table(header, rows))
    lines += [f"{name}: not applicable, {reason}" for name, reason in found.reasons.items()]
    for name, outcomes in groups.items():
        fallen = {source: share for source, share in _shares(outcomes).items() if share}
        told = ", ".join(f"{100 * share:.1f} % by {source}" for source, share in fallen.items())
        lines += [f"{name} predicts by training means: {told}"] if told else []
    return "\n".join(lines)


def _csv(outcomes: Sequence[Outcome]) -> str:
    fields = [name for name in asdict(outcomes[0]) if name != "used"] if outcomes else []
    sources = [s for s in SOURCES if any(s in outcome.used for outcome in outcomes)]
    rows = (
        [*(getattr(found, name) for name in fields), *(found.used.get(s, 0) for s in sources)]
        for found in outcomes
    )
    return csv_text([*fields, *(f"by {source}" for source in sources)], rows, for_people=True)
