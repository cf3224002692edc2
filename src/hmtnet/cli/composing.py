"""Hydra at the edge: overrides in, plain values out."""

import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, MissingConfigException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)
from yaml import YAMLError

import hmtnet
from hmtnet.cli.explaining import explanation
from hmtnet.cli.plugins import check_flags, plugins_only
from hmtnet.cli.words import MULTIRUN, hydra_words
from hmtnet.errors import HmtnetError, SettingsError, faults_explained, nearest, printable
from hmtnet.terminal import LogHandler

log = logging.getLogger(__name__)

T = TypeVar("T")


def conf_folder() -> Path:
    """Return the folder of the configuration: of the checkout, else of the installed package."""
    package = Path(hmtnet.__file__).parent
    for folder in (package.parents[1] / "conf", package / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise SettingsError(f"No configuration beside {package}: reinstall hmtnet.")


@dataclass
class Task(Generic[T]):
    """What Hydra runs once, or as each job of a multirun.

    Attributes:
        root: Name of the composed root.
        read: Makes typed settings of the resolved values.
        job: Gets the typed settings, returns the objective.
        begun: Whether a job was run.
        failure: What the only job has raised.
    """

    root: str
    read: Callable[[dict[str, Any]], T]
    job: Callable[[T], float]
    begun: bool = False
    failure: Exception | None = None
    _command_line: list[str] = field(default_factory=lambda: sys.argv)
    _known: dict[tuple[str, ...], dict[str, Any]] = field(default_factory=dict)

    def settings_of(self, config: DictConfig) -> T:
        """Return the typed settings of the job that Hydra has composed.

        Raises:
            SettingsError: They are wrong.
        """
        values, choices = _resolved(config), _choices()
        if choices not in self._known:
            self._known[choices] = _without_values(self.root, choices)
        _check_names(values, self._known[choices], "")
        return self.read(values)

    def __call__(self, config: DictConfig) -> float:
        """Run the job that Hydra has composed."""
        self.begun = True
        # Lightning starts the other processes of a multi-device run by this process's own words.
        sys.argv = self._command_line
        try:
            with faults_explained():
                return self.job(self.settings_of(config))
        except Exception as error:
            if is_multirun():
                _tell(error)
                raise
            self.failure = error
            return math.nan


def run_composed(
    root: str,
    arguments: Sequence[str],
    read: Callable[[dict[str, Any]], T],
    job: Callable[[T], float],
    more: Sequence[Path] = (),
) -> None:
    """Compose ``conf/<root>.yaml`` with overrides and run ``job``, once or as a multirun.

    Args:
        root: Name of the composed root.
        arguments: Hydra's command line: overrides and flags such as ``-m``.
        read: Makes typed settings of the resolved values. Of a multirun, every job's are made
            before the first job runs.
        job: Gets the typed settings, returns the objective (for a sweeper that searches).
        more: Folders of configuration that a plugin of Hydra's adds to ours.

    Raises:
        SettingsError: Hydra cannot compose what is asked for, or a job's settings are wrong.
    """
    log_to_stderr()
    folder = conf_folder()
    # Hydra's parser takes overrides in one piece only, so a flag amidst them goes to the front.
    ordered = sorted(arguments, key=lambda word: word not in MULTIRUN)
    check_flags(ordered)
    words = hydra_words(ordered, (folder, *more))
    task = Task(root, read, job)
    try:
        if {"-h", "--help"} & {*words}:
            _explain(root, [word for word in words if word not in ("-h", "--help", *MULTIRUN)])
        else:
            _run(root, words, task)
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        if task.begun:
            raise
        raise SettingsError(
            f"A file of the configuration cannot be read: {' '.join(str(error).split())}. Write "
            "plain YAML in UTF-8: text, numbers, lists and mappings."
        ) from error
    if task.failure:
        raise task.failure


def _explain(root: str, words: Sequence[str]) -> None:
    """Print the help of what Hydra composes; behind its back, as a reader may have read enough."""
    found = []

    def keep(config: DictConfig) -> float:
        found.append(explanation(config))
        return 0.0

    _run(root, words, keep)
    print("\n".join(found))


def _run(root: str, words: Sequence[str], task: Callable[[DictConfig], float]) -> None:
    """Let Hydra compose and run ``task``."""
    command_line = sys.argv
    # Hydra then raises what went wrong instead of printing it and leaving.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [f"hmtnet {root}", *words]
    try:
        config_path = str(conf_folder())
        with plugins_only():
            hydra.main(config_path=config_path, config_name=root, version_base="1.3")(task)()
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_said(error)) from error
    finally:
        sys.argv = command_line


