"""What a training step of HMTNet spends its time on, as ratios of what is measured side by side.

Random weights, noise for images, both networks trainable, batch norms frozen where the size loads
weights; a GPU computes in bfloat16. All variants take turns in one process, and the least time of
each counts. The plain loop feeds the same network by the usual way: at each use a loader's worker
decodes the file, computes its saliency and cuts the crops, on the CPU.

    python benchmarks/training.py
    python benchmarks/training.py --size full --workers 4
"""

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from measuring.clock import Clock
from measuring.noise import HEIGHT, WIDTH, make_manifest
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops, CropSettings, cut, random_corners
from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.grades import Grades
from hmtnet.data.images import ImageStore, decode
from hmtnet.data.manifest import Manifest
from hmtnet.data.split import Split
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet import HMTNet
from hmtnet.models.hmtnet.grading import GradingNet, GradingSettings
from hmtnet.models.hmtnet.sfen import SFEN, Perspective, SFENSettings
from hmtnet.models.optimisation import OptimizerSettings, optimizer_for
from hmtnet.models.quality import make_crops
from hmtnet.models.score_loss import ScoreLossSettings, score_terms
from hmtnet.perception import saliency_of_list

OPERATOR: Literal["spectral_residual"] = "spectral_residual"
SIZES = {
    "tiny": (BackboneSettings(), CropSettings(size=96, count=2)),
    "small": (
        BackboneSettings(name="mobilenetv2_100", norm="frozen", view="pixels"),
        CropSettings(size=160, count=2),
    ),
    "full": (
        BackboneSettings(name="resnet50", norm="frozen", view="pixels"),
        CropSettings(size=224, count=4),
    ),
}


def make_network(backbone: BackboneSettings) -> HMTNet:
    """Make both networks, untrained."""
    torch.manual_seed(0)
    grades = Grades((0.2, 0.4, 0.6, 0.8))
    grading = GradingNet(GradingSettings(encoder=backbone), grades)
    # With the residual, the dearest view: what is shipped looks at the pixels instead.
    views: tuple[Perspective, ...] = ("texture", "gradient", "saliency")
    settings = SFENSettings(
        backbone=backbone, perspectives=views, texture="residual", saliency=OPERATOR
    )
    return HMTNet(grading, SFEN(settings, grades)).train()


class PlainDataset(Dataset[tuple[Crops, float]]):
    """Decode, compute saliency and crop in the worker, at each use."""

    def __init__(self, manifest: Manifest, crops: CropSettings) -> None:
        self.paths = [manifest.path(record.image) for record in manifest.records]
        self.scores = manifest.unit_mos
        self.crops = crops

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Crops, float]:
        """Return the crops of an image, and its score."""
        pixels = torch.from_numpy(decode(self.paths[i]).copy()).permute(2, 0, 1)
        corners = random_corners(HEIGHT, WIDTH, self.crops, np.random.default_rng())
        saliency = saliency_of_list([pixels], OPERATOR)
        return cut([pixels], [corners], self.crops.size, saliency), float(self.scores[i])


def collate(samples: list[tuple[Crops, float]]) -> tuple[Tensor, Tensor, Tensor]:
    """Join pixels, saliency and scores of several images with equally many crops."""
    saliency = [crops.saliency for crops, _ in samples if crops.saliency is not None]
    pixels = torch.cat([crops.pixels for crops, _ in samples])
    return pixels, torch.cat(saliency), torch.tensor([score for _, score in samples])


