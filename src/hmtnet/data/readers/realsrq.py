"""RealSRQ: 60 real scenes, 10 SR methods, ×2 ×3 ×4 = 1620 images, Bradley-Terry scores.

Layout: ``Buildings_SR/Buildings_LR2_SR/001/Buildings_001_LR2_AIS.png`` (category, scale, scene,
method), in the dataset's folder or in ``SR_results``. The photographs ``Buildings_001_HR.png`` are
optional, anywhere in ``HR_LR_pairs`` or ``pristine``. The labels are read from

* the published tables ``RealSRQ_LR2_meta.mat``, ``RealSRQ_LR3_meta.mat`` and
  ``RealSRQ_LR4_meta.mat``: those that lie in the folder are joined, and ``data.table`` names a
  single one, whose stored experiments are then kept (each table has its own);
* without these, the authors' ``subj_BT_score.mat``: ``score_matrix`` has one row per scene, in
  order of category and number, and one column per version, in order of scale and (without letter
  case) method.
  The file does not say this itself; it is how public uses of the dataset read it.
"""

import math
import re

import numpy as np

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import child
from hmtnet.data.readers.lines import Label, once_each
from hmtnet.data.readers.matlab import MatFile, load
from hmtnet.data.readers.published import find_source, published_in
from hmtnet.data.readers.reader import Reader
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

FACTS = Facts(
    title="RealSRQ",
    images=1620,
    references=60,
    methods=10,
    scales={2: 600, 3: 540, 4: 480},
    range=(-10.0, 10.0),
    higher_is_better=True,
    mos=(-4.1601, 0.0, 8.3349),
    licence=(
        "use, copying, modification and distribution for any purpose with its copyright notice "
        "(Ningbo University) and citation"
    ),
    citation=(
        "Q. Jiang, Z. Liu, K. Gu, F. Shao, X. Zhang, H. Liu, W. Lin, Single Image Super-Resolution "
        "Quality Assessment: A Real-World Dataset, Subjective Studies, and an Objective Metric, "
        "IEEE Transactions on Image Processing 31, 2022"
    ),
    obtained="RealSRQ is obtained from its authors (Jiang et al., 2022).",
    notes=(
        "A score says how often an image was preferred to the other versions of the same scene at "
        "the same scale; the scores of every such group add up to zero, so that only scores "
        "within a group can be compared.",
        "Bradley-Terry scores have no natural bounds; the range holds all that are known.",
        "The published tables have no number for Buildings_007_LR2_ASDS, Natural_007_LR4_VDSR and "
        "People_007_LR4_VDSR; these three are left out.",
    ),
)