def _choices() -> tuple[str, ...]:
    """Return the running job's words that choose groups' options."""
    return tuple(word for word in HydraConfig.get().overrides.task if not word.startswith("+"))


def _without_values(root: str, choices: Sequence[str]) -> dict[str, Any]:
    """Return what choices of groups' options make of ``conf/``, no setting changed."""
    values = OmegaConf.to_container(hydra.compose(root, list(choices)), resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def _check_names(values: Mapping[str, Any], known: Mapping[str, Any], where: str) -> None:
    """Refuse a setting that ``conf/`` does not list. It lists all, so no type has to be imported.

    Raises:
        SettingsError: Names the nearest.
    """
    for key, value in values.items():
        path = f"{where}.{key}" if where else key
        if key not in known:
            raise SettingsError(f"Unknown setting '{path}'.{nearest(str(key), known)}")
        inner = known[key]
        if isinstance(value, Mapping) and isinstance(inner, Mapping) and inner:  # {}: any key
            _check_names(value, inner, path)


def told(words: Iterable[str]) -> str:
    """Return what a job was told, as it was typed."""
    typed = (word.removeprefix("++") for word in words)
    return " ".join(word for word in typed if not word.startswith("sweep_name="))


def _tell(error: Exception) -> None:
    """Say which job has failed: Hydra goes on with the others, and in the end names only one."""
    defect = not isinstance(error, HmtnetError)
    log.error(
        "Failed, and the others go on: %s\n  %s",
        told(HydraConfig.get().overrides.task),
        error,
        exc_info=defect,
    )


def _resolved(config: DictConfig) -> dict[str, Any]:
    """Return a composed configuration as plain values."""
    try:
        values = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise SettingsError(
            f"Setting '{error.full_key}' is required: give {error.full_key}=<value>."
        ) from error
    except OmegaConfBaseException as error:
        raise SettingsError(f"The configuration does not resolve: {error}") from error
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def is_multirun() -> bool:
    """Whether the running job is one of a multirun's."""
    return bool(HydraConfig.get().mode == RunMode.MULTIRUN)


def chosen_option(group: str) -> str | None:
    """Return the option that the running job has chosen of a group; None where none is."""
    option = HydraConfig.get().runtime.choices.get(group)
    return None if option is None else str(option)


def launches_in_process() -> bool:
    """Whether a multirun's jobs are run by this machine's own processes."""
    target = str(HydraConfig.get().launcher.get("_target_", ""))
    return "submitit" not in target


def sweep_name() -> str:
    """Return the name of the multirun's folder, which is unique to it."""
    return Path(HydraConfig.get().sweep.dir).name


def _said(error: Exception) -> str:
    """Say what Hydra says, without its search path; of an unknown option, say the nearest."""
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        extra = ' Those of clusters come with pip install "hmtnet[sweep]".'
        more = extra if group == "hydra/launcher" else ""
        return f"Unknown {group} '{name}'.{nearest(name, error.options)}{more}"
    cause = error.__cause__
    if isinstance(cause, (ConfigAttributeError, ConfigKeyError)):  # of Hydra's own settings
        known = map(str, cause.parent_node) if isinstance(cause.parent_node, DictConfig) else ()
        return f"Unknown setting '{cause.full_key}'.{nearest(str(cause.key), known)}"
    return str(error).split("\nConfig search path", maxsplit=1)[0].strip()


class _Plain(logging.Formatter):
    """Lines that a terminal only shows."""

    def format(self, record: logging.LogRecord) -> str:
        """Return what is printed of a record."""
        return printable(super().format(record))


def log_to_stderr() -> None:
    """Show what the package logs, as plain lines on standard error."""
    logger = logging.getLogger("hmtnet")
    if not logger.handlers:
        handler = LogHandler()
        handler.setFormatter(_Plain("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
