"""``hmtnet convert``: the checkpoint of a system's authors, made a run directory that scores."""

from collections.abc import Sequence
from typing import Any

from hmtnet.artifact.description import read_description
from hmtnet.cli.composing import run_composed
from hmtnet.experiment.convert import convert as convert_checkpoint
from hmtnet.experiment.convert import convert_settings


def convert(arguments: Sequence[str]) -> int:
    """Run ``hmtnet convert`` with Hydra's overrides and return the exit code."""
    run_composed("convert", arguments, _job)
    return 0


def _job(values: dict[str, Any]) -> float:
    path = convert_checkpoint(*convert_settings(values)).path
    meta = read_description(path)
    print(f"scores: {meta['dataset']['unit']}\nto use it: hmtnet.Scorer({str(path)!r})")
    return 0.0
