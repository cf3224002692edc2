"""What may stand in one table: runs on one dataset whose test images are drawn in one way."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hmtnet.report.numbers.collect import Problem
from hmtnet.report.numbers.run import BEST_ON_TEST, Run

FULL_REFERENCE = "full reference"
"""The mark of systems that judge an image beside its reference, and the name of their block."""

IN_TRAINING = "references in training"
"""The mark of systems that see references in training, and none when they judge."""

UNVERIFIED = "unverified"
"""The mark of runs whose files cannot be compared with what was written: none were recorded."""

_LONGEST_VALUE = 28  # characters of a setting's value in a row's name


@dataclass(frozen=True)
class Grounds:
    """What runs must have in common to be compared.

    Attributes:
        dataset: The dataset's name.
        fingerprint: Its identity.
        label_kind: ``human`` or ``pseudo``.
        mos_range: Lowest and highest MOS.
        higher_is_better: The direction of its MOS.
        protocol: How it is split.
        variant: How the splits are drawn, e.g. ``kfold5`` or ``official-clean``.
        leaky: Whether one content may lie in several subsets.
    """

    dataset: str
    fingerprint: str
    label_kind: str
    mos_range: tuple[float, float]
    higher_is_better: bool
    protocol: str
    variant: str
    leaky: bool

    @property
    def mos(self) -> str:
        """What the labels are called: never MOS where no human gave them."""
        return "pseudo-MOS" if self.label_kind == "pseudo" else "MOS"

    @property
    def title(self) -> str:
        """Dataset and protocol in a few words."""
        variant = "" if self.variant == self.protocol else f" ({self.variant})"
        leaky = ", LEAKY" if self.leaky else ""
        return f"{self.dataset}, protocol {self.protocol}{variant}{leaky}"

    @property
    def labels(self) -> str:
        """What the labels are, with range and direction."""
        low, high = self.mos_range
        kind = "pseudo-MOS, not human" if self.label_kind == "pseudo" else "human MOS"
        best = high if self.higher_is_better else low
        return f"{kind}, {low:g} to {high:g}, {best:g} = best"


@dataclass(frozen=True, eq=False)
class Configuration:
    """Runs that differ in nothing but the split and the seed: one row.

    Attributes:
        name: System and stage, and in brackets what tells this row from others of that name.
        runs: One per split and seed, ordered by both.
        differences: Every setting in which rows of that name differ, with this row's value.
    """

    name: str
    runs: tuple[Run, ...]
    differences: Mapping[str, str] = field(default_factory=dict)

    @property
    def marks(self) -> tuple[str, ...]:
        """What a reader must see beside the name."""
        marks = ["leaky split"] if any(run.leaky for run in self.runs) else []
        if any(run.selection == BEST_ON_TEST for run in self.runs):
            marks.append("epoch chosen on the test images")
        elsewhere = {run.trained_on for run in self.runs if run.trained_on != run.dataset}
        if elsewhere:
            marks.append(f"trained on {', '.join(sorted(elsewhere))}")
        if any(run.oracle for run in self.runs):
            marks.append("reads the true grades")
        if any(run.reference == "training" for run in self.runs):
            marks.append(IN_TRAINING)
        if self.full_reference:
            marks.append(FULL_REFERENCE)
        if not all(run.verified for run in self.runs):
            marks.append(UNVERIFIED)
        return tuple(marks)

    @property
    def full_reference(self) -> bool:
        """Whether it judges an image beside its reference."""
        return any(run.reference == "always" for run in self.runs)


def grounds_of(run: Run) -> Grounds:
    """Return what a run's table must agree on."""
    return Grounds(
        run.dataset,
        run.fingerprint,
        run.label_kind,
        run.mos_range,
        run.higher_is_better,
        run.protocol,
        run.variant,
        run.leaky,
    )


def by_grounds(runs: Iterable[Run]) -> dict[Grounds, list[Run]]:
    """Sort runs into tables: datasets by name, protocols by name."""
    found: dict[Grounds, list[Run]] = defaultdict(list)
    for run in runs:
        found[grounds_of(run)].append(run)
    order = sorted(found, key=lambda g: (g.dataset, g.leaky, g.protocol, g.variant, g.fingerprint))
    return {grounds: found[grounds] for grounds in order}


