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
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import child, contents, find_root
from hmtnet.data.readers.lines import Label, once_each
from hmtnet.data.readers.matlab import load
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
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

_NAMES, _MOS, _STD = "AllImages_release", "AllMOS_release", "AllStdDev_release"
_TRAINING = re.compile(r"t\d+\.\w+", re.IGNORECASE | re.ASCII)
_HINT = "Images look like Images/3.bmp, training images like Images/trainingImages/t1.bmp."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of LIVE Challenge.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    wanted = {} if settings.labels_only else {"images": ("Images",)}
    parts = require(root, FACTS, {**wanted, "data": ("Data",)})

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, parts.get("images"), faults, lossy=True)
    labels, std_of = _read_data(parts["data"])
    records = [
        Record(image=images.find(label.name), mos=label.mos, mos_std=std_of[label.where])
        for label in once_each(labels, faults)
        if not _is_training(label)
    ]
    for label in filter(_is_training, labels):
        practice = f"trainingImages/{label.name}"
        if images.has(practice):
            images.find(practice)
    images.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _is_training(label: Label) -> bool:
    return _TRAINING.fullmatch(label.name) is not None


def _read_data(folder: Path) -> tuple[list[Label], dict[str, float]]:
    """Return the labels, and their standard deviations by where the label stands."""
    paths = {name: child(folder, (f"{name}.mat",)) for name in (_NAMES, _MOS, _STD)}
    found = {name: load(path) for name, path in paths.items() if path is not None}
    missing = [f"{name}.mat" for name in paths if name not in found]
    if missing:
        raise DataError(
            f"'{folder}' lacks {listed(missing)}; {contents(folder)}. Copy it anew. "
            f"{FACTS.obtained}"
        )
    names = found[_NAMES].text(_NAMES)
    mos, stds = (found[name].numbers(name).ravel().tolist() for name in (_MOS, _STD))
    if not len(names) == len(mos) == len(stds):
        raise DataError(
            f"The files of '{folder}' contradict each other: {len(names)} names, {len(mos)} scores "
            f"and {len(stds)} standard deviations. Copy them anew. {FACTS.obtained}"
        )
    labels = [
        Label(name, score, f"entry {number}")
        for number, (name, score) in enumerate(zip(names, mos, strict=True), 1)
    ]
    return labels, {label.where: std for label, std in zip(labels, stds, strict=True)}


READER = Reader(read, FACTS)