class Bench:
    """A network, ways to feed it, and a clock."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given, self.device = given, torch.device(given.device)
        self.clock = Clock(self.device, given.repeats)
        backbone, self.crops = SIZES[given.size]
        self.network = make_network(backbone).to(self.device)
        self.optimizer = optimizer_for(self.network, OptimizerSettings())
        self.manifest = make_manifest(folder, given.steps * given.batch)

    def loader(self, cache: Literal["memory", "none"]) -> DataLoader[Any]:
        """Make the training loader as a stage makes it."""
        rows = tuple(range(len(self.manifest)))
        data = QualityData(
            self.manifest,
            Split("image", 0, rows, rows, (), "noise", True),
            ImageStore(self.manifest, rows, cache),
            self.crops,
            self.given.batch,
            ("horizontal_flip", "quarter_turn"),
            loader=LoaderSettings(
                workers=self.given.workers, pin_memory=self.device.type == "cuda"
            ),
        )
        return data.train_dataloader()

    def plain_loader(self) -> DataLoader[Any]:
        """Make the loader of the plain loop; it has a worker at least."""
        workers = max(1, self.given.workers)
        return DataLoader(
            PlainDataset(self.manifest, self.crops),
            self.given.batch,
            shuffle=True,
            num_workers=workers,
            persistent_workers=True,
            collate_fn=collate,
        )

    def train(self, batches: Iterable[Batch]) -> None:
        """Take a step for each batch of whole images."""
        for batch in batches:
            there = batch.to(self.device)
            self.step(make_crops(there, self.crops.size, OPERATOR), there.unit_mos)

    def train_plainly(self, loader: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Take a step for each batch of crops."""
        for parts in loader:
            pixels, saliency, mos = (part.to(self.device) for part in parts)
            image = torch.arange(len(mos), device=self.device).repeat_interleave(self.crops.count)
            self.step(Crops(pixels, image, len(mos), saliency), mos)

    def step(self, crops: Crops, mos: Tensor) -> None:
        """Learn from crops."""
        with self.precision():
            terms = score_terms(self.network(crops).unit_score, mos, ScoreLossSettings())
        self.optimizer.zero_grad()
        torch.stack([*terms.values()]).sum().backward()
        self.optimizer.step()

    def precision(self) -> torch.autocast:
        """Return the context of a forward pass."""
        half = self.given.precision == "bf16-mixed"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=["32-true", "bf16-mixed"])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0)
    given = parser.parse_args()
    given.precision = given.precision or ("32-true" if given.device == "cpu" else "bf16-mixed")
    with tempfile.TemporaryDirectory() as folder:
        report(Bench(given, Path(folder)))


def report(bench: Bench) -> None:
    """Measure all variants and print their ratios."""
    given, sfen = bench.given, bench.network.sfen
    kept, decoding, plain = bench.loader("memory"), bench.loader("none"), bench.plain_loader()
    ready = [batch.to(bench.device) for batch in kept]
    fed, piped, decoded, plainly = bench.clock.seconds(
        lambda: bench.train(ready),
        lambda: bench.train(kept),
        lambda: bench.train(decoding),
        lambda: bench.train_plainly(plain),
    )
    crops = make_crops(ready[0], bench.crops.size, OPERATOR)
    views = list(sfen.perspectives(crops).values())
    extract = sfen.extractors[0]
    # The perspectives of a step are one saliency of whole images, and three views of the crops.
    with bench.precision():
        perceiving, stacked, apart = bench.clock.seconds(
            lambda: (saliency_of_list(ready[0].images, OPERATOR), sfen.perspectives(crops)),
            lambda: extract(torch.cat(views)),
            lambda: [extract(view) for view in views],
        )
    step = fed / len(ready)
    print(
        f"{given.size} on {bench.device}, {given.precision}: {given.batch} images of "
        f"{WIDTH}×{HEIGHT} a step, {bench.crops.count} crops of {bench.crops.size}; a step takes "
        f"{1000 * step:.1f} ms, the pipeline feeds {len(bench.manifest) / piped:.0f} images/s"
    )
    if bench.device.type == "cuda":
        print(f"  peak memory {torch.cuda.max_memory_allocated() / 2**30:.2f} GiB")
    rows = {
        "pipeline, over batches already on the device (aim: at most 1.10)": piped / fed,
        "waiting for data, as a part of the pipeline's time (aim: under 0.10)": 1 - fed / piped,
        "perspectives, as a part of a step (aim: at most 0.10 on a GPU)": perceiving / step,
        "three forwards, over one of stacked perspectives (aim: above 1 on a GPU)": apart / stacked,
        "cache=none, over cache=memory": decoded / piped,
        "plain loop, over the pipeline": plainly / piped,
    }
    for name, ratio in rows.items():
        print(f"  {name:<75}{ratio:6.2f}")


if __name__ == "__main__":
    main()
