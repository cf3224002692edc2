"""Peak memory of scoring: it grows neither with the number of images nor beyond the image itself.

A tiny untrained HMTNet is left as an artifact and scores noise, each case in a process of its own,
whose peak is counted from where it stands after a first image that fills one group of tiles. An
image is measured in bytes of its pixels, height × width × 3.

    python benchmarks/scoring.py
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from measuring.memory import RETURNS_MEMORY, fresh_peak, peak
from PIL import Image

SMALL, LARGE = (384, 512), (3072, 4096)  # height, width
MOST_BY_SIZE = 6  # times its own bytes that a large image may add, itself included
SLACK = 16 * 2**20  # bytes that an allocator takes or keeps as it likes
MOST_BY_COUNT = 1.1  # times as much memory for many images as for one


@dataclass(frozen=True)
class Case:
    """Images to score: how many, of which height and width, with or without maps."""

    count: int
    size: tuple[int, int]
    maps: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of the pixels of one image."""
        return 3 * self.size[0] * self.size[1]

    def __str__(self) -> str:
        maps = ", with maps" if self.maps else ""
        return f"{self.count} × {self.size[1]}×{self.size[0]}{maps}"


def leave_artifact(folder: Path) -> None:
    """Save an untrained HMTNet as a finished stage leaves one."""
    from measuring.untrained import Untrained

    from hmtnet.models.backbone import BackboneSettings
    from hmtnet.models.hmtnet.grading import GradingSettings
    from hmtnet.models.hmtnet.settings import HMTNetSettings, JointStageSettings
    from hmtnet.models.hmtnet.sfen import SFENSettings

    backbone = BackboneSettings(widths=(4, 8, 8))
    network = HMTNetSettings(
        grading=GradingSettings(encoder=backbone), sfen=SFENSettings(backbone=backbone)
    )
    Untrained.of("hmtnet", "joint", JointStageSettings(network=network)).save(folder)


def score(folder: Path, case: Case) -> None:
    """Score a case in this process; print the memory it added, in bytes, and its seconds."""
    import torch

    from hmtnet.scoring.scorer import Scorer

    torch.set_num_threads(1)
    scorer = Scorer(folder / "run", device="cpu")
    scorer(np.zeros((16 * 96, 96, 3), dtype=np.uint8), maps=case.maps)  # a whole group of tiles

    def again() -> Iterator[Path]:
        for _ in range(case.count):
            yield folder / f"{case.size[0]}.png"

    before, start = fresh_peak(), time.perf_counter()
    for _ in scorer.many(again(), maps=case.maps):
        pass
    print(peak() - before, time.perf_counter() - start)


def measure(folder: Path, case: Case) -> int:
    """Score a case in a process of its own, print its line, and return the bytes it added."""
    words = [str(case.count), *map(str, case.size), str(int(case.maps))]
    command = [sys.executable, __file__, "--case", str(folder), *words]
    environment = os.environ | RETURNS_MEMORY
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    added, seconds = (float(word) for word in done.stdout.split())
    print(
        f"  {case!s:<28}{added / 2**20:8.0f} MiB  {added / case.bytes:6.1f} images"
        f"  {seconds / case.count:7.2f} s an image",
        flush=True,
    )
    return int(added)


def main() -> None:
    """Measure, print, and fail where memory grows."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=50, help="how many small images")
    parser.add_argument("--large", type=int, default=3, help="how many large images")
    parser.add_argument("--case", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        count, height, width, maps = map(int, given.case[1:])
        score(Path(given.case[0]), Case(count, (height, width), bool(maps)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        leave_artifact(folder / "run")
        random = np.random.default_rng(0)
        for height, width in (SMALL, LARGE):
            pixels = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{height}.png")
        print("memory that scoring adds, in MiB and in bytes of one image's pixels")
        small = measure(folder, Case(1, SMALL))
        small_many = measure(folder, Case(given.images, SMALL))
        large = measure(folder, Case(1, LARGE))
        large_many = measure(folder, Case(given.large, LARGE))
        measure(folder, Case(1, LARGE, maps=True))
    by_size = (large - small) / Case(1, LARGE).bytes
    print(f"  {given.images} small images for 1: {ratio(small_many, small):.2f} × the memory")
    print(f"  {given.large} large images for 1: {ratio(large_many, large):.2f} × the memory")
    print(f"  a large image for a small one: {by_size:.1f} × its own bytes more")
    if by_size > MOST_BY_SIZE or ratio(large_many, large) > MOST_BY_COUNT:
        raise SystemExit("Memory grows more than it may.")
    if small_many - small > SLACK:
        raise SystemExit("Memory grows with the number of images.")


def ratio(many: int, one: int) -> float:
    """Divide, where a case may add less memory than the process had at hand anyway."""
    return max(many, SLACK) / max(one, SLACK)


if __name__ == "__main__":
    main()
