"""What Hydra may run: its own plugins and those that are installed, and nothing that is only named.

Hydra makes its launcher, sweeper, callbacks and loggers of whatever ``_target_`` or ``class`` a
configuration names, before a job begins. A word that was copied from somewhere, or a folder of
YAML files, shall not start a program that way.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import hydra._internal.hydra as internals
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from hmtnet.errors import SettingsError, listed

_FLAGS = (
    *("-m", "--multirun", "-h", "--help", "-c", "--cfg", "--resolve", "-p", "--package"),
    *("-i", "--info", "-cd", "--config-dir"),
)
_CALLBACKS = "hydra.experimental."
_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")


def check_flags(words: Sequence[str]) -> None:
    """Refuse flags of Hydra's that hmtnet has no use for; one of them reads a pickle.

    Raises:
        SettingsError: Names them.
    """
    unknown = [word for word in words if word[:1] == "-" and word.partition("=")[0] not in _FLAGS]
    if unknown:
        raise SettingsError(
            f"Unknown flag {listed(unknown)}. Known: {', '.join(_FLAGS)}. A setting that begins "
            "with - is written behind its name, as in seed=-1."
        )


@contextmanager
def plugins_only() -> Iterator[None]:
    """Let Hydra compose nothing, for itself or for a job, that would run something else."""
    # Hydra asks nobody between composing and making what the composed configuration names, so the
    # name is replaced by which it makes its loader.
    names = vars(internals)
    names["ConfigLoaderImpl"] = _CheckedLoader
    try:
        yield
    finally:
        names["ConfigLoaderImpl"] = ConfigLoaderImpl


class _CheckedLoader(ConfigLoaderImpl):
    """Composes as Hydra does."""

    def load_configuration(self, *args: Any, **kwargs: Any) -> DictConfig:
        """Compose.

        Raises:
            SettingsError: Names what would be run.
        """
        config = super().load_configuration(*args, **kwargs)
        known = {f"{one.__module__}.{one.__qualname__}" for one in Plugins.instance().discover()}
        found = OmegaConf.to_container(OmegaConf.select(config, "hydra"), resolve=False)
        foreign = [
            f"hydra.{path}={value}"
            for path, value in _leaves(found, "")
            if _runs(path, str(value)) and not _is_known(path, str(value), known)
        ]
        if foreign:
            raise SettingsError(
                f"{listed(foreign)}: Hydra would run this, and only plugins of Hydra's that are "
                "installed are run. Leave it out."
            )
        return config


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every value inside mappings and lists, with its dotted path."""
    if isinstance(value, (Mapping, list)):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _runs(path: str, value: str) -> bool:
    """Return whether Hydra, or Python's logging, makes an object of what a setting names."""
    name = path.rpartition(".")[2]
    logs = path.startswith(("job_logging.", "hydra_logging."))
    return name == "_target_" or (logs and (name in ("()", "class") or value.startswith("ext:")))


def _is_known(path: str, value: str, plugins: set[str]) -> bool:
    if path.endswith("_target_"):
        return value in plugins or (path.startswith("callbacks.") and value.startswith(_CALLBACKS))
    return value in _STREAMS or (path.endswith(".class") and value.startswith("logging."))
