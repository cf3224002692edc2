"""The configuration of systems that other packages add: their ``conf/`` joins Hydra's search path.

A package keeps ``conf/system/<name>.yaml``, and where a size means something else for the system
``conf/size/<name>/<size>.yaml``, beside the module that its entry point in the group
``hmtnet.systems`` names. Nothing is imported to find them, so a
broken package breaks its own system only; and they come after ours, so they replace none.
"""

from collections.abc import Sequence
from importlib.metadata import EntryPoint
from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from hmtnet.errors import SettingsError
from hmtnet.models.system import added_systems, package_of
from hmtnet.storage.key import find_source


class PackagesSearchPath(SearchPathPlugin):
    """Appends the folders of configuration that other packages bring."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Append them."""
        for folder in folders():
            search_path.append("hmtnet.systems", f"file://{folder}")


def join_search_path() -> None:
    """Let Hydra ask ``PackagesSearchPath`` whenever it composes in this process."""
    Plugins.instance().register(PackagesSearchPath)


def folders() -> list[Path]:
    """Return the folders of configuration that other packages bring."""
    found = {_conf_of(point) for point in added_systems().values()}
    return sorted(folder for folder in found if folder is not None)


def check_configured(words: Sequence[str]) -> None:
    """Refuse ``system=<name>`` where a package adds that system without a configuration.

    Hydra would only say that it finds none, and not whose fault that is.

    Args:
        words: Hydra's command line.

    Raises:
        SettingsError: A chosen system has none; names the package, and where it was looked for.
    """
    added = added_systems()
    for word in words:
        key, _, value = word.partition("=")
        for name in value.split(",") if key == "system" else ():
            if name in added and not _is_configured(name, added[name]):
                raise SettingsError(
                    f"System '{name}' of the package '{package_of(added[name])}' has no "
                    f"configuration: expected conf/system/{name}.yaml beside its module "
                    f"{added[name].module}. Repair, update or uninstall that package."
                )


def _is_configured(name: str, point: EntryPoint) -> bool:
    folder = _conf_of(point)
    return folder is not None and (folder / "system" / f"{name}.yaml").is_file()


def _conf_of(point: EntryPoint) -> Path | None:
    """Return the folder ``conf`` beside the module that an entry point names, if there is one."""
    source = find_source(point.module)
    if source is None or not (source.parent / "conf").is_dir():
        return None
    return source.parent / "conf"
