"""``hmtnet compare``: which SR method is better, by the scores of its images."""

import argparse
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hmtnet.artifact.description import read_description
from hmtnet.artifact.shipped import find_model
from hmtnet.cli.composing import log_to_stderr, run_composed
from hmtnet.cli.dataset import DatasetSettings
from hmtnet.cli.score import add_model, check_model, scored, tell
from hmtnet.data.readers import read_labels
from hmtnet.errors import SettingsError, listed
from hmtnet.report.numbers.methods import compare_methods
from hmtnet.report.numbers.run import label_kind
from hmtnet.report.render.methods import Disputed, Told, as_document, as_text, write_comparison
from hmtnet.scoring.contents import Matched, contents_of, match_contents, names_of
from hmtnet.scoring.listing import find_images
from hmtnet.scoring.score_table import Failure, Row, ScoreFile
from hmtnet.settings import build

SCORES = "scores.csv"
SOME_NOT_SCORED = 2


def compare(arguments: Sequence[str]) -> int:
    """Run ``hmtnet compare`` and return the exit code: 0, or 2 if an image has no score.

    Raises:
        HmtnetError: There is nothing to compare, or nothing to compare it with.
    """
    given = _parser().parse_args(arguments)
    log_to_stderr()
    check_model(given.model, given.capped)
    overrides = [word for word in given.what if "=" in word and not Path(word).exists()]
    if not overrides:
        matched = _of_folders(given)
        return _run(given, matched, ", ".join(matched.images))
    if len(overrides) < len(given.what):
        folders = [word for word in given.what if word not in overrides]
        raise SettingsError(
            f"Compare folders or a dataset, not both: found the folders {listed(folders)} beside "
            f"{listed(overrides)}."
        )
    codes = []

    def job(settings: DatasetSettings) -> float:
        labels = read_labels(settings.data)
        chosen = None if given.methods is None else given.methods.split(",")
        codes.append(_run(given, contents_of(labels, chosen), labels.name))
        return 0.0

    run_composed("dataset", overrides, partial(build, DatasetSettings), job)
    return max(codes, default=0)


def _of_folders(given: argparse.Namespace) -> Matched:
    if given.methods is not None:
        raise SettingsError("--methods chooses among those of a dataset. Leave it out.")
    if len(given.what) < 2:
        raise SettingsError(
            f"A comparison needs a folder of results per SR method, found {listed(given.what)} "
            "alone. Give two folders or more, or a dataset (data=<name>)."
        )
    folders = [Path(folder).expanduser() for folder in given.what]
    for folder in folders:
        if not folder.is_dir():
            raise SettingsError(f"There is no folder {folder}. Give one folder per SR method.")
    names = names_of(folders)
    return match_contents(
        {
            name: find_images([str(folder)], given.output)
            for name, folder in zip(names, folders, strict=True)
        }
    )


def _run(given: argparse.Namespace, matched: Matched, title: str) -> int:
    """Score what has no score yet, compare, write, and tell."""
    file = ScoreFile(given.output / SCORES)
    images = [one for method in matched.images.values() for cell in method for one in cell]
    rows: dict[str, Row] = {}
    failures: list[Failure] = []
    try:
        for found in scored(
            *(images, given.model, given.device, file.rows), references=given.reference_dir
        ):
            if isinstance(found, Failure):
                failures.append(found)
                continue
            if file.rows.get(found.image) is not found:
                file.append(found)
            rows[found.image] = found
    finally:
        tell(failures, len(rows))
    if rows:
        file.finish(sort=False)
    kept = [
        i
        for i in range(len(matched.contents))
        if all(one.name in rows for cells in matched.images.values() for one in cells[i])
    ]
    quality = {
        name: [float(np.mean([rows[one.name].unit_score for one in cells[i]])) for i in kept]
        for name, cells in matched.images.items()
    }
    mos = None if matched.mos is None else {n: [v[i] for i in kept] for n, v in matched.mos.items()}
    compared = compare_methods(quality, [matched.groups[i] for i in kept], mos, matched.pseudo)
    contents = [matched.contents[i] for i in kept]
    told = Told(title, contents, quality, _notes(given.model, matched, kept))
    page = write_comparison(
        given.output,
        compared,
        told,
        [_side_by_side(matched, kept[i], i, contents[i], quality) for i in compared.disputed],
    )
    if given.format == "json":
        print(json.dumps({**as_document(compared, told), "page": str(page)}, indent=2))
    else:
        print(f"{as_text(compared, told)}\n\npage, tables and scores: {page}")
    return SOME_NOT_SCORED if failures else 0


def _notes(model: str, matched: Matched, kept: Sequence[int]) -> tuple[str, ...]:
    """Say what the scores are, and which images do not count."""
    folder = find_model(model)
    pseudo = label_kind(folder, read_description(folder), "dataset", "label_kind") == "pseudo"
    learned = "a pseudo-MOS, not people's scores" if pseudo else "people's scores"
    notes = [
        f"Judged by {model}, which has learned {learned}; hmtnet info {model} says how far to "
        "trust it."
    ]
    missing = len(matched.contents) - len(kept)
    if missing:
        notes.append(f"{missing} contents are left out: an image of them has no score.")
    return (*notes, *matched.notes)


def _side_by_side(
    matched: Matched, place: int, row: int, content: str, quality: Mapping[str, Sequence[float]]
) -> Disputed:
    """Cut out of each method's image of a content where these differ most."""
    from hmtnet.data.images import decode  # brings torch
    from hmtnet.scoring.side_by_side import as_webp, where_they_differ

    names = sorted(matched.images, key=lambda name: -quality[name][row])
    parts = where_they_differ([decode(matched.images[n][place][0].path) for n in names])
    pictures = zip(names, parts, strict=True)
    return Disputed(
        content, tuple((name, quality[name][row], as_webp(part)) for name, part in pictures)
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet compare",
        description="Compare SR methods by the scores of their images of the same contents.",
        epilog="example: hmtnet compare out/esrgan out/swinir out/bicubic, or of a dataset: "
        "hmtnet compare data=qads data.root=/data/QADS",
    )
    add = parser.add_argument
    add(
        "what",
        nargs="+",
        help="a folder of results per SR method, one photograph named alike in each; or a dataset, "
        "data=<name> with its settings, whose methods are compared and held against its labels",
    )
    add_model(parser)
    add("--methods", metavar="A,B", help="of a dataset: only these SR methods")
    add(
        "--output",
        type=Path,
        default=Path("comparison"),
        metavar="DIR",
        help="folder of the page, tables and scores; the same command goes on (comparison)",
    )
    add("--format", choices=("text", "json"), default="text", help="what is printed (text)")
    add(
        "--reference-dir",
        type=Path,
        metavar="DIR",
        help="references, named like the images; for models that compare with them",
    )
    return parser
