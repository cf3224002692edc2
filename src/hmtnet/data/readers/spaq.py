"""SPAQ: 11,125 photographs taken with smartphones, MOS in [0, 100], 100 = best.

Layout: ``TestImage/00001.jpg`` and ``Annotations/MOS and Image attribute scores.xlsx`` with the
columns ``Image name`` and ``MOS`` among others; the spreadsheet is also found beside the images'
folder.
"""

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.reader import Reader

FACTS = Facts(
    title="SPAQ",
    images=11_125,
    range=(0.0, 100.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "Y. Fang, H. Zhu, Y. Zeng, K. Ma, Z. Wang, Perceptual Quality Assessment of Smartphone "
        "Photography, IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR), 2020"
    ),
    obtained="SPAQ is obtained from its authors (Fang et al., 2020).",
)

LAYOUT = Layout(
    facts=FACTS,
    images=("TestImage",),
    lossy=True,
    labels=(
        Table(
            files=("Annotations", "MOS and Image attribute scores.xlsx"),
            image="Image name",
            mos="MOS",
        ),
    ),
    hint=(
        "Images look like TestImage/00001.jpg, the spreadsheet has the columns Image name and MOS."
    ),
)
READER = Reader(LAYOUT.read, FACTS)
