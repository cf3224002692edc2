"""Scores of many images as one page that needs nothing else: ranked, with pictures and maps."""

import base64
import csv
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hmtnet.artifact.calibration import COVERAGE
from hmtnet.artifact.thumbnails import as_thumbnail
from hmtnet.data.images import Pixels
from hmtnet.errors import DataError, SettingsError
from hmtnet.files import is_folder, parse_json, write_text
from hmtnet.report.render.formats import counted, percent
from hmtnet.report.render.templating import render
from hmtnet.scoring.score_table import Failure, Row, as_csv
from hmtnet.scoring.shading import Scale, grade_scale, reduced, shaded_maps, step_of
from hmtnet.scoring.verdict import Verdict
from hmtnet.settings import build, plain

MOST_WITH_MAPS = 500
"""Images of a page up to which it has maps: each takes some 30 kB, a thumbnail 3 kB."""

THUMBNAIL, PANEL = 96, 256
"""Longer side of a thumbnail, and of what a click on it shows, pixels."""

_MOST_GRADES = 100  # that a page is believed to have
_SHEET = 6  # images of the best, of the worst and of the most disputed above the table
_GENERATOR = "hmtnet score"
_ROWS = "<!-- rows -->\n"
_KEPT = re.compile(r'<tr data-kept="([^"]*)">')
_PICTURE = re.compile(r'src="data:image/webp;base64,([A-Za-z0-9+/=]*)"')


@dataclass(frozen=True)
class MapPicture:
    """A map; ``picture`` is a WebP file in base64."""

    title: str
    hint: str
    scale: Scale
    picture: str = ""


@dataclass(frozen=True)
class Bars:
    """Shares of the named things at each level of a network, from fine to coarse."""

    title: str
    hint: str
    names: tuple[str, ...]
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Shown:
    """What a page shows of an image beside its row.

    Attributes:
        grades: K; 0 of a network without grades.
        thumbnail: A WebP file in base64.
        picture: A larger one, beside the maps; empty without maps.
        maps: Those that have a title.
        levels: What is shared out by level.
    """

    grades: int
    thumbnail: str = ""
    picture: str = ""
    maps: tuple[MapPicture, ...] = ()
    levels: tuple[Bars, ...] = ()


@dataclass(frozen=True)
class Entry:
    """An image of the page."""

    row: Row
    shown: Shown


def shown_of(pixels: Pixels, verdict: Verdict, with_maps: bool = True, panel: int = PANEL) -> Shown:
    """Make the pictures of a judged image.

    Args:
        pixels: (H, W, 3) uint8.
        verdict: What the scorer said of it.
        with_maps: Whether its maps are shown, if it has any.
        panel: Longer side of these, pixels.
    """
    thumbnail = _encoded(pixels, THUMBNAIL)
    if not (with_maps and verdict.maps):
        return Shown(verdict.grades, thumbnail)
    maps = shaded_maps(pixels, verdict, panel).values()
    picture = reduced(pixels, step_of(pixels, panel)).round().astype(np.uint8)  # as large as maps
    levels = {n: s for n, s in verdict.styles.items() if s.kind == "levels" and s.title}
    return Shown(
        verdict.grades,
        thumbnail,
        _encoded(picture, panel),
        tuple(MapPicture(m.title, m.hint, m.scale, _encoded(m.pixels, panel)) for m in maps),
        tuple(
            Bars(s.title, s.hint, s.names, tuple(map(tuple, verdict.maps[n].round(3).tolist())))
            for n, s in levels.items()
        ),
    )


