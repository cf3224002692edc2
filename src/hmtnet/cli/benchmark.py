"""``hmtnet benchmark``: what it costs to judge an image of a given size."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from hmtnet.cli.composing import log_to_stderr
from hmtnet.cli.score import add_model, check_model, load_scorer
from hmtnet.errors import SettingsError
from hmtnet.experiment.machine import device_name, peak_memory
from hmtnet.files import csv_text, size_words
from hmtnet.report.render.formats import DASH, counted, decimals
from hmtnet.report.render.terminal import notes, text_table
from hmtnet.terminal import progress

if TYPE_CHECKING:
    from hmtnet.scoring.scorer import Scorer

SIZES = (0.2, 2.0, 20.0, 100.0)


def benchmark(arguments: Sequence[str]) -> int:
    """Run ``hmtnet benchmark`` and return the exit code.

    Raises:
        ArtifactError: The model is missing, damaged, capped, or judges no image that comes alone.
        SettingsError: A size or a number of repetitions is below what makes sense.
    """
    given = _parser().parse_args(arguments)
    log_to_stderr()
    if not all(size > 0 for size in given.megapixels) or given.repeats < 1:
        raise SettingsError(
            "Expected megapixels above 0 and at least one repetition, found --megapixels "
            f"{' '.join(f'{size:g}' for size in given.megapixels)} --repeats {given.repeats}."
        )
    check_model(given.model, given.capped)
    scorer = load_scorer(given.model, given.device)
    rows = list(_measured(scorer, sorted(given.megapixels), given.repeats))
    if given.format == "json":
        print(json.dumps({"model": given.model, "sizes": rows}, indent=2, ensure_ascii=False))
    elif given.format == "csv":
        print(csv_text(rows[0], (row.values() for row in rows), for_people=True), end="")
    else:
        print(_table(given.model, rows))
    return 0


def _measured(scorer: "Scorer", sizes: Sequence[float], repeats: int) -> Iterator[dict[str, Any]]:
    """Measure size by size, the smallest first, so that a process's peak is that of the size."""
    from hmtnet.scoring.cost import cost_of

    network, crops = scorer.restored.network, scorer.restored.settings.crops
    name = device_name(scorer.device)
    for size in progress(sizes, total=len(sizes), title="measuring", unit="size"):
        found = cost_of(network, crops, scorer.device, name, size, repeats)
        assert found is not None, "a scorer judges images that come alone"
        peak = peak_memory()
        yield {
            **asdict(found),
            "images_per_second": 1 / found.seconds,
            "process_mb": None if peak is None else peak / 1e6,
        }


def _table(model: str, rows: Sequence[dict[str, Any]]) -> str:
    """Lay out the sizes for people, and say what was measured on what."""
    header = ["megapixels", "tiles", "s an image", "images/s", "GFLOPs", "tensors", "process"]
    cells = [
        [
            f"{row['megapixels']:.3g}",
            str(row["tiles"]),
            decimals(row["seconds"]),
            decimals(row["images_per_second"]),
            decimals(row["gflops"]),
            *(
                DASH if row[key] is None else size_words(round(row[key] * 1e6))
                for key in ("tensors_mb", "process_mb")
            ),
        ]
        for row in rows
    ]
    said = [
        f"{model} on {rows[0]['device']}, {counted(rows[0]['threads'], 'thread')}. From an image's "
        "pixels to its score, without maps; the median of the repetitions.",
        "Tensors: what results of operations take at once, on any device. Process: the most memory "
        "that this process has had.",
    ]
    return f"{text_table(header, cells, left=0)}\n\n{notes(said)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet benchmark",
        description="Measure what it costs to judge images of several sizes: arithmetic, time and "
        "memory. The images are noise.",
        epilog="example: hmtnet benchmark --megapixels 0.2 12 --format csv",
    )
    add_model(parser, "model")
    add = parser.add_argument
    add(
        "--megapixels",
        type=float,
        nargs="+",
        default=SIZES,
        metavar="N",
        help=f"sizes of the images ({' '.join(f'{size:g}' for size in SIZES)})",
    )
    add("--repeats", type=int, default=3, help="repetitions of each size that are timed (3)")
    add("--format", choices=("table", "json", "csv"), default="table", help="what is printed")
    return parser
