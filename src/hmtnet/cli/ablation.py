"""What each part of HMTNet is worth: an ablation read back from its run directories.

Each file of ``conf/ablation`` asks a question by changing some settings. What ``make ablation`` has
trained is matched with these files by its settings, so that a run counts wherever it came from.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hmtnet.artifact.description import value_at
from hmtnet.cli.composing import conf_folder
from hmtnet.data.readers import read
from hmtnet.errors import DataError, listed
from hmtnet.experiment.settings import train_settings
from hmtnet.files import plain_yaml
from hmtnet.metrics import holm
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.comparisons import SIGNIFICANT, compare
from hmtnet.report.numbers.leaderboard import Entry, View, entries
from hmtnet.report.numbers.quantities import spread
from hmtnet.report.numbers.run import Run
from hmtnet.report.numbers.sections import Configuration, Grounds, by_grounds, configurations
from hmtnet.scoring.scorer import Scorer

STAGES = ["grading", "sfen", "joint"]

Settings = Mapping[str, Any]
"""Settings of a system and its size by their dotted paths."""


@dataclass(frozen=True)
class Answer:
    """What a question changed. Differences are its row less the reference, one per split.

    Attributes:
        name: Of the question's file, with what a reader must see beside it.
        question: The comment at the head of that file.
        srcc: Differences in test SRCC.
        within_tau: Differences in within-(method, scale) τ; NaN where it is undefined.
        interval: 95 % over references, on the view's images; NaN below 10 references.
        p: Over splits, corrected by Holm for all questions; NaN where there is no test.
        tests: Titles of the tests over splits.
    """

    name: str
    question: str
    srcc: list[float]
    within_tau: list[float]
    interval: tuple[float, float]
    p: float
    tests: tuple[str, ...]

    @property
    def beyond(self) -> bool:
        """Whether the mean difference in SRCC is larger than the differences' sd over splits."""
        found = spread(self.srcc)
        return abs(found.mean) > found.sd


