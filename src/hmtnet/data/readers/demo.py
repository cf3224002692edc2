"""The demo set: built on first use from photographs that scikit-image carries."""

from dataclasses import replace

from hmtnet.data import demo
from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers import qads
from hmtnet.data.readers.assemble import fixed
from hmtnet.data.readers.reader import Reader
from hmtnet.data.settings import DataSettings

FACTS = Facts(
    title="demo",
    images=432,
    references=12,
    methods=12,
    scales={2: 144, 3: 144, 4: 144},
    range=qads.FACTS.range,
    higher_is_better=True,
    label_kind="pseudo",
    licence="each photograph's own; see README.txt in the set's folder",
    citation="van der Walt et al., scikit-image, PeerJ 2:e453, 2014",
    obtained="It is built on first use.",
)


def read(settings: DataSettings) -> Labels:
    """Build the demo set if need be, and read it; its scores are pseudo-MOS, never human.

    Raises:
        SettingsError: A setting contradicts the demo set's fixed folder, range or label kind.
    """
    settings.refuse_other_than(fixed(FACTS, name="demo", root=None, table=None))
    made = demo.ensure().absolute()
    labels = qads.read(
        replace(settings, reader="qads", name="demo", root=str(made), label_kind="pseudo")
    )
    return replace(
        labels,
        licence=settings.licence or FACTS.licence,
        citation=settings.citation or FACTS.citation,
        facts=FACTS,
    )


READER = Reader(read, FACTS)
