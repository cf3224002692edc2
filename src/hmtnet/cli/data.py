"""``hmtnet data list | verify | split | export``: look after datasets."""

import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hmtnet.cli.composing import log_to_stderr, run_composed
from hmtnet.cli.dataset import DatasetSettings
from hmtnet.cli.split import split
from hmtnet.cli.verify import FAULTY, verify
from hmtnet.data import readers
from hmtnet.data.export import to_csv
from hmtnet.data.facts import Facts
from hmtnet.data.readers.folder import whereabouts
from hmtnet.errors import DataError, SettingsError, nearest
from hmtnet.files import write_text
from hmtnet.report.render.formats import DASH
from hmtnet.report.render.terminal import cell, text_table
from hmtnet.settings import build

log = logging.getLogger(__name__)

_KNOWN = (
    *("title", "images", "references", "methods", "range", "direction", "label_kind"),
    *("licence", "citation", "obtained"),
)

USAGE = """\
usage: hmtnet data list [format=json]
       hmtnet data verify data=<dataset> [data.root=<folder>] [data@other=<dataset>]
       hmtnet data split  data=<dataset> split=<protocol> [seed=<n>] [output=<file.json>]
       hmtnet data export data=<dataset> [output=<file.csv>]

verify looks through the whole folder and exits with 2 if there is a fault; output=<file.png> draws
the repeated scenes. split writes a split file for split=file. format=json prints for programs.
"""


def data(arguments: Sequence[str]) -> int:
    """Run ``hmtnet data …`` and return the exit code."""
    commands = {"verify": verify, "split": split, "export": _export}
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else FAULTY
    name, rest = arguments[0], arguments[1:]
    if name == "list":
        return _list(rest)
    if name not in commands:
        raise SettingsError(
            f"Unknown command 'data {name}'.{nearest(name, ['list', *commands])}\n{USAGE}"
        )
    codes = []

    def job(settings: DatasetSettings) -> float:
        codes.append(commands[name](settings))
        return 0.0

    run_composed("dataset", rest, partial(build, DatasetSettings), job)
    return max(codes, default=0)


def _list(arguments: Sequence[str]) -> int:
    """Show every dataset that can be read, and where it lies on this machine."""
    if any(word not in ("format=json", "format=text") for word in arguments):
        raise SettingsError(f"hmtnet data list takes format=json only, found {list(arguments)}.")
    log_to_stderr()
    found: list[dict[str, Any]] = []
    for name in sorted(readers.readers()):
        try:
            facts = readers.find(name).facts
        except SettingsError as error:  # another package's; the others are listed all the same
            log.warning("%s", error)
            continue
        place = None if facts is None else whereabouts(name)
        found.append({"reader": name, "root": str(place) if place else None, **_known(facts)})
    if "format=json" in arguments:
        print(json.dumps(found, indent=2))
        return 0
    rows = [
        [
            entry["reader"],
            entry["title"] or "anyone's folder",
            *(cell(entry[key]) for key in ("images", "references", "methods")),
            " ".join(f"×{scale}" for scale in entry["scales"]),
            DASH if entry["range"] is None else "{:g} to {:g}".format(*entry["range"]),
            {None: DASH, "higher": "high", "lower": "low"}[entry["direction"]],
            entry["root"] or DASH,
        ]
        for entry in found
    ]
    header = ["data=", "dataset", "images", "refs", "methods", "scales", "range", "best", "here"]
    print(text_table(header, rows, left=2))
    print(
        "\nNothing is downloaded; format=json says where each is obtained, its licence and what to "
        "cite. Folders are looked for below $HMTNET_DATA, or given by data.root."
    )
    return 0


def _known(facts: Facts | None) -> dict[str, Any]:
    known = {name: getattr(facts, name, None) for name in _KNOWN}
    return known | {"scales": [] if facts is None else sorted(facts.scales)}


def _export(settings: DatasetSettings) -> int:
    """Write a dataset's labels as a CSV that the reader ``table`` reads."""
    if settings.data.also:
        raise SettingsError("hmtnet data export writes one dataset; leave out data.also.")
    manifest = readers.read(settings.data)
    text = to_csv(manifest)
    if settings.output is None:
        print(text, end="")
        return 0
    path = Path(settings.output).expanduser()
    try:
        write_text(path, text)
    except OSError as error:
        raise DataError(
            f"'{path}' cannot be written: {error.strerror}. Name another file with output=."
        ) from error
    low, high = manifest.mos_range
    direction = "higher" if manifest.higher_is_better else "lower"
    print(
        f"written: {path}, {len(manifest)} images\nto read it from the folder {manifest.root}: "
        f"data=table data.label_kind={manifest.label_kind} data.direction={direction} "
        f"'data.range=[{low:g},{high:g}]'"
    )
    return 0
