"""``hmtnet score``: scores of anyone's images by a finished stage."""

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hmtnet.artifact.description import read_description
from hmtnet.artifact.shipped import find_model
from hmtnet.cli.composing import log_to_stderr
from hmtnet.cli.info import card_of, told_of
from hmtnet.errors import ArtifactError, DataError, SettingsError, listed, printable
from hmtnet.files import is_folder, write_text
from hmtnet.report.render.formats import DASH, decimals, percent
from hmtnet.report.render.terminal import notes, text_table
from hmtnet.scoring.listing import Listed, find_images
from hmtnet.scoring.score_table import Failure, Row, ScoreFile, as_csv, best_first
from hmtnet.terminal import progress

if TYPE_CHECKING:
    from hmtnet.report.render.scores import ScorePage
    from hmtnet.scoring.scorer import Scorer
    from hmtnet.scoring.series import OnJudged

DEFAULT_MODEL = "hmtnet-lite"
SOME_NOT_SCORED = 2


def score(arguments: Sequence[str]) -> int:
    """Run ``hmtnet score`` and return the exit code: 0 if every image has a score, 2 if not.

    Raises:
        DataError: There is no image, or an output cannot be written.
        ArtifactError: The model is missing, damaged, capped, or judges no image that comes alone.
        SettingsError: Options do not fit each other or the model.
    """
    given = _parser().parse_args(arguments)
    log_to_stderr()
    form = given.format or _form_of(given.output)
    if form == "html" and given.output is None:
        raise SettingsError("A page needs a file: --format html --output page.html.")
    images = find_images(given.path, given.maps)
    check_model(given.model, given.capped)
    table = ScoreFile(given.output) if given.output and form == "csv" else None
    page = _page(given.output, given.model, len(images)) if form == "html" else None
    file = table or page  # that grows, and is gone on with
    streamed = file is None and given.output is None and form == "csv" and not given.sort
    rows: list[Row] = []
    failures: list[Failure] = []
    try:
        for found in scored(
            *(images, given.model, given.device, {} if file is None else file.rows),
            maps=given.maps,
            references=given.reference_dir,
            scale=given.scale,
            see=page.see if page else None,
            with_maps=page is not None and page.with_maps,
            hidden=streamed and sys.stdout.isatty(),
        ):
            if isinstance(found, Failure):
                failures.append(found)
                continue
            if file is not None and file.rows.get(found.image) is not found:
                file.append(found)
            if streamed:
                print(as_csv([found], header=not rows), end="", flush=True)
            rows.append(found)
    finally:
        tell(failures, len(rows))
    rows = best_first(rows) if given.sort or form == "html" else rows
    if table is not None:
        table.finish(given.sort)
    elif page is not None:
        page.finish(rows, failures)
    elif given.output is not None and rows:
        _write(given.output, _text(form, rows, failures))
    elif not streamed:
        print(_text(form, rows, failures), end="")
    if given.output is not None and rows:
        print(f"scores of {len(rows)} images: {given.output}")
    return SOME_NOT_SCORED if failures else 0


