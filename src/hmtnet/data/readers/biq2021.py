"""BIQ2021: 12,000 photographs with authentic distortions, MOS in [0, 1], 1 = best.

Layout: ``Images/ss01 (12).jpg`` (part, number) and the official split as two tables,
``Train (Images and MOS).csv`` and ``Test (Images and MOS).csv``, with the columns ``Image Name``
and ``MOS``. Other tables of the folder are not read: ``Train.csv`` and ``Test.csv`` hold an earlier
scaling of the scores, which leaves [0, 1].
"""

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Official

FACTS = Facts(
    title="BIQ2021",
    images=12_000,
    range=(0.0, 1.0),
    higher_is_better=True,
    subsets={"train": 10_000, "test": 2_000},
    licence="none stated; its article calls it freely available for use and benchmarking",
    citation=(
        "N. Ahmed, S. Asif, BIQ2021: A Large-Scale Blind Image Quality Assessment Database, "
        "Journal of Electronic Imaging 31(5), 053010, 2022"
    ),
    obtained="BIQ2021 is obtained from its authors (Ahmed and Asif, 2022).",
    notes=(
        "The official split repeats scenes: of 679 official test images in two of its parts, 287 "
        "have a near duplicate in the training list, so results on it are too good.",
    ),
)

_SUBSETS: tuple[Official, ...] = ("train", "test")
LAYOUT = Layout(
    facts=FACTS,
    images=("Images",),
    lossy=True,
    labels=tuple(
        Table(
            files=(f"{subset.title()} (Images and MOS).csv",),
            image="Image Name",
            mos="MOS",
            official=subset,
        )
        for subset in _SUBSETS
    ),
    hint="Images look like 'Images/ss01 (12).jpg', label lines like 'ss01 (12).jpg,0.2089,,'.",
)
READER = Reader(LAYOUT.read, FACTS)
