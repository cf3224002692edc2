"""LIVE Challenge: 1,162 photographs taken with mobile devices, MOS in [0, 100], 100 = best.

Layout: ``Images/3.bmp`` (bmp and JPG mixed), ``Images/trainingImages/t1.bmp`` and the MATLAB files
``Data/AllImages_release.mat``, ``AllMOS_release.mat`` and ``AllStdDev_release.mat``, which list the
names, the scores and their standard deviations in one order. The seven training images, on which
the raters practised, stand first in these files; they are not among the 1,162 scored images of the
study and are not read.
"""

import re
from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.readers.assemble import Faults, Images
from hmtnet.data.readers.folder import child, contents
from hmtnet.data.readers.layout import Layout
from hmtnet.data.readers.lines import Label
from hmtnet.data.readers.matlab import load
from hmtnet.data.readers.reader import Reader
from hmtnet.errors import DataError, listed

FACTS = Facts(
    title="LIVE Challenge",
    images=1_162,
    range=(0.0, 100.0),
    higher_is_better=True,
    licence="any purpose, with the copyright notice of The University of Texas at Austin",
    citation=(
        "D. Ghadiyaram, A. C. Bovik, Massive Online Crowdsourced Study of Subjective and Objective "
        "Picture Quality, IEEE Transactions on Image Processing 25(1), 2016"
    ),
    obtained="LIVE Challenge is obtained from The University of Texas at Austin (LIVE).",
    notes=("Seven training images of the study have scores too; they are not read.",),
)

_TRAINING = re.compile(r"t\d+\.\w+", re.IGNORECASE | re.ASCII)


class _Release:
    """The folder of MATLAB files."""

    files = ("Data",)

    def read(self, path: Path, faults: Faults) -> list[Label]:
        """See ``LabelFile``."""
        wanted = ("AllImages_release", "AllMOS_release", "AllStdDev_release")
        paths = {name: child(path, (f"{name}.mat",)) for name in wanted}
        missing = [f"{name}.mat" for name, file in paths.items() if file is None]
        if missing:
            raise DataError(
                f"'{path}' lacks {listed(missing)}; {contents(path)}. Copy it anew. "
                f"{FACTS.obtained}"
            )
        found = {name: load(file) for name, file in paths.items() if file is not None}
        names = found[wanted[0]].text(wanted[0])
        mos, stds = (found[name].numbers(name).ravel().tolist() for name in wanted[1:])
        if not len(names) == len(mos) == len(stds):
            raise DataError(
                f"The files of '{path}' contradict each other: {len(names)} names, {len(mos)} "
                f"scores and {len(stds)} standard deviations. Copy them anew. {FACTS.obtained}"
            )
        return [
            Label(name, score, f"entry {number}", std=std)
            for number, (name, score, std) in enumerate(zip(names, mos, stds, strict=True), 1)
        ]


def _is_scored(label: Label, images: Images, faults: Faults) -> bool:
    """Return whether it is one of the scored images; training images need not be there."""
    if _TRAINING.fullmatch(label.name) is None:
        return True
    practice = f"trainingImages/{label.name}"
    if images.has(practice):
        images.find(practice)
    return False


LAYOUT = Layout(
    facts=FACTS,
    images=("Images",),
    lossy=True,
    labels=(_Release(),),
    accept=_is_scored,
    hint="Images look like Images/3.bmp, training images like Images/trainingImages/t1.bmp.",
)
READER = Reader(LAYOUT.read, FACTS)
