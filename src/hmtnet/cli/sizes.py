"""Which sizes a system comes in: all of ``conf/size``, but ``published`` by a file of its own."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from hmtnet.errors import SettingsError, listed

PUBLISHED = "published"


def check_size(folders: Sequence[Path]) -> None:
    """Refuse the published recipe of a system that has none.

    Hydra takes ``conf/size/<system>/<size>.yaml`` as optional, since a system of which a size asks
    nothing special needs none. A recipe that somebody has published must be written down there.

    Args:
        folders: Folders of configuration, ours and other packages'.

    Raises:
        SettingsError: There is no such file; the systems that have one are named.
    """
    choices = HydraConfig.get().runtime.choices
    system, size = str(choices["system"]), str(choices["size"])
    if size != PUBLISHED:
        return
    files = [path for folder in folders for path in folder.glob(f"size/*/{PUBLISHED}.yaml")]
    published = sorted({path.parent.name for path in files})
    if system not in published:
        raise SettingsError(
            f"System '{system}' does not come in size={PUBLISHED}. It is for peers: their networks "
            f"and recipes as their authors published them. Systems that come in size={PUBLISHED}: "
            f"{listed(published, 12) or 'none'}; '{system}' comes in every other size."
        )