class ScorePage:
    """A page of scores that grows image by image, and is ranked at the end.

    Each image is one line of the file. So what an interrupted command leaves is a page that a
    browser shows, and the same command goes on with it.

    Attributes:
        path: The file; nothing is written before the first row.
        with_maps: Whether it shows maps.
        rows: What it holds, by image.

    Args:
        path: The file.
        model: As it was given.
        card: What is told of it: names, and lines of text.
        images: How many it is going to hold.

    Raises:
        DataError: There is a file that is no such page, or it cannot be read.
    """

    def __init__(
        self, path: Path, model: str, card: Sequence[tuple[str, Sequence[str]]], images: int
    ) -> None:
        self.path = path
        self.with_maps = images <= MOST_WITH_MAPS
        self.rows: dict[str, Row] = {}
        self._model = model
        self._card = card
        self._shown: dict[str, Shown] = {}
        self._tidy = False  # whether a row can be added behind what there is
        if is_folder(path):
            raise DataError(f"--output: {path} is a folder. Give a file, such as {path}/page.html.")
        try:
            self._read(path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, KeyError, csv.Error, SettingsError) as error:
            raise DataError(
                f"{path} holds something else than a page of scores of hmtnet ({error}), and is "
                "left as it is. Give another --output."
            ) from error

    def see(self, image: str, pixels: Pixels, verdict: Verdict) -> None:
        """Take the pictures of an image whose row comes next."""
        self._shown[image] = shown_of(pixels, verdict, self.with_maps)

    def append(self, row: Row) -> None:
        """Add one row, at once and whole.

        Raises:
            DataError: The file cannot be written.
        """
        try:
            if not self._tidy:
                kept = list(self.rows.values())
                write_text(self.path, self._text(kept, (), finished=False))
                self._tidy = True
            with self.path.open("a", encoding="utf-8", newline="") as stream:
                stream.write(self._line(row, len(self.rows) + 1))
        except OSError as error:
            raise self._unwritable(error) from error
        self.rows[row.image] = row

    def finish(self, ranked: Sequence[Row], failures: Sequence[Failure]) -> None:
        """Leave what was asked for, the best first; the file changes whole or not at all.

        Args:
            ranked: Rows that the page holds; without any, nothing is written.
            failures: Images that have no score.

        Raises:
            DataError: The file cannot be written.
        """
        if not ranked:
            return
        try:
            write_text(self.path, self._text(ranked, failures, finished=True))
        except OSError as error:
            raise self._unwritable(error) from error

    def _text(self, rows: Sequence[Row], failures: Sequence[Failure], *, finished: bool) -> str:
        entries = [Entry(row, self._shown[row.image]) for row in rows]
        grades = max((entry.shown.grades for entry in entries), default=0)
        text = render(
            "scores.html.j2",
            generator=_GENERATOR,
            title=f"Scores of {counted(len(rows), 'image')}" if finished else "Scores",
            summary=self._summary(rows, finished),
            failures=failures,
            rows=rows,
            grades=grade_scale(grades) if grades else None,
            card=self._card,
            sheet=_sheet(entries) if finished else (),
            pictured=any(entry.shown.picture for entry in entries),
            intervals=percent(COVERAGE, 0) if any(r.interval_low is not None for r in rows) else "",
        )
        head, tail = text.split(_ROWS)
        lines = [self._line(row, number) for number, row in enumerate(rows, 1)]
        return "".join([head, *lines, tail if finished else ""])

    def _summary(self, rows: Sequence[Row], finished: bool) -> list[str]:
        if not finished:
            return ["Not finished, and not ranked yet: the same command goes on with this page."]
        said = [f"Judged by {self._model}. Score: predicted {rows[0].predicts}."]
        if rows[0].predicts.startswith("pseudo"):
            said.append("The model has learned a formula, not people's scores.")
        if not self.with_maps:
            said.append(
                f"Pages of up to {MOST_WITH_MAPS} images show maps too; --maps writes a picture "
                "per image of any number."
            )
        return said

    def _line(self, row: Row, number: int) -> str:
        shown = self._shown[row.image]
        colours = grade_scale(shown.grades).colours if row.grade is not None else ()
        text = render(
            "score_row.html.j2",
            entry=Entry(row, shown),
            number=number,
            kept=_kept(row, shown),
            colour=colours[row.grade - 1] if row.grade is not None else "",
        )
        return text.replace("\n", "") + "\n"

    def _read(self, data: bytes) -> None:
        text = data[: data.rfind(b"\n") + 1].decode("utf-8")
        if f'<meta name="generator" content="{_GENERATOR}">' not in text[:500]:
            raise ValueError("it was not made by hmtnet score")
        for line in text.split("\n"):
            found = _KEPT.match(line)
            if found:
                row, shown = _read_back(html.unescape(found[1]), _PICTURE.findall(line))
                self.rows[row.image], self._shown[row.image] = row, shown
        self._tidy = data.endswith(b"</tr>\n")

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"{self.path} cannot be written: {error}. Check that its folder is writable and the "
            "disk is not full; the same command goes on."
        )


def _sheet(ranked: Sequence[Entry]) -> list[tuple[str, Sequence[Entry]]]:
    """Return the best and the worst of many images, and those about which tiles disagree most."""
    if len(ranked) <= 2 * _SHEET:
        return []
    spread = [entry for entry in ranked if entry.row.tile_spread]
    disputed = sorted(spread, key=lambda entry: -(entry.row.tile_spread or 0))[:_SHEET]
    sheet = [("The best", ranked[:_SHEET]), ("The worst", ranked[: -_SHEET - 1 : -1])]
    return sheet + ([("The most disputed: their parts differ most", disputed)] if disputed else [])


def _encoded(pixels: Pixels, side: int) -> str:
    return base64.b64encode(as_thumbnail(pixels, side)).decode("ascii")


def _kept(row: Row, shown: Shown) -> str:
    """Return what a line of the page is read back from, beside its pictures."""
    maps = tuple(replace(one, picture="") for one in shown.maps)
    without = replace(shown, thumbnail="", picture="", maps=maps)
    return json.dumps({"row": as_csv([row], header=False), "shown": plain(without)})


def _read_back(kept: str, pictures: Sequence[str]) -> tuple[Row, Shown]:
    """Undo `_kept`; the pictures are in the order in which a row shows them.

    Raises:
        ValueError: Something is missing or makes no sense.
        SettingsError: It is something else.
    """
    found = parse_json(kept)
    row = Row.from_cells(next(csv.reader([found["row"]], strict=True)))
    shown = build(Shown, found["shown"])
    if not (row.grade or 0) <= shown.grades <= _MOST_GRADES or (row.grade or 1) < 1:
        raise ValueError(f"grade {row.grade} of {shown.grades}")
    if not all(0 <= share <= 1 for bars in shown.levels for s in bars.shares for share in s):
        raise ValueError("a share beyond 0 to 1")
    if any(len(shares) != len(bars.names) for bars in shown.levels for shares in bars.shares):
        raise ValueError("shares without a name, or names without a share")
    thumbnail, *larger = pictures
    if len(larger) != (1 + len(shown.maps) if shown.maps or shown.levels else 0):
        raise ValueError("a row lacks pictures")
    pairs = zip(shown.maps, larger[1:], strict=True)
    maps = tuple(replace(one, picture=picture) for one, picture in pairs)
    return row, replace(shown, thumbnail=thumbnail, picture="".join(larger[:1]), maps=maps)
