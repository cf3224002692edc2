"""``hmtnet doctor``: whether this machine, its folders and its datasets are fit for use."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hmtnet import __version__
from hmtnet.cli.checks import Check, check_all
from hmtnet.report.render.terminal import notes

FAULTY = 2

_MARKS = {"fault": "✗", "warning": "!", "good": "✓"}


def doctor(arguments: Sequence[str]) -> int:
    """Run ``hmtnet doctor`` and return the exit code: 0, or 2 if something is at fault."""
    parser = argparse.ArgumentParser(
        prog="hmtnet doctor",
        description="Look at versions, devices, folders, caches, runs and datasets.",
        epilog="Datasets are looked for below $HMTNET_DATA; hmtnet data verify data=<dataset> "
        "decodes each image of one. Exit code 2: something is at fault.",
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="the folder of runs (runs)")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    found = list(check_all(given.runs))
    sound = all(check.level != "fault" for check in found)
    if given.format == "json":
        document = {"hmtnet": __version__, "sound": sound, "checks": [asdict(c) for c in found]}
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print(_page(found))
    return 0 if sound else FAULTY


def _page(found: Sequence[Check]) -> str:
    lines = [f"hmtnet {__version__}"]
    for topic in dict.fromkeys(check.topic for check in found):
        lines += ["", topic]
        lines += [
            notes([f"{_MARKS[check.level]} {check.text}"])
            for check in found
            if check.topic == topic
        ]
    faults = sum(check.level == "fault" for check in found)
    told = {0: "fit for use", 1: "1 fault"}.get(faults, f"{faults} faults")
    return "\n".join([*lines, "", told])
