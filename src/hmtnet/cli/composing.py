"""Hydra at the edge: overrides in, plain values out."""

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

import hmtnet
from hmtnet.errors import HmtnetError, SettingsError, listed

log = logging.getLogger(__name__)

Job = Callable[[dict[str, Any]], float]

MULTIRUN = ("-m", "--multirun")

# key=value, where the key is a path of names; no sign in front.
PLAIN_OVERRIDE = re.compile(r"^(?P<key>[A-Za-z_][\w.]*)=(?P<value>.*)$", re.DOTALL)


def conf_folder() -> Path:
    """Return the folder of the configuration: of the checkout, else of the installed package."""
    package = Path(hmtnet.__file__).parent
    for folder in (package.parents[1] / "conf", package / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise SettingsError(f"No configuration beside {package}: reinstall hmtnet.")


def run_composed(root: str, arguments: Sequence[str], job: Job, more: Sequence[Path] = ()) -> None:
    """Compose ``conf/<root>.yaml`` with overrides and run ``job``, once or as a multirun.

    Args:
        root: Name of the composed root.
        arguments: Hydra's command line: overrides and flags such as ``-m``.
        job: Gets the resolved values, returns the objective (for a sweeper that searches).
        more: Folders of configuration that a plugin of Hydra's adds to ours.

    Raises:
        SettingsError: Hydra cannot compose what is asked for.
    """
    log_to_stderr()
    folder = conf_folder()
    # Hydra's parser takes overrides in one piece only, so a flag amidst them goes to the front.
    ordered = sorted(arguments, key=lambda word: word not in MULTIRUN)
    words = [_override_or_add(word, (folder, *more)) for word in ordered]
    command_line = sys.argv
    failure: list[Exception] = []
    begun = False

    def with_values(config: DictConfig) -> float:
        nonlocal begun
        begun = True
        # Lightning starts the other processes of a multi-device run by this process's own words.
        sys.argv = command_line
        try:
            return job(_resolved(config))
        except Exception as error:
            if is_multirun():
                _tell(error)
                raise
            failure.append(error)
            return math.nan

    # Hydra then raises what went wrong instead of printing it and leaving.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv = [f"hmtnet {root}", *words]
    try:
        hydra.main(config_path=str(folder), config_name=root, version_base="1.3")(with_values)()
    except (HydraException, OmegaConfBaseException) as error:
        raise SettingsError(_first_lines(error)) from error
    except (YAMLError, UnicodeDecodeError, RecursionError) as error:
        if begun:
            raise
        raise SettingsError(
            f"A file of the configuration cannot be read: {' '.join(str(error).split())}. Write "
            "plain YAML in UTF-8: text, numbers, lists and mappings."
        ) from error
    finally:
        sys.argv = command_line
    if failure:
        raise failure[0]


def _tell(error: Exception) -> None:
    """Say which job has failed: Hydra goes on with the others, and in the end names only one."""
    words = " ".join(word.removeprefix("++") for word in HydraConfig.get().overrides.task)
    defect = not isinstance(error, HmtnetError)
    log.error("Failed, and the others go on: %s\n  %s", words, error, exc_info=defect)


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


def launches_in_process() -> bool:
    """Whether a multirun's jobs are run by this machine's own processes."""
    target = str(HydraConfig.get().launcher.get("_target_", ""))
    return "submitit" not in target


def sweep_name() -> str:
    """Return the name of the multirun's folder, which is unique to it."""
    return Path(HydraConfig.get().sweep.dir).name


def _override_or_add(word: str, folders: Sequence[Path]) -> str:
    """Let a plain ``key=value`` through to our own door.

    Hydra refuses keys that a mapping does not list yet, also where any key is allowed
    (``data.columns={image: name}``), and its message knows no nearest name. With ``++`` it sets the
    key in any case, and the typed settings then accept it or say what was probably meant.

    Raises:
        SettingsError: A group is given no option, which Hydra answers with a defect.
    """
    match = PLAIN_OVERRIDE.match(word)
    if match is None:
        return word
    key = match["key"]
    if "." not in key and any((folder / key).is_dir() for folder in folders):
        if match["value"] in ("", "null"):
            found = (path for folder in folders for path in (folder / key).glob("*.yaml"))
            options = sorted({path.stem for path in found})
            known = listed(options, 12)
            raise SettingsError(f"'{word}' chooses nothing. Give {key}=<one of {known}>.")
        return word
    return word if key.startswith("hydra.") else f"++{word}"


def _first_lines(error: Exception) -> str:
    """Keep Hydra's message without its search path."""
    return str(error).split("\nConfig search path", maxsplit=1)[0].strip()


def log_to_stderr() -> None:
    """Show what the package logs, as plain lines on standard error."""
    logger = logging.getLogger("hmtnet")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False
