"""A set that ``hmtnet synthesize`` has made: its ``labels.csv``, pseudo-MOS in [0, 1], 1 = best.

The reference is what a photograph shows, so crops of one photograph are one content. The same
folder can be read as ``qads``, which takes every crop for a content of its own.
"""

from dataclasses import replace
from typing import Any

from hmtnet.data.labels import Labels
from hmtnet.data.readers import table
from hmtnet.data.readers.reader import Reader
from hmtnet.data.settings import DataSettings

FIXED: dict[str, Any] = {
    "table": "labels.csv",
    "range": (0.0, 1.0),
    "direction": "higher",
    "label_kind": "pseudo",
}


def read(settings: DataSettings) -> Labels:
    """Read a synthesised set.

    Raises:
        SettingsError: A setting contradicts what a synthesised set is.
        DataError: The folder or an image is missing, or the table is malformed.
    """
    settings.refuse_other_than(FIXED)
    return table.read(replace(settings, **FIXED))


READER = Reader(read)
