"""Readers: one file a dataset layout, looked up by name.

A reader is a function from ``DataSettings`` to a ``Manifest``. It follows the official layout and
either returns every image of the folder or raises one ``DataError``. Other packages add theirs by
an entry point in the group ``hmtnet.datasets``: ``name = "package.module:function"``.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from hmtnet.data.manifest import Manifest
from hmtnet.data.settings import DataSettings
from hmtnet.errors import SettingsError, nearest

GROUP = "hmtnet.datasets"

Reader = Callable[[DataSettings], Manifest]

_OWN = {
    "demo": "hmtnet.data.readers.demo:read",
    "qads": "hmtnet.data.readers.qads:read",
    "table": "hmtnet.data.readers.table:read",
}


def readers() -> dict[str, EntryPoint]:
    """Return all readers by name, not yet imported; a package cannot replace one of ours."""
    added = {point.name: point for point in entry_points(group=GROUP)}
    return added | {name: EntryPoint(name, value, GROUP) for name, value in _OWN.items()}


def read(settings: DataSettings) -> Manifest:
    """Read a dataset with the reader that ``settings.reader`` names.

    Raises:
        SettingsError: No such reader, or a setting contradicts what the reader fixes.
        DataError: The folder, an image or a label is missing or wrong.
    """
    known = readers()
    if settings.reader not in known:
        raise SettingsError(
            f"Unknown reader 'data.reader={settings.reader}'.{nearest(settings.reader, known)}"
        )
    reader: Reader = known[settings.reader].load()
    return reader(settings)
