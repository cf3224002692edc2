"""``hmtnet train``: its settings, and then the chain.

Nothing here imports torch before the names of all settings, and the values of those that every
system shares, have been found right: a slip of the pen is answered at once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hmtnet.cli import packages
from hmtnet.cli.composing import conf_folder, run_composed
from hmtnet.cli.sizes import check_size
from hmtnet.experiment.run_settings import RunSettings
from hmtnet.settings import build

if TYPE_CHECKING:
    from hmtnet.experiment.settings import TrainSettings
    from hmtnet.models.system import System


def train(arguments: Sequence[str]) -> int:
    """Run ``hmtnet train`` with Hydra's overrides and return the exit code."""
    packages.join_search_path()
    packages.check_configured(arguments)
    run_composed("train", arguments, _read, _job, packages.folders())
    return 0


def _read(values: dict[str, Any]) -> "tuple[TrainSettings, System]":
    check_size((conf_folder(), *packages.folders()))
    by_system = ("system", "size")
    build(RunSettings, {key: values[key] for key in values if key not in by_system})
    from hmtnet.experiment.settings import train_settings

    return train_settings(values, complete=True)


def _job(read: "tuple[TrainSettings, System]") -> float:
    from hmtnet.cli import chain
    from hmtnet.cli.trial import recorded

    return recorded(lambda: chain.run(*read))
