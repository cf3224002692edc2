"""The conditions a stage is trained under.

A stage's key promises a recipe. Whether two trainings by one recipe end with the same bits depends
on what is told here: sums in another order differ in their last digit, and training amplifies that.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from hmtnet.errors import listed
from hmtnet.experiment.devices import device_of
from hmtnet.experiment.machine import cpu_name, driver_version, source_state, versions
from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.files import read_json, write_text

_ON_CPU = ("threads", "cpu", "instructions")


def conditions(trainer: TrainerSettings) -> dict[str, Any]:
    """Return the conditions that this process trains under, as JSON values.

    Args:
        trainer: The hardware that was asked for.
    """
    gpu = device_of(trainer).type == "cuda"
    return {
        "threads": torch.get_num_threads(),
        "cpu": cpu_name(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if gpu else None,
        "driver": driver_version() if gpu else None,
        "deterministic": trainer.deterministic,
        "compile": trainer.compile,
        "versions": versions(),
        "source": source_state(),
    }


def record(file: Path, epoch: int, found: Mapping[str, Any]) -> None:
    """Add the conditions under which training goes on after ``epoch`` completed epochs.

    They replace those of later epochs, which are trained again.
    """
    before = [entry for entry in recorded(file) if entry["epoch"] < epoch]
    if not before or {**before[-1], "epoch": epoch} != {"epoch": epoch, **found}:
        before.append({"epoch": epoch, **found})
    write_text(file, json.dumps(before, indent=2) + "\n")


def recorded(file: Path) -> list[dict[str, Any]]:
    """Return what `record` has written, in order of epochs; nothing of a file that is damaged."""
    try:
        entries = read_json(file)
        return [entry for entry in entries if isinstance(entry["epoch"], int)]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def differences(trained: object, here: Mapping[str, Any]) -> str:
    """Say in what the conditions of a training differ from those here; empty where in nothing.

    Of a training on a GPU, the CPU does not count; nor does the commit, since the key knows the
    sources that matter.

    Args:
        trained: ``conditions`` of a ``stage.json``; one that does not say them differs in nothing.
        here: The conditions of this process.

    >>> differences([{"threads": 2, "cpu": "A"}], {"threads": 1, "cpu": "A"})
    'threads 2 (here 1)'
    """
    entries = [_deciding(entry) for entry in trained] if isinstance(trained, list) else []
    ours = _deciding(here)
    told = []
    for name, value in ours.items():
        theirs = dict.fromkeys(entry[name] for entry in entries if name in entry)
        if any(other != value for other in theirs):
            told.append(f"{name} {' then '.join(theirs)} (here {value})")
    return listed(told)


def _deciding(found: object) -> dict[str, str]:
    """Return what of conditions decides about bits, in words, by name."""
    if not isinstance(found, Mapping):
        return {}
    idle = _ON_CPU if found.get("gpu") else ("driver",)
    own = {k: v for k, v in found.items() if k not in ("epoch", "versions", "source", *idle)}
    libraries = found.get("versions")
    if isinstance(libraries, Mapping):
        own |= {k: v for k, v in libraries.items() if k != "python"}
    return {str(name): _in_words(value) for name, value in own.items()}


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else str(value)