@dataclass(frozen=True)
class Ablation:
    """All answers that runs give.

    Attributes:
        grounds: Dataset and protocol.
        reference: The row that everything is compared with.
        answers: The largest gain in SRCC first.
        settings: The reference's settings.
    """

    grounds: Grounds
    reference: Entry
    answers: tuple[Answer, ...]
    settings: Settings = field(repr=False)

    @property
    def tests(self) -> list[str]:
        """Titles of the tests over splits; empty where splits are too few."""
        return sorted({title for answer in self.answers for title in answer.tests})

    @property
    def departures(self) -> list[str]:
        """What the reference was told beside the defaults of its size, as overrides."""
        told = {
            path: self.settings[path]
            for path in _departures(self.settings)
            if not _repeated(path, self.settings)
        }
        return [
            f"{path}={Path(str(value)).name if path.endswith('.weights') else value}"
            for path, value in told.items()
        ]

    def __str__(self) -> str:
        """Say in one sentence what was asked and what came out."""
        splits = len(self.reference.splits)
        text = f"Of {_counted(len(self.answers), 'question')} asked over "
        text += f"{_counted(splits, 'split')} of {self.grounds.dataset}, "
        if splits < 2:
            return text + "none can be answered: one split has no spread (make ablation SPLITS=5)."
        beyond = sorted(
            (answer for answer in self.answers if answer.beyond),
            key=lambda answer: -abs(spread(answer.srcc).mean),
        )
        text += f"{len(beyond)} changed the test SRCC with {self.grounds.mos} by more than "
        text += "the spread"
        changed = [f"{answer.name} {spread(answer.srcc).mean:+.3f}" for answer in beyond]
        text += f" ({listed(changed)})" if changed else ""
        certain = sum(answer.p < SIGNIFICANT for answer in self.answers)
        significantly = f"; {certain} of {len(self.answers)} significantly."
        return text + (significantly if self.tests else ".")

    def attention(self, most: int = 6) -> tuple[tuple[str, ...], np.ndarray]:
        """Return how much each perspective counts in the reference's first network.

        Args:
            most: At most about so many of its test images are looked at.

        Returns:
            The names of V perspectives and their shares (L, V), the mean over these images; a share
            per level of the network.

        Raises:
            HmtnetError: The images or the weights are not here.
        """
        run = self.reference.runs[0]
        root = read(train_settings(_written(run))[0].data).root
        images = run.predictions.select("test").image
        chosen = [root / image for image in images[:: -(-len(images) // most)]]
        verdicts = Scorer(run.path)(chosen)
        found = [verdict.maps["attention"] for verdict in verdicts if verdict.perspectives]
        return verdicts[0].perspectives, np.mean(found, axis=0) if found else np.zeros((0, 0))


def read_ablation(folder: Path | str) -> Ablation:
    """Read what `make ablation` has trained of one dataset; of several protocols, the fullest.

    Args:
        folder: The dataset's run directories, such as ``runs/demo``.

    Raises:
        DataError: There are no reference and question with predicted test images.
    """
    found = collect([Path(folder)])
    best: tuple[Grounds, Configuration, dict[Path, Configuration], list[Run]] | None = None
    for grounds, runs in by_grounds([r for r in found.runs if r.system == "hmtnet"]).items():
        rows, _ = configurations(runs, found.runs)
        rows = [row for row in rows if (row.runs[0].path / "settings.yaml").is_file()]
        for last in ("joint", "sfen"):
            reference, files = _asked(rows, last)
            if reference and files and (best is None or len(files) > len(best[2])):
                best = grounds, reference, files, runs
    if best is None:
        usable = _counted(len(found.runs), "usable run")
        raise DataError(
            f"Expected an ablation in {folder}: a reference and one question or more with "
            f"predicted test images; found {usable}, {len(found.problems)} that cannot be used. "
            "Train them (make ablation)."
        )
    grounds, base, files, runs = best
    measured, view = entries(grounds, [base, *files.values()], runs)
    by_row = {entry.configuration: entry for entry in measured}
    answers = [_answer(file, by_row[row], by_row[base], view) for file, row in files.items()]
    tested = [i for i, answer in enumerate(answers) if not math.isnan(answer.p)]
    for i, p in zip(tested, holm([answers[i].p for i in tested]), strict=True):
        answers[i] = replace(answers[i], p=float(p))
    answers.sort(key=lambda answer: -float(np.nan_to_num(spread(answer.srcc).mean)))
    return Ablation(grounds, by_row[base], tuple(answers), _settings_of(base))


def _asked(
    rows: Sequence[Configuration], last: str
) -> tuple[Configuration | None, dict[Path, Configuration]]:
    """Find the row that everything is compared with, and the row of each question.

    Rows of the stage ``last`` are compared: of the joint network, or of the SFEN where only the
    first two stages were trained. The reference is the row nearest to the defaults. A question's
    row differs from it in what the question's file changes, and in nothing else.
    """
    settings = {row: _settings_of(row) for row in rows if row.runs[0].stage == last}
    if not settings:
        return None, {}
    reference = min(settings, key=lambda row: (len(_departures(settings[row])), -len(row.runs)))
    base = settings[reference]
    upstream = {key for run in reference.runs for key in run.upstream.values()}
    for row in rows:  # the chain without its last stage is the reference's own second stage
        if last == "joint" and row.runs[0].stage == "sfen" and row.runs[0].key in upstream:
            settings[row] = {**base, "stages": STAGES[:2]}
    size = f"size={base['size.name']}"
    default = _composed(size)
    answers: dict[Path, Configuration] = {}
    for file in sorted((conf_folder() / "ablation").glob("*.yaml")):
        changed = _composed(size, f"ablation={file.stem}")
        wanted = {**base, **{p: v for p, v in changed.items() if v != default.get(p)}}
        for row, told in settings.items():
            if row is not reference and told == wanted:
                answers[file] = row
    return reference, answers


def _answer(file: Path, entry: Entry, reference: Entry, view: View) -> Answer:
    """Compare a question's row with the reference as the report compares rows."""
    pair = (entry.name, reference.name)
    within, *over = compare([entry, reference], view).tests
    marks = f" [{', '.join(entry.marks)}]" if entry.marks else ""
    there = within.cells.get(pair)
    return Answer(
        file.stem + marks,
        _question(file),
        _less(entry, reference, "srcc"),
        _less(entry, reference, "within_tau"),
        (there.low, there.high) if there else (math.nan, math.nan),
        over[0].cells[pair].p if over and pair in over[0].cells else math.nan,
        tuple(test.title for test in over),
    )


def _less(entry: Entry, reference: Entry, key: str) -> list[float]:
    """Return entry less reference on each split that both have, seeds averaged before."""
    shared = [split for split in reference.splits if split in entry.splits]
    return [entry.mean_at(split, key) - reference.mean_at(split, key) for split in shared]


def _flat(tree: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return the settings of a system and its size by their paths; others make no question."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if where or key in ("system", "size", "stages"):
            inner = isinstance(value, dict) and value
            found |= _flat(value, f"{where}{key}.") if inner else {where + key: value}
    return found


@cache
def _composed(*words: str) -> Settings:
    """Return the settings that these words make out of ``conf/``."""
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        values = OmegaConf.to_container(compose("train", list(words)), resolve=True)
    assert isinstance(values, dict)
    return _flat({str(key): value for key, value in values.items()})


def _written(run: Run) -> dict[str, Any]:
    """Return the settings that a run directory holds."""
    path = run.path / "settings.yaml"
    try:
        values = plain_yaml(path.read_text(encoding="utf-8"))
        sizes = [file.stem for file in (conf_folder() / "size").glob("*.yaml")]
        if not isinstance(values, dict) or value_at(values, "size", "name") not in sizes:
            raise ValueError(f"expected settings of a size of {', '.join(sorted(sizes))}")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}). Train the stage again.") from error
    return values


def _settings_of(row: Configuration) -> Settings:
    """Return the settings that a row was trained with, and the stages that it went through."""
    run = row.runs[0]
    settings = _flat(_written(run))
    # What an older hmtnet did not know was as it is by default, but for this.
    default = {**_composed(f"size={settings['size.name']}"), "system.joint.grading_rate": 1.0}
    return {**default, **settings, "stages": [*run.upstream, run.stage]}


def _departures(settings: Settings) -> list[str]:
    """Return the paths where settings differ from the defaults of their size."""
    default = {**_composed(f"size={settings['size.name']}"), "stages": STAGES}
    return [path for path in settings if settings[path] != default.get(path)]


def _repeated(path: str, settings: Settings) -> bool:
    """Return whether a stage's setting is what its size says of the same thing."""
    _, _, inner = path.removeprefix("system.").partition(".")
    inner = re.sub(r"^network\.(\w+\.)?(encoder|backbone)\.", "backbone.", inner)
    value = settings.get(f"size.{inner}")
    return path.startswith("system.") and value is not None and bool(value == settings[path])


def _question(file: Path) -> str:
    """Return what the comment at the head of a question's file says."""
    lines = file.read_text(encoding="utf-8").splitlines()[1:]
    return " ".join(line[2:] for line in lines if line.startswith("# "))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
