"""TID2013: 25 references × 24 distortions × 5 levels = 3,000 images, MOS in [0, 9], 9 = best.

Layout: ``distorted_images/I01_03_5.bmp`` (reference, distortion, level),
``reference_images/I01.BMP`` and ``mos_with_names.txt`` with one line ``MOS name`` per image. Names
differ in letter case between files and labels. ``mos_std.txt`` is not read: it has the standard
errors of the MOS, not the standard deviations of the opinions.
"""

import re

from hmtnet.data.facts import Facts
from hmtnet.data.readers.layout import Layout, Lines
from hmtnet.data.readers.reader import Reader

FACTS = Facts(
    title="TID2013",
    images=3_000,
    references=25,
    methods=24,
    range=(0.0, 9.0),
    higher_is_better=True,
    licence="educational and research purposes only, unmodified and with its copyright notice",
    citation=(
        "N. Ponomarenko, L. Jin, O. Ieremeiev, V. Lukin, K. Egiazarian, J. Astola, B. Vozel, "
        "K. Chehdi, M. Carli, F. Battisti, C.-C. Jay Kuo, Image database TID2013: Peculiarities, "
        "results and perspectives, Signal Processing: Image Communication 30, 2015"
    ),
    obtained="TID2013 is obtained from its authors (Ponomarenko et al., 2015).",
    notes=(
        "Reference I25 is an artificial image, the other 24 are photographs.",
        "Its mos_std.txt (about 0.13) has the standard errors of the MOS, not the standard "
        "deviations of the opinions, and is not read.",
    ),
)

# By their numbers in the image names, from 1.
DISTORTIONS = (
    *("additive Gaussian noise", "additive noise in color components"),
    *("spatially correlated noise", "masked noise", "high frequency noise", "impulse noise"),
    *("quantization noise", "Gaussian blur", "image denoising", "JPEG compression"),
    *("JPEG2000 compression", "JPEG transmission errors", "JPEG2000 transmission errors"),
    *("non eccentricity pattern noise", "local block-wise distortions", "mean shift"),
    *("contrast change", "change of color saturation", "multiplicative Gaussian noise"),
    *("comfort noise", "lossy compression of noisy images", "color quantization with dither"),
    *("chromatic aberrations", "sparse sampling and reconstruction"),
)
LAYOUT = Layout(
    facts=FACTS,
    images=("distorted_images",),
    labels=(Lines(files=("mos_with_names.txt",), columns=("mos", "name")),),
    name=re.compile(
        r"(?P<reference>I\d\d)_(?P<method>\d\d)_\d\.(?:bmp|png|tiff?|webp)",
        re.IGNORECASE | re.ASCII,
    ),
    methods={f"{number:02d}": name for number, name in enumerate(DISTORTIONS, 1)},
    spell_reference=str.upper,
    reference_image="{reference}",
    references=("reference_images",),
    hint=(
        "Image names look like I01_03_5.bmp (reference, distortion 01 to 24, level), label lines "
        "like '5.51429 I01_03_5.bmp'."
    ),
)
READER = Reader(LAYOUT.read, FACTS)
