"""The files of a report, each whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from hmtnet.errors import DataError
from hmtnet.files import write_text
from hmtnet.report.numbers.model import Report
from hmtnet.report.render.csv_file import as_csv
from hmtnet.report.render.drawing import Figure
from hmtnet.report.render.latex import as_latex
from hmtnet.report.render.markdown import as_markdown
from hmtnet.report.render.page import as_html
from hmtnet.report.render.templating import render

PAGE = "report.html"
FILES = {
    PAGE: as_html,
    "report.md": as_markdown,
    "leaderboard.csv": as_csv,
    "leaderboard.tex": as_latex,
}
"""File names, and what makes each."""


def write_report(report: Report, folder: Path) -> Path:
    """Write the page, Markdown, CSV and LaTeX into a folder; earlier ones are replaced.

    Args:
        report: What to write.
        folder: Made if it does not exist.

    Returns:
        The page.

    Raises:
        DataError: The folder cannot be written.
    """
    write_files(folder, {name: make(report) for name, make in FILES.items()})
    return folder / PAGE


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files by name into a folder, each whole or not at all.

    Raises:
        DataError: The folder cannot be written.
    """
    try:
        for name, text in texts.items():
            write_text(folder / name, text)
    except OSError as error:
        raise DataError(
            f"The report cannot be written to {folder}: {error}. Check that the folder is writable "
            "and the disk is not full, or give another one with --output."
        ) from error


def write_figure(figure: Figure, path: Path, heading: str, below: str) -> None:
    """Write a figure as an SVG file, which every browser shows, in light or dark as it is set to.

    Args:
        figure: What to draw.
        path: The file.
        heading: A line above.
        below: A second, smaller line.
    """
    write_text(path, render("picture.svg.j2", figure=figure, heading=heading, below=below))
