"""What each part of a run costs by the number of images: seconds, and peak memory.

Images are small (noise with the spectrum of photographs, JPEG) and have no references, so that all
of them are searched for near duplicates; some are near duplicates. Two processes start a run one
after the other, as ``hmtnet train`` does up to its first step: the second one finds digests and
duplicates in the cache. Another one reports a run with as many predictions.

    python benchmarks/scale.py                  1,000 and 10,000 images
    python benchmarks/scale.py --sizes 100000   long: all pairs are compared
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
from measuring.memory import peak
from PIL import Image

HEIGHT, WIDTH = 72, 96
REPEATED = 10  # every so many images show the scene of the one before, brighter
TIMED = 10_000  # images of an epoch that are prepared; each takes as long as any other

START = ("imports", "labels", "digests", "near duplicates", "split", "decoding")

Seconds = dict[str, tuple[float, float]]  # by the clock, and of the processor in all threads


def make_set(folder: Path, images: int) -> None:
    """Write images and their table."""
    random = np.random.default_rng(0)
    down, right = np.meshgrid(np.fft.fftfreq(HEIGHT), np.fft.rfftfreq(WIDTH), indexing="ij")
    fall = 1 / np.maximum(np.hypot(down, right), 1 / WIDTH)
    folder.mkdir()
    pixels = np.zeros((HEIGHT, WIDTH, 3))
    with (folder / "scores.csv").open("w") as table:
        table.write("image,mos\n")
        for i in range(images):
            if i % REPEATED:
                noise = np.fft.irfft2(np.fft.rfft2(random.standard_normal((HEIGHT, WIDTH))) * fall)
                grey = 128 + 50 * noise / noise.std()
                pixels = grey[..., None] + random.uniform(-20, 20, 3)
            else:
                pixels = 0.7 * pixels + 40
            name = f"{i:06d}.jpg"
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / name)
            table.write(f"{name},{random.random():.4f}\n")


class Watch:
    """Seconds by what took them."""

    def __init__(self) -> None:
        self.seconds: Seconds = {}

    @contextmanager
    def __call__(self, what: str, share: float = 1) -> Iterator[None]:
        """Time a block that does a share of the work."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.seconds[what] = (
            (time.perf_counter() - clock) / share,
            (time.process_time() - processor) / share,
        )


def start(folder: Path) -> Seconds:
    """Do what a run does before its first step, and then an epoch's input and a step."""
    watch = Watch()
    with watch("imports"):
        from measuring.untrained import Untrained

        from hmtnet.data.datamodule import QualityData
        from hmtnet.data.dominance import tell_dominating
        from hmtnet.data.images import ImageStore
        from hmtnet.data.manifest import Manifest
        from hmtnet.data.protocols import make
        from hmtnet.data.readers import read_labels
        from hmtnet.data.settings import DataSettings
        from hmtnet.data.split import SplitSettings
        from hmtnet.experiment.leaks import check_split, seen
    settings = DataSettings(
        reader="table",
        root=str(folder),
        table="scores.csv",
        label_kind="pseudo",
        range=(0, 1),
        direction="higher",
    )
    with watch("labels"):
        labels = read_labels(settings)
    with watch("digests"):
        manifest = Manifest.of(labels)
        assert manifest.fingerprint
    with watch("near duplicates"):
        assert len(set(manifest.content)) < len(manifest)
    with watch("split"):
        split = make(manifest, SplitSettings(protocol="content"))
        tell_dominating(manifest, split)
        check_split(manifest, split)
        seen(manifest, split)
    with watch("decoding"):
        store = ImageStore(manifest, range(len(manifest)), "auto")
    fit = Untrained.last_of("plain", "tiny")
    crops, size = fit.settings.crops, fit.settings.batch_size
    task = fit.task()
    data = QualityData(manifest, split, store, crops, size, fit.settings.augment)
    loader = data.train_dataloader()
    first = next(iter(loader))
    batches = min(len(loader), TIMED // size)
    with watch("epoch's input", batches / len(loader)):
        for _ in islice(loader, batches):
            pass
    task.training_step(first, 0).backward()
    with watch("epoch's steps", 1 / len(loader)):
        task.training_step(first, 0).backward()
    return watch.seconds


def report(folder: Path, images: int) -> Seconds:
    """Report a run of two systems."""
    from report import SYSTEMS, make_world, write_run

    from hmtnet.report.numbers.build import build_report
    from hmtnet.report.numbers.collect import collect
    from hmtnet.report.render.write import write_report

    world = make_world(images, references=max(20, images // 50))
    for system in SYSTEMS[-2:]:
        write_run(folder / "runs", world, system, 0, 0, "synthetic", "pseudo")
    watch = Watch()
    with watch("report"):
        write_report(build_report(collect([folder / "runs"])), folder / "report")
    return watch.seconds


def measured(what: str, folder: Path, images: int) -> tuple[Seconds, float]:
    """Measure in a process of its own, with a cache of its own; return its peak memory too, MiB."""
    command = [sys.executable, __file__, "--measure", what, str(folder), str(images)]
    environment = os.environ | {"HMTNET_HOME": str(folder / "home")}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


def measure(images: int) -> None:
    """Measure a set of a size, and print its table."""
    print(f"\n{images:,} images of {WIDTH}×{HEIGHT}: seconds, and those of the processor")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_set(folder / "set", images)
        for title in ("first time", "again"):
            seconds, most = measured("start", folder, images)
            sums = zip(*(seconds[part] for part in START), strict=True)
            clock, processor = map(sum, sums)
            show(title, {"start-up": (clock, processor), **seconds}, most)
        show("report", *measured("report", folder, images))


def show(title: str, seconds: Seconds, most: float) -> None:
    """Print what was measured in one process."""
    for part, (clock, processor) in seconds.items():
        print(f"  {title:<12}{part:<18}{clock:10.2f}{processor:10.2f}")
    print(f"  {title:<12}{'peak memory, MiB':<18}{most:10.0f}", flush=True)


def main() -> None:
    """Measure each size, and print a row for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        what, folder, images = given.measure[0], Path(given.measure[1]), int(given.measure[2])
        found = start(folder / "set") if what == "start" else report(folder, images)
        print(json.dumps([found, peak() / 2**20]))
        return
    for images in given.sizes:
        measure(images)


if __name__ == "__main__":
    main()
