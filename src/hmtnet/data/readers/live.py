"""LIVE (release 2): 29 references, 5 distortions, 779 images; DMOS, a lower one is better.

Layout: ``jp2k``, ``jpeg``, ``wn``, ``gblur`` and ``fastfading``, each with ``img1.bmp``,
``img2.bmp``, …; ``refimgs/bikes.bmp``; ``refnames_all.mat`` with the reference of every image, in
the order of these folders, and in the same order ``dmos_realigned.mat`` (``dmos_new``,
``dmos_std``) or ``dmos.mat`` (``dmos``) with the scores. Either says in ``orgs`` which of the 982
images are undistorted copies of a reference; they are not scored and not read.
"""

from pathlib import Path, PurePosixPath

import numpy as np

from hmtnet.data.facts import Facts
from hmtnet.data.labels import FloatArray, Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import child, find_root
from hmtnet.data.readers.matlab import load
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.references import References
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

FACTS = Facts(
    title="LIVE",
    images=779,
    references=29,
    methods=5,
    # The scale is 0 to 100, but the labels are processed z-scores that leave it: the realigned
    # ones go from -2.6 to 111.8.
    range=(-3.0, 112.0),
    higher_is_better=False,
    licence="any purpose, with the copyright notice of The University of Texas at Austin",
    citation=(
        "H. R. Sheikh, M. F. Sabir, A. C. Bovik, A Statistical Evaluation of Recent Full Reference "
        "Image Quality Assessment Algorithms, IEEE Transactions on Image Processing 15(11), 2006"
    ),
    obtained="LIVE is obtained from The University of Texas at Austin (LIVE, release 2).",
    notes=(
        "Its scores are DMOS: a lower one is better. Where both are there, the realigned scores "
        "(dmos_realigned.mat) are read, not those of dmos.mat.",
    ),
)

# The folders in the order of the MATLAB files, with how many images each has.
_FOLDERS = {"jp2k": 227, "jpeg": 233, "wn": 174, "gblur": 174, "fastfading": 174}
_IMAGES = tuple(
    (folder, f"img{number}.bmp")
    for folder, count in _FOLDERS.items()
    for number in range(1, count + 1)
)
_SOURCES = ("refimgs",)
_REALIGNED = "dmos_realigned.mat"
_PLAIN = "dmos.mat"
_REFERENCES = ("refnames_all.mat",)
_HINT = "Images look like jp2k/img1.bmp, references like refimgs/bikes.bmp."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of LIVE (release 2).

    Reference images are optional as a whole.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    folders = {} if settings.labels_only else {name: (name,) for name in _FOLDERS}
    labels = {"labels": (_REALIGNED, _PLAIN), "references": _REFERENCES}
    parts = require(root, FACTS, {**folders, **labels})
    names = _references(parts["references"])
    dmos, stds, undistorted = _scores(root, parts["labels"])

    faults = Faults(root, FACTS, _HINT)
    pristine = References(root, _SOURCES, settings, faults)
    images = {folder: Images(root, parts.get(folder), faults) for folder in _FOLDERS}
    records: list[Record] = []
    for row, (folder, name) in enumerate(_IMAGES):
        image = images[folder].find(name, f"images missing in '{folder}'")
        if undistorted[row]:
            continue
        records.append(
            Record(
                image=f"{folder}/{name}" if settings.labels_only else image,
                mos=float(dmos[row]),
                reference=PurePosixPath(names[row]).stem,
                method=folder,
                reference_image=pristine.find(names[row]),
                mos_std=None if stds is None else float(stds[row]),
            )
        )
    for files in images.values():
        files.check_labelled()
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _references(path: Path) -> list[str]:
    """Return the name of every image's reference, in lower case: one reference, one name."""
    names = [name.lower() for name in load(path).text("refnames_all")]
    _check_length(path, "refnames_all", len(names))
    return names


def _scores(root: Path, path: Path) -> tuple[FloatArray, FloatArray | None, list[bool]]:
    """Return the (982,) scores, their standard deviations if known, and what is undistorted."""
    file = load(path)
    realigned = path.name.lower() == _REALIGNED
    dmos = file.numbers("dmos_new" if realigned else "dmos").ravel()
    stds = file.numbers("dmos_std").ravel() if "dmos_std" in file else None
    plain = child(root, (_PLAIN,))
    flags = load(plain) if "orgs" not in file and plain is not None else file
    undistorted = flags.numbers("orgs").ravel()
    for name, values in (("scores", dmos), ("dmos_std", stds), ("orgs", undistorted)):
        if values is not None:
            _check_length(path, name, values.size)
    return dmos, stds, np.asarray(undistorted, dtype=bool).tolist()


def _check_length(path: Path, what: str, length: int) -> None:
    if length != len(_IMAGES):
        raise DataError(
            f"'{path}' has {length} {what}; expected {len(_IMAGES)}, one for each image of "
            f"{', '.join(f'{name} ({count})' for name, count in _FOLDERS.items())}. Copy it anew "
            f"from the dataset. {FACTS.obtained}"
        )


READER = Reader(read, FACTS)