_TABLES = tuple(f"RealSRQ_LR{scale}_meta.mat" for scale in FACTS.scales)
_MATRIX = "subj_BT_score.mat"
_METHODS = {
    2: ("AIS", "Aplus", "ASDS", "BCI", "CSCN", "SPM", "SRCNN", "SRGAN", "USRnet", "VDSR"),
    3: ("AIS", "Aplus", "ASDS", "BCI", "CSCN", "SPM", "SRCNN", "USRnet", "VDSR"),
    4: ("Aplus", "ASDS", "BCI", "CSCN", "SRCNN", "SRGAN", "USRnet", "VDSR"),
}
_CATEGORIES = ("Buildings_SR", "Manmade_SR", "Natural_SR", "People_SR", "Scene_SR", "Text_SR")
_NAME = re.compile(
    r"(?:.*/)?([A-Za-z]+_SR/\w+_LR\d_SR/\d+/([A-Za-z]+_\d+)_LR(\d)_([^/_]+)"
    r"\.(?:png|bmp|tiff?|webp))",
    re.IGNORECASE | re.ASCII,
)
_HINT = (
    "Image names look like Buildings_SR/Buildings_LR2_SR/001/Buildings_001_LR2_AIS.png (category, "
    "scale, scene, method)."
)


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of RealSRQ.

    Images without a label are a fault only where the tables of all scales are read.

    Args:
        settings: ``table`` may name one of the published tables, or the authors' file.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS))
    root, path = find_source(settings, FACTS)
    wanted: dict[str, tuple[str, ...]] = {}
    if not settings.labels_only:
        wanted["images"] = (*_CATEGORIES, "SR_results")
    if path is None:
        wanted["labels"] = (*_TABLES, _MATRIX)
    parts = require(root, FACTS, wanted)
    if path is None:
        present = [found for name in _TABLES if (found := child(root, [name])) is not None]
        files = [load(found) for found in present or [parts["labels"]]]
    else:
        files = [load(path)]
    tables = [published_in(file) if "im_names" in file else None for file in files]

    faults = Faults(root, FACTS, _HINT)
    folder = parts.get("images")
    if folder is not None and folder.name.lower() != "sr_results":
        folder = root
    images = Images(root, folder, faults, within=_CATEGORIES)
    sources = None if settings.labels_only else child(root, ("HR_LR_pairs", "pristine"))
    pristine = Images(root, sources, faults, flat=True)
    records: list[Record] = []
    left_out: list[str] = []
    shown: list[dict[str, str]] = [{} for _ in tables]
    for file, table, references in zip(files, tables, shown, strict=True):
        for label in once_each(_own_labels(file) if table is None else table.labels, faults):
            match = _NAME.fullmatch(label.name)
            if match is None:
                faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
                continue
            name, reference, scale, method = match.groups()
            image = images.find(name)
            if math.isnan(label.mos):
                left_out.append(f"{image} (no number in the labels)")
                continue
            source = None
            if sources is not None:
                what = f"scenes without an image in '{sources.name}'"
                source = pristine.find(f"{reference}_HR", what)
            references[label.name] = reference
            records.append(
                Record(
                    image=image,
                    mos=label.mos,
                    reference=reference,
                    method=method,
                    scale=int(scale),
                    reference_image=source,
                )
            )
    if {record.scale for record in records} == set(FACTS.scales):
        images.check_labelled()
    faults.check()
    published = [
        table.published(list(references), list(references.values()))
        for table, references in zip(tables, shown, strict=True)
        if table is not None
    ]
    return labels_of(
        settings,
        FACTS,
        root,
        records,
        left_out=left_out,
        published=published[0] if len(published) == 1 else None,
    )


def _own_labels(file: MatFile) -> list[Label]:
    """Take the labels out of the authors' own file.

    Raises:
        DataError: There is no matrix of scores, it has another size, or the scores of a scene at a
            scale do not add up to zero, as Bradley-Terry scores do.
    """
    matrix = file.numbers("score_matrix")
    scenes = [(c.removesuffix("_SR"), number) for c in _CATEGORIES for number in range(1, 11)]
    versions = [(scale, method) for scale, methods in _METHODS.items() for method in methods]
    scales = np.array([scale for scale, _ in versions])
    if matrix.shape != (len(scenes), len(versions)) or any(
        np.abs(np.nansum(matrix[:, scales == scale], axis=1)).max() > 1e-6 for scale in _METHODS
    ):
        raise DataError(
            f"'{file.path}': expected a 'score_matrix' of {len(scenes)} scenes x {len(versions)} "
            "versions in which the scores of a scene at a scale add up to zero; found one of shape "
            f"{matrix.shape}. Copy it anew, or use the published tables."
        )
    labels = []
    for row, (category, number) in enumerate(scenes):
        for column, (scale, method) in enumerate(versions):
            folder = f"{category}_SR/{category}_LR{scale}_SR/{number:03d}"
            name = f"{folder}/{category}_{number:03d}_LR{scale}_{method}.png"
            where = f"row {row + 1} column {column + 1}"
            labels.append(Label(name, float(matrix[row, column]), where))
    return labels


READER = Reader(read, FACTS)
