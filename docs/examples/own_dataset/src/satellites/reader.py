"""Reads ``scores.txt`` with lines ``tile/method/scale.png;score``, scores of 1 to 5, 5 = best.

The pristine tile is ``tile/original.png``.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Lines
from hmtnet.data.readers.reader import Reader

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

LAYOUT = Layout(
    facts=FACTS,
    labels=(Lines(files=("scores.txt",), columns=("name", "mos"), separator=";"),),
    name=re.compile(r"(?P<reference>\w+)/(?P<method>\w+)/x(?P<scale>\d)\.png"),
    reference_image="{reference}/original.png",
    hint="Label lines look like 'lake/bicubic/x2.png;3.5'.",
)
READER = Reader(LAYOUT.read, FACTS)
