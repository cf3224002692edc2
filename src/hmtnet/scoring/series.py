"""Many image files scored one after another, whatever some of them are like."""

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hmtnet.artifact.table import is_utf8
from hmtnet.data.digests import DIGEST_LENGTH
from hmtnet.data.images import Pixels, decode
from hmtnet.errors import DataError, listed
from hmtnet.files import digest_file, digest_text
from hmtnet.scoring.listing import SUFFIXES, Listed
from hmtnet.scoring.score_table import Failure, Row
from hmtnet.scoring.scorer import Scorer
from hmtnet.scoring.verdict import Verdict

T = TypeVar("T")
R = TypeVar("R")

OnJudged = Callable[[str, Pixels, Verdict], None]
"""What is told of each image that is judged anew, before its row: name, pixels and verdict."""

_NO_MEMORY = "it needs more memory than there is. Crop it, or leave out the maps."


@dataclass(frozen=True)
class _Opened:
    """An image on its way, decoded."""

    image: Listed
    digest: str
    pixels: Pixels
    reference: Pixels | None


class Series:
    """Scores image files one by one, and decodes the next one meanwhile.

    An image never shares a forward pass with another one, so that its score does not depend on
    which files it came with.

    Args:
        scorer: What judges.
        model: How the rows name it.
        kept: Rows by image: one that has the digests of image and model is taken as it is.
        maps: Folder of a picture per image, named like the image with ``.png`` behind; None for no
            pictures.
        references: Folder of the reference images, which have the same path below it as the image
            below the folder that was given, with any suffix of an image. For a stage that needs
            them.
        scale: The images' scale factor, by which sides may differ from their references'.
        see: Told of each image that is judged.
        with_maps: Whether it is told the maps too.
    """

    def __init__(
        self,
        scorer: Scorer,
        model: str,
        kept: Mapping[str, Row],
        maps: Path | None = None,
        references: Path | None = None,
        scale: float | None = None,
        see: OnJudged | None = None,
        with_maps: bool = False,
    ) -> None:
        self._scorer = scorer
        self._model = model
        self._kept = kept
        self._maps = maps
        self._references = references
        self._scale = scale
        self._see = see
        self._with_maps = with_maps

    def score(self, images: Iterable[Listed]) -> Iterator[Row | Failure]:
        """Score each image, or say why it has no score.

        Yields:
            One row or failure per image, in the order given.

        Raises:
            DataError: A picture cannot be written.
        """
        for opened in _one_ahead(self._open, images):
            yield opened if isinstance(opened, (Row, Failure)) else self._judge(opened)

    def _open(self, image: Listed) -> _Opened | Row | Failure:
        """Read an image, unless a row of it is kept; runs in another thread."""
        name = image.name
        if not is_utf8(name) or "\n" in name or "\r" in name:
            return Failure(ascii(name), "its name is no UTF-8 text of one line. Rename the file.")
        try:
            reference = self._reference_of(image)
            digest = digest_file(image.path)[:DIGEST_LENGTH]
            if reference is not None:
                parts = f"{digest} {digest_file(reference)} {self._scale}"
                digest = digest_text(parts, DIGEST_LENGTH)
            row = self._kept.get(name)
            drawn = self._maps is None or self._picture(image, self._maps).exists()
            same = (digest, self._scorer.restored.digest)
            if row is not None and drawn and (row.image_digest, row.model_digest) == same:
                return row
            pristine = None if reference is None else decode(reference)
            return _Opened(image, digest, decode(image.path), pristine)
        except DataError as error:
            return Failure(name, str(error))
        except MemoryError:
            return Failure(name, _NO_MEMORY)
        except OSError as error:
            return Failure(name, f"it cannot be read ({error.strerror}).")

    def _judge(self, opened: _Opened) -> Row | Failure:
        image, drawing = opened.image, self._maps is not None or self._with_maps
        try:
            verdict = self._scorer(opened.pixels, drawing, opened.reference, self._scale)
        except DataError as error:
            return Failure(image.name, str(error))
        except (MemoryError, RuntimeError) as error:  # torch has several for want of memory
            if isinstance(error, RuntimeError) and "memory" not in str(error):
                raise
            return Failure(image.name, _NO_MEMORY)
        layout = verdict.layout  # of the part that an image has in common with its reference
        pixels = opened.pixels[: layout.height, : layout.width]
        if self._maps is not None:
            self._draw(image, pixels, verdict, self._picture(image, self._maps))
        if self._see is not None:
            self._see(image.name, pixels, verdict)
        return self._row(image, opened.digest, verdict)

    def _row(self, image: Listed, digest: str, verdict: Verdict) -> Row:
        grade = verdict.grade
        return Row(
            image=image.name,
            score=verdict.score,
            unit_score=verdict.unit_score,
            grade=grade,
            grade_probability=None if grade is None else float(verdict.probabilities[grade - 1]),
            width=verdict.layout.width,
            height=verdict.layout.height,
            seen=verdict.layout.seen,
            predicts=f"{verdict.label}, {verdict.unit}",
            model=self._model,
            model_digest=self._scorer.restored.digest,
            image_digest=digest,
            tile_spread=verdict.tile_spread,
            interval_low=None if verdict.interval is None else verdict.interval[0],
            interval_high=None if verdict.interval is None else verdict.interval[1],
            outside="; ".join(verdict.outside),
        )

    def _reference_of(self, image: Listed) -> Path | None:
        if self._references is None:
            return None
        place = self._references / image.inner
        found = [
            path
            for path in sorted(place.parent.glob(f"{glob.escape(place.stem)}.*"))
            if path.suffix.lower() in SUFFIXES
        ]
        if len(found) != 1:
            what = f"several references ({listed(found)})" if found else "no reference"
            raise DataError(
                f"there is {what} {place.with_suffix('.*')}. A reference has the name of its image."
            )
        return found[0]

    def _draw(self, image: Listed, pixels: Pixels, verdict: Verdict, path: Path) -> None:
        from hmtnet.scoring.pictures import verdict_picture  # brings matplotlib

        try:
            verdict_picture(pixels, verdict, path, title=image.inner.as_posix())
        except OSError as error:
            raise DataError(
                f"The picture {path} cannot be written: {error}. Give another folder, or make room."
            ) from error

    def _picture(self, image: Listed, maps: Path) -> Path:
        return maps / image.inner.with_name(f"{image.inner.name}.png")


def check_pictures(images: Iterable[Listed], maps: Path) -> None:
    """Refuse images whose pictures would have one name.

    Raises:
        DataError: Some would; two of them are named.
    """
    first: dict[Path, Listed] = {}
    for image in images:
        other = first.setdefault(image.inner, image)
        if other is not image:
            raise DataError(
                f"The pictures of {other.path} and {image.path} would both be "
                f"{maps / image.inner}.png. Give the folder that holds both, or score them apart."
            )


def _one_ahead(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Apply a function to each item in another thread, which is one item ahead and no more."""
    with ThreadPoolExecutor(1) as pool:
        before: Future[R] | None = None
        for item in items:
            coming = pool.submit(function, item)
            if before is not None:
                yield before.result()
            before = coming
        if before is not None:
            yield before.result()
