"""Which sizes a system comes in: ``conf/size/<system>/<size>.yaml``."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from hmtnet.errors import SettingsError, listed


def check_size(folders: Sequence[Path]) -> None:
    """Refuse a job whose system does not come in the size that was chosen.

    Hydra takes such a file as optional: of a multirun over systems it first composes the default
    system in the chosen size, though no job may be of that kind.

    Args:
        folders: Folders of configuration, ours and other packages'.

    Raises:
        SettingsError: There is no file for both; the sizes that there are, and the systems that
            come in this size, are named.
    """
    choices = HydraConfig.get().runtime.choices
    system, size = str(choices["system"]), str(choices["size"])
    files = [path for folder in folders for path in (folder / "size").glob("*/*.yaml")]
    sizes = sorted({path.stem for path in files if path.parent.name == system})
    if size in sizes:
        return
    others = sorted({path.parent.name for path in files if path.stem == size})
    why = "It is for peers: their networks and recipes as their authors published them. "
    raise SettingsError(
        f"System '{system}' does not come in size={size}. {why if size == 'published' else ''}"
        f"Sizes of '{system}': {listed(sizes) or 'none'}; systems that come in size={size}: "
        f"{listed(others, 12) or 'none'}."
    )
