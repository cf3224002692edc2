"""Start-up of `hmtnet score`, and its images per second beside timm's plain forward.

What judging costs at several sizes is measured by `hmtnet benchmark`. Here three photographs are
scored by the command, in a process of its own, as a person would; and a model's scoring of one
image takes turns with one plain forward of its backbone, as timm makes it, over the same tiles.
The ratio says what views, grading, score heads and tiling add to a backbone.

    python benchmarks/throughput.py --megapixels 0.2 2
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import timm
import torch
from measuring.clock import Clock
from measuring.noise import make_pixels
from PIL import Image
from skimage import data

from hmtnet.models.backbone import BackboneSettings
from hmtnet.scoring.scorer import Scorer
from hmtnet.scoring.tiles import Tiles

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea")


def start_up(model: str, folder: Path) -> Iterator[tuple[str, float]]:
    """Score three photographs by the command; yield what was reached, after how many seconds."""
    for name in PHOTOGRAPHS:
        Image.fromarray(getattr(data, name)()).save(folder / f"{name}.png")
    words = [sys.executable, "-m", "hmtnet", "score", folder, "--model", model, "--format", "csv"]
    start = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for number, _ in enumerate(process.stdout):
            if number == 1:  # behind the header
                yield "first score", time.perf_counter() - start
    yield "all three, and the end", time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"hmtnet score has failed with {process.returncode}.")


def backbone_of(settings: object) -> BackboneSettings:
    """Find the first backbone among nested settings."""
    if isinstance(settings, BackboneSettings):
        return settings
    found = (backbone_of(inner) for inner in getattr(settings, "__dict__", {}).values())
    return next((one for one in found if one.name), BackboneSettings(name=""))


def beside_timm(scorer: Scorer, megapixels: float, repeats: int) -> tuple[float, float]:
    """Return the seconds of scoring an image, and those of a plain forward over its tiles."""
    pixels = make_pixels(megapixels)
    name = backbone_of(scorer.restored.settings).name
    plain = timm.create_model(name, num_classes=0).eval().to(scorer.device)
    tiles = Tiles(pixels, scorer.restored.settings.crops, None, scorer.device, scorer.batch_tiles)

    @torch.inference_mode()
    def forward() -> None:
        for _, crops in tiles.groups():
            plain(crops.pixels)

    judged, forwarded = Clock(scorer.device, repeats).seconds(
        lambda: scorer(pixels, maps=False), forward
    )
    return judged, forwarded


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="hmtnet-lite")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.2, 2.0])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    print(f"{os.cpu_count()} CPU cores, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        for what, seconds in start_up(given.model, Path(folder)):
            print(f"  {what:<24}{seconds:8.1f} s after the start")
    scorer = Scorer(given.model)
    name = backbone_of(scorer.restored.settings).name
    for size in given.megapixels:
        judged, forwarded = beside_timm(scorer, size, given.repeats)
        print(
            f"  {size:6g} megapixels: {1 / judged:8.2f} images/s; timm's {name}, plain forward: "
            f"{1 / forwarded:8.2f}; ratio {forwarded / judged:.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
