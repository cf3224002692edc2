"""``hmtnet train``: its settings, and then the chain.

Nothing here imports torch before the names of all settings, and the values of those that every
system shares, have been found right: a slip of the pen is answered at once.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hmtnet.cli import packages
from hmtnet.cli.composing import conf_folder, run_composed
from hmtnet.cli.sizes import check_size
from hmtnet.experiment.run_settings import RunSettings
from hmtnet.settings import build

if TYPE_CHECKING:
    from hmtnet.experiment.settings import TrainSettings
    from hmtnet.models.system import System

    Told = tuple[TrainSettings, System]
    Read = Callable[[dict[str, Any]], Told]
    Job = Callable[[Told], float]


def train(arguments: Sequence[str]) -> int:
    """Run ``hmtnet train`` with Hydra's overrides and return the exit code."""
    run(arguments, read, _job)
    return 0


def run(arguments: Sequence[str], read: "Read", job: "Job") -> None:
    """Compose what a command line of ``hmtnet train`` asks for, and run it.

    Args:
        arguments: Hydra's overrides.
        read: Makes typed settings, as ``read`` below, of the resolved values.
        job: Gets them, returns the objective.

    Raises:
        SettingsError: The settings are wrong.
    """
    packages.join_search_path()
    packages.check_configured(arguments)
    run_composed("train", arguments, read, job, packages.folders())


def read(values: dict[str, Any]) -> "Told":
    """Return the typed settings of one job, and its system.

    Raises:
        SettingsError: The settings are wrong.
    """
    check_size((conf_folder(), *packages.folders()))
    by_system = ("system", "size")
    build(RunSettings, {key: values[key] for key in values if key not in by_system})
    from hmtnet.experiment.settings import train_settings

    return train_settings(values, complete=True)


def _job(told: "Told") -> float:
    from hmtnet.cli import chain
    from hmtnet.cli.trial import recorded

    return recorded(lambda: chain.run(*told))