def configurations(
    runs: Sequence[Run], everything: Sequence[Run]
) -> tuple[list[Configuration], list[Problem]]:
    """Gather the runs of one table into rows, and name the rows.

    Args:
        runs: Those of one table.
        everything: All runs, among which upstream stages are looked up: two joint stages with the
            same settings are two rows if their grading stages were trained differently.

    Returns:
        Rows in the order of their first run; and runs left out, because another run of the same row
        has the same split and seed: nothing may count twice.
    """
    by_key = {run.key: run for run in everything}
    groups: dict[str, list[Run]] = defaultdict(list)
    identities: dict[str, dict[str, str]] = {}
    for run in runs:
        identity = _identity(run, by_key)
        text = json.dumps([run.system, run.stage, identity], sort_keys=True)
        groups[text].append(run)
        identities[text] = identity
    problems: list[Problem] = []
    rows = {text: _one_each(members, problems) for text, members in groups.items()}
    found = []
    for base, texts in _by_base(rows).items():
        differences = _differences([identities[text] for text in texts])
        shown = _telling(differences)
        for text, own in zip(texts, differences, strict=True):
            brackets = ", ".join(f"{key}={own[key]}" for key in shown)
            name = f"{base} [{brackets}]" if brackets else base
            found.append(Configuration(name, rows[text], own))
    return found, problems


def _identity(run: Run, by_key: Mapping[str, Run]) -> dict[str, str]:
    """Return everything that a run was told, by dotted path, but the split and the seed."""
    found = {f"{run.stage}.{key}": value for key, value in _flat(run.settings).items()}
    edges, rule = run.grades
    found["grades.count"], found["grades.rule"] = str(len(edges) + 1 if edges else 0), rule
    found["precision"], found["selection"] = run.precision, run.selection
    found["trained on"], found["reference"] = run.trained_on, run.reference
    for key in run.upstream.values():
        if key in by_key:
            found = {**_identity(by_key[key], by_key), **found}
    return found


def _flat(settings: Mapping[str, Any], where: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in settings.items():
        path = f"{where}.{key}" if where else str(key)
        if isinstance(value, Mapping):
            found.update(_flat(value, path))
        else:
            found[path] = _text(value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "+".join(map(_text, value)) or "none"
    if isinstance(value, float):
        return f"{value:g}"
    return value if isinstance(value, str) else json.dumps(value)  # null, true, 3


def _one_each(runs: Sequence[Run], problems: list[Problem]) -> tuple[Run, ...]:
    """Keep the run finished last of each split and seed."""
    kept: dict[tuple[str, int], Run] = {}
    for run in sorted(runs, key=lambda r: (r.finished, str(r.path))):
        place = (run.split, run.seed)
        if place in kept:
            problems.append(
                Problem(
                    kept[place].path,
                    f"left out, because {run.path.name} has the same settings, split and seed and "
                    "was finished later. Their code or upstream stages differ: remove the folder "
                    "of the one that is outdated.",
                )
            )
        kept[place] = run
    return tuple(sorted(kept.values(), key=lambda r: (natural(r.split), r.seed)))


def _by_base(rows: Mapping[str, tuple[Run, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for text, (run, *_) in rows.items():
        found[f"{run.system} {run.stage}"].append(text)
    return found


def _differences(identities: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    keys = sorted({key for identity in identities for key in identity})
    differing = [key for key in keys if len({i.get(key) for i in identities}) > 1]
    return [{key: identity.get(key, "absent") for key in differing} for identity in identities]


def _telling(differences: Sequence[Mapping[str, str]]) -> list[str]:
    """Choose few settings that tell all rows apart, short ones first."""
    keys = sorted(differences[0], key=lambda key: (key.count("."), len(key), key))
    chosen: list[str] = []
    parts = 1
    for key in keys:
        split = len({tuple(row[k] for k in [*chosen, key]) for row in differences})
        if split > parts and all(len(row[key]) <= _LONGEST_VALUE for row in differences):
            chosen.append(key)
            parts = split
    if parts < len(differences):  # only long values tell the rows apart
        chosen = keys
    return chosen


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts ``x-10`` after ``x-9``."""
    parts = re.split(r"(\d+)", text)
    return [(1, int(p), "") if p.isdigit() else (0, 0, p) for p in parts]
