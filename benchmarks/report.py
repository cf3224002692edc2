"""How long a report takes, and how much memory, on run directories that are made up here.

Each image has a true quality, made of its content, SR method and scale, and of how these meet. The
MOS is that quality with the noise of human scores; a system sees the quality through noise of its
own, a part of which is the same for all images of a content. Nothing else is put in, so the order
of the systems in the report must be the order of their noise.

    python benchmarks/report.py                          10 splits × 7 systems × 1000 images
    python benchmarks/report.py --splits 72              504 runs
    python benchmarks/report.py --keep runs --pictures   keep the runs, with thumbnails
"""

import argparse
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.artifact.predictions import Predictions
from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.experiment.machine import peak_memory
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.render.write import write_report
from hmtnet.storage import status as run_status
from hmtnet.storage.status import Status

Floats = npt.NDArray[np.float64]

METHODS = (
    "bicubic",
    "A+",
    "SRCNN",
    "VDSR",
    "EDSR",
    "SRGAN",
    "ESRGAN",
    "SwinIR",
    "RealESRGAN",
    "LIIF",
)
SCALES = (2, 3, 4, 6, 8)
GRADES = 5


@dataclass(frozen=True)
class System:
    """A system: its names, one setting, and the noise through which it sees quality."""

    name: str
    stage: str
    rate: float
    noise: float
    grades: bool


SYSTEMS = (
    System("hmtnet", "grading", 1e-4, 0.085, True),
    System("hmtnet", "sfen", 1e-4, 0.055, True),
    System("hmtnet", "joint", 1e-4, 0.045, True),
    System("hmtnet", "joint", 3e-4, 0.050, True),
    System("plain", "quality", 1e-4, 0.070, False),
    System("pmt", "quality", 1e-4, 0.060, True),
    System("cnniqa", "quality", 1e-3, 0.120, False),
)


@dataclass(frozen=True)
class World:
    """Images, what they show, how they were made, and how good they are (0 to 1)."""

    image: list[str]
    reference: npt.NDArray[np.int64]
    method: npt.NDArray[np.int64]
    scale: npt.NDArray[np.int64]
    quality: Floats
    mos: Floats


def make_world(images: int, references: int, seed: int = 0) -> World:
    """Draw a dataset: every reference with every method and scale, as far as images go."""
    random = np.random.default_rng(seed)
    row = np.arange(images)
    reference = row % references
    method = row // references % len(METHODS)
    scale = row // (references * len(METHODS)) % len(SCALES)
    skill = np.linspace(-0.2, 0.2, len(METHODS))
    loss = np.linspace(0.18, -0.22, len(SCALES))
    content = random.normal(0, 0.05, references)
    meeting = random.normal(0, 0.05, (references, len(METHODS)))
    quality = 0.5 + skill[method] + loss[scale] + content[reference] + meeting[reference, method]
    quality += random.normal(0, 0.02, images)
    quality = 1 / (1 + np.exp(-5 * (quality - 0.5)))
    mos = np.clip(quality + random.normal(0, 0.02, images), 0, 1)
    names = [
        f"images/{r + 1:02d}_{METHODS[m]}_x{SCALES[s]}_{i:04d}.png"
        for i, (r, m, s) in enumerate(zip(reference, method, scale, strict=True))
    ]
    return World(names, reference, method, scale, quality, mos)


def subsets_of(world: World, split: int, folds: int) -> list[str]:
    """Deal references 60/20/20, or into folds."""
    references = int(world.reference.max()) + 1
    order = np.random.default_rng(0 if folds else 100 + split).permutation(references)
    if folds:
        part = np.empty(references, dtype=np.int64)
        part[order] = np.arange(references) % folds
        names = {split: "test", (split + 1) % folds: "val"}
        return [names.get(int(part[r]), "train") for r in world.reference]
    place = np.argsort(order) / references
    return [
        "train" if place[r] < 0.6 else "val" if place[r] < 0.8 else "test" for r in world.reference
    ]


def predict(world: World, system: System, subsets: list[str], seed: int) -> Predictions:
    """See the quality through a system's noise."""
    random = np.random.default_rng(seed)
    shared = random.normal(0, system.noise / 2, int(world.reference.max()) + 1)
    score = world.quality + shared[world.reference]
    score = np.clip(score + random.normal(0, system.noise, len(world.mos)), 0, 1)
    centres = (np.arange(GRADES) + 0.5) / GRADES
    logits = -(((score[:, None] - centres) / (1.5 * system.noise + 0.05)) ** 2)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    true = np.minimum((world.mos * GRADES).astype(np.int64), GRADES - 1)
    none = np.full(len(score), -1, dtype=np.int64)
    return Predictions(
        image=tuple(world.image),
        subset=tuple(subsets),
        mos=world.mos,
        mos_std=np.full(len(score), np.nan),
        score=score,
        grade=p.argmax(axis=1).astype(np.int64) if system.grades else none,
        true_grade=true,
        probabilities=p if system.grades else np.zeros((len(score), 0)),
        reference=tuple(f"{r + 1:02d}" for r in world.reference),
        method=tuple(METHODS[m] for m in world.method),
        scale=tuple(SCALES[s] for s in world.scale),
    )


