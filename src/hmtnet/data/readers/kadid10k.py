"""KADID-10k: 81 references × 25 distortions × 5 levels = 10,125 images, scores in [1, 5], 5 = best.

Layout: ``images/I01_03_05.png`` (reference, distortion, level), the references ``images/I01.png``
beside them, and ``dmos.csv`` with the columns ``dist_img``, ``ref_img``, ``dmos`` and ``var``.
Two names mislead: the score is called DMOS, but a higher one means better quality, and ``var`` is
no variance, but the standard deviation of 30 ratings.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.readers.assemble import Faults, Images
from hmtnet.data.readers.layout import Layout, Table
from hmtnet.data.readers.lines import Label
from hmtnet.data.readers.reader import Reader

FACTS = Facts(
    title="KADID-10k",
    images=10_125,
    references=81,
    methods=25,
    range=(1.0, 5.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "H. Lin, V. Hosu, D. Saupe, KADID-10k: A Large-scale Artificially Distorted IQA Database, "
        "International Conference on Quality of Multimedia Experience (QoMEX), 2019"
    ),
    obtained="KADID-10k is obtained from the University of Konstanz (Lin et al., 2019).",
    notes=(
        "Its scores are called DMOS, but 5 is the best and 1 the worst quality.",
        "Its column var is the standard deviation of an image's 30 ratings, not their variance: "
        "no 30 ratings have the mean 4.57 and the variance 0.496, as the first row would say.",
    ),
)

# By their numbers in the image names, from 1.
DISTORTIONS = (
    *("Gaussian blur", "lens blur", "motion blur"),
    *("color diffusion", "color shift", "color quantization"),
    *("color saturation 1", "color saturation 2", "JPEG2000", "JPEG"),
    *("white noise", "white noise in color component", "impulse noise", "multiplicative noise"),
    *("denoise", "brighten", "darken", "mean shift", "jitter", "non-eccentricity patch"),
    *("pixelate", "quantization", "color block", "high sharpen", "contrast change"),
)


def _check_reference(label: Label, images: Images, faults: Faults) -> bool:
    """Note a label that names the reference of another image."""
    named = label.others["ref_img"]
    if named.lower().rpartition(".")[0] != label.name.lower().partition("_")[0]:
        faults.add(
            "labels that name the reference of another image",
            f"{label.where}: {label.name} of {named!r}",
        )
    return True


LAYOUT = Layout(
    facts=FACTS,
    images=("images",),
    labels=(
        Table(files=("dmos.csv",), image="dist_img", others=("ref_img",), mos="dmos", std="var"),
    ),
    name=re.compile(
        r"(?P<reference>I\d\d)_(?P<method>\d\d)_\d\d\.(?:png|bmp|tiff?|webp)",
        re.IGNORECASE | re.ASCII,
    ),
    methods={f"{number:02d}": name for number, name in enumerate(DISTORTIONS, 1)},
    spell_reference=str.upper,
    reference_image="{reference}",
    accept=_check_reference,
    hint=(
        "Image names look like I01_03_05.png (reference, distortion 01 to 25, level), label lines "
        "like 'I01_03_05.png,I01.png,2.1,0.58'."
    ),
)
READER = Reader(LAYOUT.read, FACTS)
