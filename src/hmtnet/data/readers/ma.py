"""MA: 30 references × 9 SR methods × 6 scales = 1620 images, MOS 0 to 10, 10 = best.

Also called CVIU-17 and SRIQAD. Layout: ``Bicubic/sf2/sigma0.8/187058.png`` (method, scale, sigma of
the blur before down-sampling, reference), in the dataset's folder or in ``SRimages``, and
``sr_metric_data.mat``, which is in circulation as two different files; the reader tells them apart
by their variables:

* the authors' own: ``SR_image_names``, and ``subject_scores_mean40`` with one column per
  method; the columns put below each other are in the order of the names;
* the published experiment table: ``im_names``, ``subjective_scores`` and stored permutations.

Either may lie in the folder or be named by ``data.table``. Reference images are optional: a folder
``Ref`` of the BSD originals, such as ``187058.jpg``.
"""

import re

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
from hmtnet.errors import DataError, listed

FACTS = Facts(
    title="MA",
    images=1620,
    references=30,
    methods=9,
    scales={2: 270, 3: 270, 4: 270, 5: 270, 6: 270, 8: 270},
    range=(0.0, 10.0),
    higher_is_better=True,
    mos=(0.075, 4.8358, 9.85),
    licence="as granted by its authors",
    citation=(
        "C. Ma, C.-Y. Yang, X. Yang, M.-H. Yang, Learning a No-Reference Quality Metric for "
        "Single-Image Super-Resolution, Computer Vision and Image Understanding 158, 2017"
    ),
    obtained="MA is obtained from its authors (Ma et al., 2017).",
    notes=(
        "All 30 images of Shan08 at x3 have a MOS of 0.075 to 1.375 (mean 0.41), between means of "
        "7.38 at x2 and 3.71 at x4. They are kept; results should be given with and without them.",
    ),
)

_LABELS = ("sr_metric_data.mat", "sr_metric_data")
_IMAGES = ("Bicubic", "SRimages", "SR_images")
_SOURCES = ("Ref", "Reference", "References", "GroundTruth", "Ground truth")
_NAME = re.compile(
    r"(?:.*/)?(([^/]+)/sf(\d+)/sigma[\d.]+/([^/]+)\.(?:png|bmp|tiff?|webp))",
    re.IGNORECASE | re.ASCII,
)
_HINT = "Image names look like Bicubic/sf2/sigma0.8/187058.png (method, scale, sigma, reference)."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of MA.

    Args:
        settings: ``table`` may name either kind of ``sr_metric_data.mat``.

    Raises:
        DataError: Anything missing, left over, repeated or malformed; everything is listed at once.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS))
    root, path = find_source(settings, FACTS)
    wanted: dict[str, tuple[str, ...]] = {} if settings.labels_only else {"images": _IMAGES}
    parts = require(root, FACTS, wanted if path is not None else wanted | {"labels": _LABELS})
    if path is None:
        found = parts["labels"]
        path = found / _LABELS[0] if found.is_dir() else found
    file = load(path)
    table = published_in(file) if "im_names" in file else None

    faults = Faults(root, FACTS, _HINT)
    matches: list[tuple[Label, re.Match[str]]] = []
    for label in once_each(_own_labels(file) if table is None else table.labels, faults):
        match = _NAME.fullmatch(label.name)
        if match is None:
            faults.add("malformed names in the labels", f"{label.where}: {label.name!r}")
        else:
            matches.append((label, match))
    folder = parts.get("images")
    if folder is not None and folder.name.lower() == _IMAGES[0].lower():
        folder = root
    images = Images(root, folder, faults, within={match[2] for _, match in matches})
    sources = None if settings.labels_only else child(root, _SOURCES)
    pristine = Images(root, sources, faults, lossy=True)
    records = [
        Record(
            image=images.find(match[1]),
            mos=label.mos,
            reference=match[4],
            method=match[2],
            scale=int(match[3]),
            reference_image=None
            if sources is None
            else pristine.find(match[4], f"references without an image in '{sources.name}'"),
        )
        for label, match in matches
    ]
    images.check_labelled()
    faults.check()
    published = None
    if table is not None:
        published = table.published(
            [label.name for label, _ in matches], [match[4] for _, match in matches]
        )
    return labels_of(settings, FACTS, root, records, published=published)


def _own_labels(file: MatFile) -> list[Label]:
    """Take the labels out of the authors' own file.

    Raises:
        DataError: A variable is missing, or the scores are not one column per method of the names.
    """
    names = [name.replace("\\", "/") for name in file.text("SR_image_names")]
    scores = file.numbers("subject_scores_mean40")
    rows = len(scores) if scores.ndim == 2 else 0
    methods = [
        {name.split("/")[-4:][0] for name in names[start : start + rows]}
        for start in range(0, scores.size if rows else 0, rows or 1)
    ]
    if not methods or scores.size != len(names) or any(len(column) != 1 for column in methods):
        raise DataError(
            f"'{file.path}' contradicts itself: expected a column of scores for every SR method; "
            f"found scores of shape {scores.shape} for {len(names)} names, the first column with "
            f"{listed(sorted(methods[0]) if methods else [])}. Copy it anew."
        )
    pairs = zip(names, scores.ravel(order="F").tolist(), strict=True)
    return [Label(name, score, f"row {row}") for row, (name, score) in enumerate(pairs, 1)]


READER = Reader(read, FACTS)
