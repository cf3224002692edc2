"""CSIQ: 30 references × 6 distortions × 4 or 5 levels = 866 images, DMOS in [0, 1], 0 = best.

Layout: ``dst_imgs/awgn/1600.AWGN.1.png`` (distortion, reference, level), ``src_imgs/1600.png`` and
``csiq.DMOS.xlsx``, whose sheet ``all_by_image`` has, below some free rows, the columns ``image``,
``dst_type``, ``dst_lev``, ``dmos_std`` and ``dmos`` among others.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.readers.csv_rows import text_of
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import Row

FACTS = Facts(
    title="CSIQ",
    images=866,
    references=30,
    methods=6,
    range=(0.0, 1.0),
    higher_is_better=False,
    licence="as granted by its authors",
    citation=(
        "E. C. Larson, D. M. Chandler, Most apparent distortion: full-reference image quality "
        "assessment and the role of strategy, Journal of Electronic Imaging 19(1), 2010"
    ),
    obtained="CSIQ is obtained from its authors (Larson and Chandler, 2010).",
    notes=("Its scores are DMOS: 0 is the best and 1 the worst quality.",),
)

# What the sheet calls a distortion: its folder, and its name in the image names. Here it is called
# as its folder is.
_DISTORTIONS = {
    "noise": ("awgn", "AWGN"),
    "blur": ("blur", "BLUR"),
    "contrast": ("contrast", "contrast"),
    "fnoise": ("fnoise", "fnoise"),
    "jpeg": ("jpeg", "JPEG"),
    "jpeg 2000": ("jpeg2000", "jpeg2000"),
}


def _name(row: Row) -> str:
    """Make the image's name from a row of the sheet; empty where the row does not give it."""
    folder, token = _DISTORTIONS.get(text_of(row["dst_type"]).lower(), ("", ""))
    image, level = text_of(row["image"]), text_of(row["dst_lev"])
    return f"{folder}/{image}.{token}.{level}.png" if folder and image and level else ""


LAYOUT = Layout(
    facts=FACTS,
    images=("dst_imgs",),
    labels=(
        Table(
            files=("csiq.DMOS.xlsx", "csiq.beta.xlsx"),
            sheet="all_by_image",
            image="image",
            others=("dst_type", "dst_lev"),
            name=_name,
            mos="dmos",
            std="dmos_std",
        ),
    ),
    name=re.compile(r"(?P<method>\w+)/(?P<reference>.+)\.\w+\.[^.]+\.png"),
    reference_image="{reference}.png",
    references=("src_imgs",),
    hint=(
        "Images look like dst_imgs/awgn/1600.AWGN.1.png; dst_type in the sheet is one of "
        f"{', '.join(_DISTORTIONS)}."
    ),
)
READER = Reader(LAYOUT.read, FACTS)
