"""Waterloo interpolated images (WIND): 13 references × 8 methods × 3 factors = 312, scores 0 to 10.

Layout: ``factor2/1/1.bmp`` (factor, reference, method) and ``rakningScores.xlsx`` (spelled so). The
sheet has no header that names its cells. What the reader takes for its structure, and refuses a
sheet that has another:

* the cells D to K of two successive rows belong to one reference: above the numbers of its eight
  images in some order, below the score of each;
* such pairs follow each other for the references 1, 2, … of one factor;
* rows of another kind part the three blocks, which are of factors 2, 4 and 8.

Other images in the folders are not looked at, and which of them the references are is not known.
"""

from pathlib import Path

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.readers.assemble import Faults, Images, fixed, labels_of, require
from hmtnet.data.readers.folder import find_root
from hmtnet.data.readers.lines import number_in
from hmtnet.data.readers.reader import Reader
from hmtnet.data.readers.sheets import first_sheet
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError

FACTS = Facts(
    title="Waterloo (WIND)",
    images=312,
    references=13,
    methods=8,
    scales={2: 104, 4: 104, 8: 104},
    range=(0.0, 10.0),
    higher_is_better=True,
    licence="as granted by its authors",
    citation=(
        "H. Yeganeh, M. Rostami, Z. Wang, Objective Quality Assessment of Interpolated Natural "
        "Images, IEEE Transactions on Image Processing 24(11), 2015"
    ),
    obtained="The Waterloo interpolated images are obtained from their authors (Yeganeh, 2015).",
    notes=(
        "The dataset does not say which method has which number.",
        "The sheet of scores does not say itself which factor a block is of, nor that a higher "
        "score is better; both are as public uses of the dataset take them.",
    ),
)

_SCALES = tuple(FACTS.scales)
_IMAGES = 8
_FIRST = 3  # column D
_HINT = "Image names look like factor2/1/1.bmp (factor, reference, method)."


def read(settings: DataSettings) -> Labels:
    """Read a folder in the layout of the Waterloo interpolated images.

    Raises:
        DataError: An image is missing, or the sheet of scores has another structure.
        SettingsError: A setting contradicts the layout.
    """
    settings.refuse_other_than(fixed(FACTS, table=None))
    root = find_root(settings, FACTS.obtained)
    factors = [f"factor{scale}" for scale in _SCALES]
    wanted: dict[str, tuple[str, ...]] = {"labels": ("rakningScores.xlsx", "rankingScores.xlsx")}
    if not settings.labels_only:
        wanted |= {factor: (factor,) for factor in factors}
    parts = require(root, FACTS, wanted)

    faults = Faults(root, FACTS, _HINT)
    images = Images(root, None if settings.labels_only else root, faults, within=factors)
    records = [
        Record(
            image=images.find(f"factor{scale}/{reference}/{method}.bmp"),
            mos=score,
            reference=str(reference),
            method=str(method),
            scale=scale,
        )
        for scale, block in zip(_SCALES, _blocks(parts["labels"]), strict=True)
        for reference, scores in enumerate(block, 1)
        for method, score in sorted(scores.items())
    ]
    faults.check()
    return labels_of(settings, FACTS, root, records)


def _blocks(path: Path) -> list[list[dict[int, float]]]:
    """Return, of each factor and reference, the scores by number of the image.

    Raises:
        DataError: The sheet cannot be read, or has another structure.
    """
    blocks: list[list[dict[int, float]]] = []
    numbers: list[int] | None = None
    going_on = False
    _, rows = first_sheet(path)
    for cells in rows:
        found = [number_in(str(cell)) for cell in cells[_FIRST : _FIRST + _IMAGES]]
        row = [number for number in found if number is not None]
        if numbers is not None:
            if len(row) != _IMAGES:
                raise _unexpected(path, f"no {_IMAGES} scores below the numbers {numbers}")
            blocks[-1].append(dict(zip(numbers, row, strict=True)))
            numbers = None
        elif sorted(row) == list(range(1, _IMAGES + 1)):
            if not going_on:
                blocks.append([])
            numbers, going_on = [int(number) for number in row], True
        else:
            going_on = False
    sizes = [len(block) for block in blocks]
    if numbers is not None or len(sizes) != len(_SCALES) or len(set(sizes)) != 1:
        raise _unexpected(path, f"blocks of {sizes} references")
    return blocks


def _unexpected(path: Path, found: str) -> DataError:
    return DataError(
        f"'{path}' has another structure than the reader knows: expected three blocks, of factors "
        "2, 4 and 8, with two rows per reference, in columns D to K the numbers of its images and "
        f"below them their scores; found {found}. Copy it anew, or make a CSV and use data=table."
    )


READER = Reader(read, FACTS)
