"""The demo set: built on first use from photographs that scikit-image carries."""

from dataclasses import replace

from hmtnet.data import demo
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers import qads
from hmtnet.data.settings import DataSettings


def read(settings: DataSettings) -> Manifest:
    """Build the demo set if need be, and read it; its scores are pseudo-MOS, never human.

    Raises:
        SettingsError: A setting contradicts the demo set's fixed folder, range or label kind.
    """
    settings.refuse_other_than(
        {"name": "demo", "root": None, "label_kind": "pseudo", "range": qads.RANGE}
        | {"direction": "higher", "table": None, "images": None, "columns": None}
    )
    return qads.read(
        replace(
            settings,
            name="demo",
            root=str(demo.ensure().absolute()),
            label_kind="pseudo",
            licence=settings.licence or "each photograph's own; see README.txt in the set's folder",
            citation=settings.citation or "van der Walt et al., scikit-image, PeerJ 2:e453, 2014",
        )
    )
