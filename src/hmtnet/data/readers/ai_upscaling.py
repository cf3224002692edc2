"""AVT AI upscaling: 136 photographs × (source, 5 upscalers × 2 factors) = 1,496, MOS 1 to 5.

Layout: ``mos.csv`` (``stimuli_file``, ``mos``, ``std`` and further columns) and the images that it
names, such as ``stimuli/BSRGAN/x2/01_IMG_9678_BSRGANx2.png`` (upscaler, factor, photograph). What
KXNet (``_``) and BSRGAN append to the photograph's name is not part of it; the names of some
photographs end in ``_`` themselves. The sources are scored too.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import Row

FACTS = Facts(
    title="AVT AI upscaling",
    images=1496,
    references=136,
    methods=6,
    scales={1: 136, 2: 680, 4: 680},
    range=(1.0, 5.0),
    higher_is_better=True,
    licence="GPL-3.0 (repository)",
    citation=(
        "S. Göring, R. Merten, A. Raake, Appeal prediction for AI up-scaled Images, IEEE "
        "International Symposium on Multimedia (ISM), 2024"
    ),
    obtained="AVT AI upscaling is obtained from its authors (Göring et al., 2024).",
    notes=("The source photographs count as a method, src_images_1080 at ×1.",),
)


def _name(row: Row) -> str:
    return str(row["stimuli_file"] or "").removeprefix("./").removeprefix("stimuli/")


LAYOUT = Layout(
    facts=FACTS,
    images=("stimuli",),
    labels=(Table(files=("mos.csv",), image="stimuli_file", name=_name, mos="mos", std="std"),),
    name=re.compile(
        r"(?P<method>(KXNet)|(BSRGAN)|[^/]+)/x(?P<scale>\d)/"
        r"(?P<reference>[^/]+?)(?(2)_|(?(3)_BSRGAN(?:x2)?))\.png"
    ),
    hint="Image names look like ./stimuli/KXNet/x4/01_IMG_9678_.png (upscaler, factor, photo).",
)
READER = Reader(LAYOUT.read, FACTS)
