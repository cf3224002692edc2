"""``hmtnet report``: one leaderboard from run directories, as a page, Markdown, CSV and LaTeX."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hmtnet.errors import printable
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.text import as_text
from hmtnet.report.render.write import write_report


def report(arguments: Sequence[str]) -> int:
    """Run ``hmtnet report`` and return the exit code."""
    given = _parser().parse_args(arguments)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet report",
        description="Make one leaderboard of run directories: a page, Markdown, CSV and LaTeX.",
        epilog="example: hmtnet report runs/ --output report --title 'QADS, seven systems'",
    )
    parser.add_argument(
        "path", nargs="+", type=Path, help="run directories, or folders that hold such"
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
