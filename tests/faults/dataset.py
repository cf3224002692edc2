"""A dataset that changes while a stage is interrupted: never is a result of before passed on."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.faults.judge import Verdict, judge, refusal, wrong
from tests.faults.scene import Base, Case, Scene
from tests.faults.tiny import STAGES

LABELS = "mos_with_names.txt"
IMAGES = "super-resolved_images"
ONE, OTHER = "img03_2_01.png", "img04_4_02.png"


def cases(base: Base) -> Iterator[Case]:
    """Yield the cases of a system."""
    for change in (label, pixel, swapped, added, taken_out, renamed, lost, bit):
        happen = partial(changed, change=change)
        yield Case("dataset changed", base.system, change.__name__.replace("_", " "), happen)


def label(root: Path) -> None:
    """Change one score."""
    lines = (root / LABELS).read_text().splitlines(keepends=True)
    lines[9] = f"0.{(int(lines[9][2:6]) + 1000) % 10000:04d}{lines[9][6:]}"
    (root / LABELS).write_text("".join(lines))


def pixel(root: Path) -> None:
    """Change one pixel of one image."""
    path = root / IMAGES / ONE
    pixels = np.array(Image.open(path))
    pixels[30, 30] ^= 128
    Image.fromarray(pixels).save(path)


def swapped(root: Path) -> None:
    """Exchange two images; their times stay."""
    one, other, aside = (root / IMAGES / name for name in (ONE, OTHER, "aside.png"))
    for source, target in ((one, aside), (other, one), (aside, other)):
        source.rename(target)


def added(root: Path) -> None:
    """Add an image and its score."""
    shutil.copyfile(root / IMAGES / ONE, root / IMAGES / "img03_2_03.png")
    with (root / LABELS).open("a") as labels:
        labels.write("0.4321 img03_2_03.png\n")


def taken_out(root: Path) -> None:
    """Take out an image and its score."""
    lines = (root / LABELS).read_text().splitlines(keepends=True)
    (root / LABELS).write_text("".join(line for line in lines if ONE not in line))
    (root / IMAGES / ONE).unlink()


def renamed(root: Path) -> None:
    """Give an image another name, also beside its score."""
    text = (root / LABELS).read_text()
    (root / LABELS).write_text(text.replace(ONE, "img03_2_04.png"))
    (root / IMAGES / ONE).rename(root / IMAGES / "img03_2_04.png")


def lost(root: Path) -> None:
    """Lose an image that has a score."""
    (root / IMAGES / ONE).unlink()


def bit(root: Path) -> None:
    """Change one bit of an image; its size and time stay."""
    path = root / IMAGES / ONE
    before = path.stat()
    with path.open("r+b") as stream:
        stream.seek(before.st_size // 2)
        byte = stream.read(1)[0]
        stream.seek(before.st_size // 2)
        stream.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def changed(scene: Scene, change: Callable[[Path], None]) -> Verdict:
    """Resume on a changed dataset, and compare with runs that have never known another."""
    scene.having(scene.base.interrupted(STAGES[scene.base.system][-1]))
    change(scene.own_data())
    ended = scene.run()
    shutil.rmtree(scene.home)
    runs, scene.runs = scene.runs, scene.folder / "anew"
    anew = scene.run()
    told = refusal(ended, ONE, LABELS)
    if told is not None:
        return told
    if anew.code != 0:
        return wrong(f"accepted in passing, but refused from the start: {anew.last_line}")
    return judge(ended, runs, scene.runs, clean=False)