def write_run(
    runs: Path, world: World, system: System, split: int, folds: int, dataset: str, kind: str
) -> Path:
    """Write one run directory as training does."""
    subsets = subsets_of(world, split, folds)
    digest = hashlib.sha256(" ".join(subsets).encode()).hexdigest()
    tag = f"kfold{folds}-s0-i{split}" if folds else f"content-s{split}"
    identity = f"{system} {split} {digest} {dataset}"
    key = hashlib.sha256(identity.encode()).hexdigest()[:12]
    folder = runs / dataset / f"{tag}-{digest[:8]}" / f"{system.stage}-{key}"
    seed = int(key[:8], 16)
    prediction_files.write(folder / "predictions.csv", predict(world, system, subsets, seed))
    edges = [0.2, 0.4, 0.6, 0.8]
    meta = {
        "system": system.name,
        "stage": system.stage,
        "key": key,
        "settings": {"optimizer": {"lr": system.rate, "name": "adamw"}, "epochs": 20},
        "grades": {"edges_unit": edges, "edges": edges, "rule": "width"},
        "dataset": {
            "name": dataset,
            "fingerprint": hashlib.sha256(dataset.encode()).hexdigest()[:16],
            "label_kind": kind,
            "mos_range": [0.0, 1.0],
            "higher_is_better": True,
            "licence": "",
        },
        "split": {
            "id": folder.parent.name,
            "protocol": "kfold" if folds else "content",
            "variant": f"kfold{folds}" if folds else "content",
            "index": split if folds else None,
            "folds": folds or None,
            "seed": 0 if folds else split,
            "leaky": False,
            "images": {name: subsets.count(name) for name in ("train", "val", "test")},
        },
        "upstream": {},
        "seed": 0,
        "precision": "32-true",
        "debug": None,
        "cost": {
            "parameters": 4_200_000,
            "trained_parameters": 3_100_000,
            "seconds": 610.5 + split,
            "epochs_timed": 20,
            "device": "cpu",
        },
    }
    store.save(folder, {}, meta)
    run_status.write(
        folder / "status.json", Status.begin(system.stage, key, 20).then(state="finished", epoch=20)
    )
    return folder


def write_pictures(world: World, folder: Path) -> None:
    """Write thumbnails: photographs that ship with scikit-image, blurred as bad as they are."""
    from skimage import data, filters, transform

    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    small = [transform.resize(p, (160, 160), anti_aliasing=True) for p in photographs]
    for image, reference, quality in zip(world.image, world.reference, world.quality, strict=True):
        blurred = filters.gaussian(small[reference % 4], 4 * (1 - quality), channel_axis=2)
        pixels = (255 * np.clip(blurred, 0, 1)).astype(np.uint8)
        write_thumbnail(folder / THUMBNAILS / thumbnail_name(image), pixels)


def write_runs(runs: Path, options: argparse.Namespace) -> int:
    """Write all run directories, and return how many there are."""
    world = make_world(options.images, options.references)
    count = 0
    for split in range(options.splits):
        for system in SYSTEMS[: options.systems]:
            folder = write_run(
                runs, world, system, split, options.folds, options.dataset, options.kind
            )
            count += 1
        if options.pictures:
            write_pictures(world, folder.parent)
    return count


def main() -> None:
    """Make runs, report them, and print the time."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--systems", type=int, default=len(SYSTEMS))
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--folds", type=int, default=0, help="k-fold instead of random splits")
    parser.add_argument("--dataset", default="synthetic")
    parser.add_argument("--kind", choices=("pseudo", "human"), default="pseudo")
    parser.add_argument("--pictures", action="store_true", help="write thumbnails too")
    parser.add_argument("--keep", type=Path, help="folder for the runs; else a temporary one")
    options = parser.parse_args()
    if options.folds:
        options.splits = min(options.splits, options.folds)
    with tempfile.TemporaryDirectory() as temporary:
        runs = options.keep or Path(temporary) / "runs"
        count = write_runs(runs, options)
        before, started = peak_memory() or 0, time.perf_counter()
        found = collect([runs])
        read = time.perf_counter()
        report = build_report(found)
        built = time.perf_counter()
        page = write_report(report, runs.parent / "report")
        written, grown = time.perf_counter(), (peak_memory() or 0) - before
        print(
            f"{count} runs of {options.images} images: {written - started:.1f} s in all "
            f"(reading {read - started:.1f}, computing {built - read:.1f}, writing "
            f"{written - built:.1f}), {grown / 2**20:.0f} MiB more of memory; the page has "
            f"{page.stat().st_size / 1e6:.2f} MB"
        )


if __name__ == "__main__":
    main()
