"""What a leak of scenes is worth: one predictor, judged on splits by image and by scene.

A dataset of photographs shows scenes more than once. Dealt out image by image, some test images
have a near duplicate in training, whose score is almost theirs. This measures by how much that
raises SRCC, with the simplest predictor that is any good: ridge regression on the features of a
frozen ImageNet network.

    python benchmarks/scene_leak.py --data folder --weights mobilenetv2.safetensors

The folder holds one CSV (columns ``image`` or ``name``, and ``mos``) and the images, beside it or
in a sub-folder ``images``.
"""

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tqdm import tqdm

from hmtnet.data.digests import digest_images
from hmtnet.data.duplicates import content_groups
from hmtnet.metrics.correlation import srcc
from hmtnet.models.backbone import Backbone, BackboneSettings

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

SIDE = 384  # pixels to which a whole image is brought before the network sees it
FRACTIONS = (0.6, 0.2)  # that train and validate; the rest tests
ALPHAS = np.logspace(0, 5, 11)


@dataclass(frozen=True)
class Photographs:
    """Features (N, F), MOS (N,) and scenes (N,), the latter numbered from 0."""

    features: Floats
    mos: Floats
    scene: Rows


@dataclass(frozen=True)
class Subsets:
    """Rows that train, validate and test."""

    train: Rows
    val: Rows
    test: Rows


def read(folder: Path) -> tuple[list[Path], Floats, Rows]:
    """Return image files, their MOS and their scenes."""
    (table,) = folder.glob("*.csv")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    root = folder / "images" if (folder / "images").is_dir() else folder
    names = [row.get("image") or row["name"] for row in rows]
    digests = digest_images(root, names)
    paths = [root / name for name in names]
    groups = content_groups(paths, [digests[name] for name in names])
    scene = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return paths, np.array([float(row["mos"]) for row in rows]), scene


def extract(paths: Sequence[Path], backbone: str, weights: str, batch: int = 16) -> Floats:
    """Return mean and standard deviation of every feature map of a frozen network: (N, F)."""
    network = Backbone(BackboneSettings(name=backbone, weights=weights)).eval()
    found = []
    for start in tqdm(range(0, len(paths), batch), desc="features", unit="batch"):
        pixels = np.stack([_pixels(path) for path in paths[start : start + batch]])
        images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            levels = network(network.normalise(images))
        pooled = [f(level, (2, 3)) for level in levels for f in (torch.mean, torch.std)]
        found.append(torch.cat(pooled, dim=1).double().numpy())
    return np.concatenate(found)


def _pixels(path: Path) -> npt.NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def deal(groups: Rows, seed: int) -> Subsets:
    """Deal out groups at random, until each subset has its share of the images."""
    order = np.random.default_rng(seed).permutation(groups.max() + 1)
    place = np.argsort(order)[groups]  # of an image's group in the order
    rows = np.argsort(place, kind="stable")
    cuts = [round(fraction * len(groups)) for fraction in np.cumsum(FRACTIONS)]
    # A cut within a group moves to the group's start.
    cuts = [int(np.searchsorted(place[rows], place[rows[cut]])) for cut in cuts]
    train, val, test = np.split(rows, cuts)
    return Subsets(train, val, test)


def predict(data: Photographs, subsets: Subsets) -> Floats:
    """Fit ridge regression, its strength chosen by validation; return scores of the test rows."""
    x, y = data.features[subsets.train], data.mos[subsets.train]
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-8
    left, values, right = np.linalg.svd((x - mean) / deviation, full_matrices=False)
    target = left.T @ (y - y.mean())

    def scores(alpha: float, rows: Rows) -> Floats:
        slope = right.T @ (values / (values**2 + alpha) * target)
        return np.asarray((data.features[rows] - mean) / deviation @ slope)

    chosen = max(ALPHAS, key=lambda a: srcc(scores(a, subsets.val), data.mos[subsets.val]))
    return scores(chosen, subsets.test)


