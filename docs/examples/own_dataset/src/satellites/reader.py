"""Reads ``scores.txt`` with lines ``tile/method/scale.png;score``, scores of 1 to 5, 5 = best.

The pristine tile is ``tile/original.png``.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import once_each, read_label_lines
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="Satellites",
    images=4,
    references=2,
    range=(1.0, 5.0),
    higher_is_better=True,
    licence="CC0",
    citation="An example",
    obtained="Satellites is an example; there is nothing to obtain.",
)

_NAME = re.compile(r"(?P<tile>\w+)/(?P<method>\w+)/x(?P<scale>\d)\.png", re.IGNORECASE)


def read(settings: DataSettings) -> Labels:
    """Read a folder in this layout."""
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    labels = require(root, FACTS, {"labels": ["scores.txt"]})["labels"]
    faults = Faults(root, FACTS, "Label lines look like 'lake/bicubic/x2.png;3.5'.")
    images = Images(root, None if settings.labels_only else root, faults)
    records = []
    for label in once_each(read_label_lines(labels, ("name", "mos"), faults, ";"), faults):
        match = _NAME.fullmatch(label.name)
        if match is None:
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
            continue
        tile = match["tile"]
        pristine = images.find(f"{tile}/original.png", "tiles without an original")
        records.append(
            Record(
                image=images.find(label.name),
                mos=label.mos,
                reference=tile,
                method=match["method"],
                scale=int(match["scale"]),
                reference_image=pristine,
            )
        )
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


READER = Reader(read, FACTS)