def scored(
    images: Sequence[Listed],
    model: str,
    device: str,
    kept: Mapping[str, Row],
    *,
    maps: Path | None = None,
    references: Path | None = None,
    scale: float | None = None,
    see: "OnJudged | None" = None,
    with_maps: bool = False,
    hidden: bool = False,
) -> Iterator[Row | Failure]:
    """Load a model and score images, with a progress bar where standard error is a screen.

    Args:
        images: What to score.
        model: Its name or folder.
        device: As of `hmtnet.load`.
        kept: Rows that are there already, by image.
        maps: See `hmtnet.scoring.series.Series`.
        references: See there.
        scale: See there.
        see: See there.
        with_maps: See there.
        hidden: Show no progress.

    Raises:
        HmtnetError: The model does not fit, or a picture cannot be written.
    """
    _wait_passively()
    from hmtnet.scoring.series import Series, check_pictures

    if maps is not None:
        check_pictures(images, maps)
    scorer = load_scorer(model, device)
    _check_references(scorer.restored.network.needs_reference, model, references, scale)
    series = Series(
        *(scorer, model, kept),
        maps=maps,
        references=references,
        scale=scale,
        see=see,
        with_maps=with_maps,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # of files that are damaged or not
        yield from progress(
            series.score(images),
            total=len(images),
            title="scoring",
            unit="image",
            hidden=hidden or not sys.stderr.isatty(),  # where it is told, it is noise
        )


def load_scorer(model: str, device: str) -> "Scorer":
    """Load a model; this brings torch, so what is mistyped is told before.

    Raises:
        HmtnetError: It does not fit.
    """
    _wait_passively()
    from hmtnet.scoring.scorer import Scorer

    return Scorer(model, device)


def check_model(model: str, capped: bool) -> None:
    """Refuse a model that is not there, or one whose training was capped, unless that is asked for.

    Raises:
        ArtifactError: It is one of these.
    """
    folder = find_model(model)
    if read_description(folder).get("debug") and not capped:
        raise ArtifactError(
            f"The training of {folder}, or of a stage before it, was capped by trainer.debug, so "
            "its scores mean nothing. Train it without the cap, or give --capped to see them."
        )


def _check_references(
    needed: bool, model: str, references: Path | None, scale: float | None
) -> None:
    if needed and references is None:
        raise SettingsError(
            f"Model '{model}' compares images with their references. Give the folder of "
            "these: --reference-dir <folder>."
        )
    if not needed and (references is not None or scale is not None):
        raise SettingsError(
            f"Model '{model}' judges images without a reference. Leave out --reference-dir "
            "and --scale, or give a model of a full-reference system."
        )
    if references is not None and not is_folder(references):
        raise SettingsError(f"--reference-dir: there is no folder {references}.")
    if scale is not None and not scale >= 1:
        raise SettingsError(f"--scale: expected a factor of at least 1, found {scale}.")


def _page(path: Path, model: str, images: int) -> "ScorePage":
    _wait_passively()
    from hmtnet.report.render.scores import ScorePage  # brings torch and matplotlib

    return ScorePage(path, model, told_of(card_of(model)), images)


def _wait_passively() -> None:
    """Let idle threads sleep; it counts before torch is imported.

    Threads that wait by spinning take the cores from each other and from the decoding thread: with
    other programs at work, an image then takes ten times as long.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _form_of(output: Path | None) -> str:
    """Return the form that a file's suffix asks for."""
    known = {".csv": "csv", ".json": "json", ".html": "html", ".htm": "html"}
    return "table" if output is None else known.get(output.suffix.lower(), "table")


def _text(form: str, rows: list[Row], failures: list[Failure]) -> str:
    if form == "csv":
        return as_csv(rows)
    if form == "json":
        document = {"images": list(map(vars, rows)), "failed": list(map(vars, failures))}
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return _table(rows) if rows else ""


def _table(rows: list[Row]) -> str:
    """Lay out scores for people: one line per image, and what the numbers mean."""
    cells = [
        [
            row.image,
            decimals(row.score),
            _interval(row) + (" *" if row.outside else ""),
            DASH if row.grade is None else str(row.grade),
        ]
        for row in rows
    ]
    said = [f"Score: {rows[0].predicts}. Grade: 1 is worst. Model: {rows[0].model}."]
    if all(row.interval_low is None for row in rows):
        said.append("The model came without validation images, so its scores have no interval.")
    strange = [f"{row.image} ({row.outside})" for row in rows if row.outside]
    if strange:
        said.append(
            f"* {len(strange)} unlike what the model has learned from, so that no interval holds: "
            f"{listed(strange, 3)}."
        )
    least, most = (percent(choose(row.seen for row in rows)) for choose in (min, max))
    if least != percent(1):
        share = least if least == most else f"{least} to {most}"
        said.append(f"The model looked at {share} of an image's pixels.")
    header = ["image", "score", "90 % interval", "grade"]
    return f"{text_table(header, cells)}\n\n{notes(said)}\n"


def _interval(row: Row) -> str:
    if row.interval_low is None or row.interval_high is None:
        return DASH
    return f"{decimals(row.interval_low)} to {decimals(row.interval_high)}"


def tell(failures: Sequence[Failure], scored: int) -> None:
    """Say on standard error which images have no score, and why."""
    for failure in failures:
        told = printable(f"{failure.image}: {failure.reason}")
        print(f"hmtnet: not scored: {told}", file=sys.stderr)
    if failures:
        all_of_them = len(failures) + scored
        print(f"hmtnet: {len(failures)} of {all_of_them} images not scored", file=sys.stderr)


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written: {error}. Give another --output, or make room."
        ) from error


def add_model(parser: argparse.ArgumentParser, name: str = "--model") -> None:
    """Add the options that say which model judges, and where; or a model alone may be a word."""
    add = parser.add_argument
    add(
        name,
        default=DEFAULT_MODEL,
        nargs=None if name.startswith("-") else "?",
        help=f"name of a model (hmtnet models lists them) or a run directory ({DEFAULT_MODEL})",
    )
    add("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda:1, …")
    add("--capped", action="store_true", help="also with a model whose training was capped")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet score",
        description="Score images with a trained model: no training, no reference needed.",
        epilog="example: hmtnet score photos/ --output page.html",
    )
    add = parser.add_argument
    add("path", nargs="+", help="image files, folders with all below them, or 'patterns/*.png'")
    add_model(parser)
    add(
        "--format",
        choices=("table", "csv", "json", "html"),
        help="form of what is printed, or of the file (by its suffix, else table)",
    )
    add(
        "--output",
        type=Path,
        metavar="FILE",
        help="write to FILE. CSV and HTML grow row by row, and the same command goes on with them",
    )
    add("--sort", action="store_true", help="best first, as a page is in any case")
    add("--maps", type=Path, metavar="DIR", help="a picture per image: where it is good or bad")
    add(
        "--reference-dir",
        type=Path,
        metavar="DIR",
        help="references, named like the images; for models that compare",
    )
    add("--scale", type=float, help="factor by which sides may differ from the reference's")
    return parser
