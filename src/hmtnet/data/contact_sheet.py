"""A picture of the groups found, for people who want to look."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from hmtnet.data.duplicates import members
from hmtnet.data.pillow import DAMAGED, opened
from hmtnet.errors import DataError
from hmtnet.files import written_aside

CONTACT_SHEET = "contact_sheet.png"
"""Its name in a set that hmtnet makes; no image of that set."""

THUMBNAIL = 96
"""Largest width and height of an image on the sheet, pixels."""

COLUMNS = 12
"""Images in a row; a larger group goes on in the next row, without a number."""

_MARGIN = 4
_LABEL = 32  # pixels: the number of a group's images, at the left
_PAPER, _INK, _MISSING = (255, 255, 255), (0, 0, 0), (220, 120, 120)


def contact_sheet(
    paths: Sequence[Path], groups: Sequence[str], destination: Path, limit: int = 60
) -> int:
    """Write a PNG that shows the groups of two images or more, one below the other.

    Args:
        paths: (N,) image files. One that cannot be decoded is a red square.
        groups: (N,) one key per image, equal for images of one group.
        destination: The PNG file; it appears whole or not at all.
        limit: How many groups to show at most, the largest first.

    Returns:
        How many groups there are.
    """
    found = list(members(groups))
    rows = [
        (len(group) if start == 0 else None, group[start : start + COLUMNS])
        for group in found[:limit]
        for start in range(0, len(group), COLUMNS)
    ]
    cell = THUMBNAIL + _MARGIN
    widest = max((len(row) for _, row in rows), default=1)
    size = (_LABEL + widest * cell + _MARGIN, max(1, len(rows)) * cell + _MARGIN)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for y, (count, row) in enumerate(rows):
        if count is not None:
            draw.text((_MARGIN, _MARGIN + y * cell), str(count), fill=_INK)
        for x, position in enumerate(row):
            corner = (_LABEL + x * cell, _MARGIN + y * cell)
            sheet.paste(_small(paths[position]), corner)
    with written_aside(destination) as aside:
        sheet.save(aside, format="PNG")
    return len(found)


def _small(path: Path) -> Image.Image:
    try:
        with opened(path) as image:
            image.draft("RGB", (THUMBNAIL, THUMBNAIL))
            small = image.convert("RGB")
    except (*DAMAGED, DataError):
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL), _MISSING)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return small
