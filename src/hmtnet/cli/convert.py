"""``hmtnet convert``: the checkpoint of a system's authors, made a run directory that scores."""

from collections.abc import Sequence

from hmtnet.artifact.description import read_description
from hmtnet.cli.composing import run_composed
from hmtnet.experiment.convert import ConvertSettings, convert_settings
from hmtnet.experiment.convert import convert as convert_checkpoint
from hmtnet.models.system import System


def convert(arguments: Sequence[str]) -> int:
    """Run ``hmtnet convert`` with Hydra's overrides and return the exit code."""
    run_composed("convert", arguments, convert_settings, _job)
    return 0


def _job(given: tuple[ConvertSettings, System]) -> float:
    path = convert_checkpoint(*given).path
    meta = read_description(path)
    print(f"scores: {meta['dataset']['unit']}\nto use it: hmtnet.Scorer({str(path)!r})")
    return 0.0
