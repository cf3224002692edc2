"""``hmtnet report``: one leaderboard from run directories, as a page, Markdown, CSV and LaTeX."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hmtnet.cli.sweep_table import best_words, closing
from hmtnet.errors import printable
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.sweep import read_sweep_report
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.sweep import write_sweep
from hmtnet.report.render.text import as_text
from hmtnet.report.render.write import write_report


def report(arguments: Sequence[str]) -> int:
    """Run ``hmtnet report`` and return the exit code."""
    given = _parser().parse_args(arguments)
    if len(given.path) == 1 and (given.path[0] / "sweep.json").is_file():
        return _sweep(given.path[0], given.output, given.format)
    found = build_report(collect(given.path), given.title, given.rows)
    page = write_report(found, given.output)
    if given.format == "json":
        document = {**as_document(found), "page": str(page)}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(f"{printable(as_text(found))}\n\npage, Markdown, CSV and LaTeX: {page}")
    for problem in found.problems:
        print(f"hmtnet: not in the report: {printable(str(problem))}", file=sys.stderr)
    return 0


def _sweep(folder: Path, output: Path, form: str) -> int:
    """Make the page of a sweep."""
    found = read_sweep_report(folder)
    page = write_sweep(found, output, best_words(found.sweep, found.best) if found.best else "")
    print(closing(folder, form))
    if form == "text":
        print(f"page: {page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet report",
        description="Make one leaderboard of run directories: a page, Markdown, CSV and LaTeX.",
        epilog="example: hmtnet report runs/ --output report --title 'QADS, seven systems'",
    )
    parser.add_argument(
        "path",
        nargs="+",
        type=Path,
        help="run directories, or folders that hold such; or a sweep, runs/sweeps/<name>",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("report"), help="folder of the files (report)"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="what is printed (text)"
    )
    parser.add_argument("--title", default="Leaderboard", help="heading of the page")
    parser.add_argument(
        "--rows",
        action="append",
        default=[],
        metavar="TEXT",
        help="only systems whose name contains TEXT; may be given several times",
    )
    return parser