def without_scenes_of_test(scene: Rows, subsets: Subsets, seed: int) -> tuple[Subsets, Subsets]:
    """Thin out training and validation in two ways, which leave the same numbers of images.

    Returns:
        Without the images whose scenes are tested; and without as many images drawn at random.
    """
    rng = np.random.default_rng(seed)
    train, val = (
        rows[~np.isin(scene[rows], scene[subsets.test])] for rows in (subsets.train, subsets.val)
    )
    clean = Subsets(train, val, subsets.test)
    thinned = Subsets(
        rng.choice(subsets.train, len(train), replace=False),
        rng.choice(subsets.val, len(val), replace=False),
        subsets.test,
    )
    return clean, thinned


def measure(data: Photographs, seed: int) -> dict[str, float]:
    """Return every SRCC, and how many test images have a near duplicate in training."""
    by_image = deal(np.arange(len(data.mos)), seed)
    by_scene = deal(data.scene, seed)
    clean, thinned = without_scenes_of_test(data.scene, by_image, seed)
    mos = data.mos[by_image.test]
    known = np.isin(data.scene[by_image.test], data.scene[by_image.train])
    scores = predict(data, by_image)
    scores_clean, scores_thinned = predict(data, clean), predict(data, thinned)
    return {
        "image": srcc(scores, mos),
        "scene": srcc(predict(data, by_scene), data.mos[by_scene.test]),
        "count": float(known.sum()),
        "known": srcc(scores[known], mos[known]),
        "new": srcc(scores[~known], mos[~known]),
        "thinned": srcc(scores_thinned, mos),
        "clean": srcc(scores_clean, mos),
        "known thinned": srcc(scores_thinned[known], mos[known]),
        "known clean": srcc(scores_clean[known], mos[known]),
    }


def report(results: Sequence[dict[str, float]]) -> None:
    """Print means and standard deviations over seeds."""

    def line(what: str, of: Callable[[dict[str, float]], float]) -> None:
        values = np.array([of(result) for result in results])
        print(f"{what:<62}{values.mean():8.3f} ± {values.std(ddof=1):.3f}")

    print(f"\nSRCC on test images, mean ± sd over {len(results)} splits")
    line("split by image", lambda r: r["image"])
    line("split by scene", lambda r: r["scene"])
    line("  difference, seed by seed", lambda r: r["image"] - r["scene"])
    count = np.mean([result["count"] for result in results])
    print("of the split by image:")
    line(f"  test images with a near duplicate in training ({count:.0f})", lambda r: r["known"])
    line("  test images without", lambda r: r["new"])
    print("of the split by image, the same test images, trained on fewer images:")
    line("  as many, drawn at random", lambda r: r["thinned"])
    line("  without the scenes of the test images", lambda r: r["clean"])
    line("  difference, seed by seed", lambda r: r["thinned"] - r["clean"])
    print("and of them those with a near duplicate in training:")
    line("  as many, drawn at random", lambda r: r["known thinned"])
    line("  without the scenes of the test images", lambda r: r["known clean"])
    line("  difference, seed by seed", lambda r: r["known thinned"] - r["known clean"])


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of images and their CSV")
    parser.add_argument("--weights", default="hub", help="file of weights, or 'hub'")
    parser.add_argument("--backbone", default="mobilenetv2_100.ra_in1k", help="timm name.tag")
    parser.add_argument("--seeds", type=int, default=20, help="how many splits of each kind")
    given = parser.parse_args()
    paths, mos, scene = read(given.data)
    sizes = np.bincount(scene)
    print(
        f"{len(paths)} images of {len(sizes)} scenes; {(sizes > 1).sum()} scenes are repeated, "
        f"by {sizes[sizes > 1].sum()} images, at most {sizes.max()}"
    )
    data = Photographs(extract(paths, given.backbone, given.weights), mos, scene)
    report([measure(data, seed) for seed in tqdm(range(given.seeds), desc="splits")])


if __name__ == "__main__":
    main()
