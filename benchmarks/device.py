"""What this code does with a GPU, as ratios and figures of one run: training, scoring, compiling.

Random weights, noise for images; the networks and settings are those of ``size=…``. Each system is
measured in its last stage, all of whose networks learn, one step of which is what the trainer does
with a batch: crops, losses, gradient, clipping, optimiser. Every system is also trained for a few
batches by ``hmtnet train``, and its scores compared with the CPU's. Without CUDA there is nothing
to measure, but ``--device cpu --quick`` tries the script.

    python benchmarks/device.py --output device.json --minutes 5
"""

import argparse
import contextlib
import io
import itertools
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from measuring.clock import Clock
from measuring.noise import make_manifest, make_pixels
from measuring.rows import Rows
from measuring.untrained import Untrained
from torch import Tensor, nn
from torch.utils.data import DataLoader

import hmtnet
from hmtnet.cli.main import main as run_hmtnet
from hmtnet.data.batch import Batch, Sample
from hmtnet.data.datamodule import LoaderSettings, QualityData
from hmtnet.data.images import ImageStore
from hmtnet.data.split import Split
from hmtnet.models.backbone import Backbone
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.optimisation import optimizer_for
from hmtnet.models.quality import make_crops
from hmtnet.models.system import SYSTEMS, find_system
from hmtnet.perception import residual, saliency_of_list, sobel
from hmtnet.scoring.scorer import Scorer

GIB = 2**30
WORKERS = (4, 0, 8)  # of trainer=gpu, of trainer=auto, and whether more would help
MEASURED = ["hmtnet", "plain"]
SIZES = ["tiny", "small", "full"]
PARTS = ["training", "scoring", "checks", "compiling"]
MOST_DIFFERENCE = 1e-4  # of a unit score, between devices


class Trained:
    """A stage under training, by a loop as bare as can be."""

    def __init__(self, stage: Untrained, device: torch.device) -> None:
        self.settings, self.device = stage.settings, device
        self.task = stage.task().to(device)
        self.network = self.task.network
        self.optimizer = optimizer_for(self.network, self.settings.optimizer)

    def precision(self, half: bool) -> torch.autocast:
        """Return the context of a forward pass."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def step(self, batch: Batch, half: bool = True) -> Tensor | None:
        """Take a step, and return its loss."""
        with self.precision(half):
            loss = self.task.training_step(batch, 0)
        assert loss is not None
        self.optimizer.zero_grad()
        loss.backward()
        if self.settings.optimizer.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.optimizer.clip)
        self.optimizer.step()
        return loss.detach()

    def loader(self, store: ImageStore, steps: int, workers: int) -> DataLoader[Sample]:
        """Make the training loader of a stage; images come several times to make enough steps."""
        rows, settings = store.rows, self.settings
        drawn = itertools.islice(itertools.cycle(rows), steps * settings.batch_size)
        return QualityData(
            store.manifest,
            Split("image", 0, tuple(drawn), rows, (), "noise", True),
            store,
            settings.crops,
            settings.batch_size,
            settings.augment,
            loader=LoaderSettings(workers=workers, pin_memory=self.device.type == "cuda"),
        ).train_dataloader()


class Bench:
    """All measurements, on one device."""

    def __init__(self, given: argparse.Namespace, rows: Rows, folder: Path) -> None:
        self.given, self.rows, self.folder = given, rows, folder
        self.device = torch.device(given.device)
        # An epoch is long enough by itself; all else is repeated until it is.
        self.epochs = Clock(self.device, 1 if given.quick else 2)
        self.clock = self.epochs if given.quick else Clock(self.device, 3, shortest=0.2)
        manifest = make_manifest(folder, 4 if given.quick else 64)
        self.store = ImageStore(manifest, range(len(manifest)))

    def training(self, system: str, size: str) -> None:
        """Measure the steps of a system in a size, each time with a fresh network."""
        measures = [self.steps, self.pipeline, self.layout]
        if system == "hmtnet":
            measures.append(self.perspectives)
        for measure in measures:
            self.rows.attempt(
                f"train {system} {size}",
                lambda case, measure=measure: measure(case, self.trained(system, size)),
            )

    def trained(self, system: str, size: str) -> Trained:
        """Make a stage that can be trained."""
        return Trained(Untrained.last_of(system, size), self.device)

    def ready(self, trained: Trained, batches: int = 1) -> list[Batch]:
        """Return batches that are on the device."""
        return [batch.to(self.device) for batch in trained.loader(self.store, batches, 0)]

    def steps(self, case: str, trained: Trained) -> None:
        """Compare precisions; the batches are on the device."""
        (batch,) = self.ready(trained)
        found = {}
        for half, name in ((True, "bf16"), (False, "float32")):
            trained.step(batch, half)  # fills the optimiser
            with self.memory(case, f"peak memory of a {name} step, GiB"):
                trained.step(batch, half)
            (found[name],) = self.clock.seconds(lambda half=half: trained.step(batch, half))
            self.rows.add(case, f"{name} step, ms", 1000 * found[name])
            self.rows.add(case, f"{name} step, images/s", len(batch) / found[name])
        self.rows.add(case, "bf16 over float32 step", found["bf16"] / found["float32"])

    def pipeline(self, case: str, trained: Trained) -> None:
        """Compare steps that the loader feeds with steps on batches that are there."""
        ready = self.ready(trained, 2)
        trained.step(ready[0])
        step = self.epochs.once(lambda: trained.step(ready[1]))
        steps = 2 if self.given.quick else min(60, max(4, round(0.7 / step)))

        def fed() -> None:
            for batch in itertools.islice(itertools.cycle(ready), steps):
                trained.step(batch)

        enough = False
        for workers in WORKERS[: 1 if self.given.quick else None]:
            if workers > WORKERS[0] and enough:
                break
            loader = trained.loader(self.store, steps, workers)

            def piped(loader: DataLoader[Sample] = loader) -> None:
                for batch in loader:
                    trained.step(batch.to(self.device))

            there, through = self.epochs.seconds(fed, piped)
            what = f"pipeline over tensors on the device, {workers} workers"
            self.rows.add(case, what, through / there, "at most 1.10" if workers else "")
            enough |= through <= 1.1 * there
            images = steps * trained.settings.batch_size
            self.rows.add(case, f"pipeline, images/s, {workers} workers", images / through)

    def layout(self, case: str, trained: Trained) -> None:
        """Compare the backbones' channels-last memory with the usual one, in bf16."""
        (batch,) = self.ready(trained)
        (last,) = self.clock.seconds(lambda: trained.step(batch))
        backbones = [m for m in trained.network.modules() if isinstance(m, Backbone)]
        with contextlib.ExitStack() as hooks:
            for backbone in backbones:
                backbone.to(memory_format=torch.contiguous_format)
                hooks.callback(backbone.to, memory_format=torch.channels_last)
                hook = backbone.body.register_forward_pre_hook(_channels_first)
                hooks.callback(hook.remove)
            (first,) = self.clock.seconds(lambda: trained.step(batch))
        self.rows.add(case, "channels first over channels last", first / last)

    def perspectives(self, case: str, trained: Trained) -> None:
        """Measure what a step spends on what the eye would look at, in bf16."""
        assert isinstance(trained.network, HMTNet)
        sfen, settings = trained.network.sfen, trained.settings
        (batch,) = self.ready(trained)
        operator = sfen.settings.saliency
        crops = make_crops(batch, settings.crops.size, operator)
        views = list(sfen.perspectives(crops).values())
        extract = sfen.extractors[0]
        with trained.precision(True):
            parts = {
                "saliency of whole images": lambda: saliency_of_list(batch.images, operator),
                "Sobel": lambda: sobel(crops.pixels),
                "residual": lambda: residual(crops.pixels),
                "cutting crops": lambda: make_crops(batch, settings.crops.size, None),
            }
            found = self.clock.seconds(*parts.values())
            stacked, apart = self.clock.seconds(
                lambda: extract(torch.cat(views)), lambda: [extract(view) for view in views]
            )
        (step,) = self.clock.seconds(lambda: trained.step(batch))
        for name, seconds in zip(parts, found, strict=True):
            self.rows.add(case, f"{name}, share of a bf16 step", seconds / step)
        whole = sum(found[:3]) / step
        self.rows.add(case, "saliency + Sobel + residual, share", whole, "at most 0.10")
        self.rows.add(case, "three forwards over one stacked", apart / stacked, "above 1")

    def compiling(self, case: str, system: str, size: str) -> None:
        """Compare a compiled network's bf16 step with the one as written."""
        trained = self.trained(system, size)
        (batch,) = self.ready(trained)
        (written,) = self.clock.seconds(lambda: trained.step(batch))
        trained.network.compile()
        self.rows.add(case, "first compiled step, s", self.epochs.once(lambda: trained.step(batch)))
        with self.memory(case, "peak memory of a compiled bf16 step, GiB"):
            trained.step(batch)
        (compiled,) = self.clock.seconds(lambda: trained.step(batch))
        self.rows.add(case, "compiled over uncompiled bf16 step", compiled / written)

    def scoring(self, case: str, system: str, size: str) -> None:
        """Score images of growing size that are decoded already."""
        folder = self.folder / f"{system}-{size}"
        Untrained.last_of(system, size).save(folder)
        scorer = Scorer(folder, self.device)
        for megapixels in (0.2,) if self.given.quick else (0.2, 2, 20):
            image = make_pixels(megapixels)
            what = f"{megapixels} megapixels"
            with self.memory(case, f"scoring {what}, peak memory, GiB"):
                scorer(image, maps=False)
            (seconds,) = self.clock.seconds(lambda image=image: scorer(image, maps=False))
            self.rows.add(case, f"scoring {what}, images/s", 1 / seconds)
            self.rows.add(case, f"scoring {what}, megapixels/s", megapixels / seconds)
        wider = Scorer(folder, self.device, batch_tiles=64)
        (wide,) = self.clock.seconds(lambda: wider(image, maps=False))
        self.rows.add(case, f"batch_tiles=64 over 16, {what}", wide / seconds)

    def chain(self, case: str, system: str) -> None:
        """Train a system on the demo for a few batches, and score its images on both devices."""
        gpu = self.device.type == "cuda"
        runs, started = self.folder / "runs" / system, time.perf_counter()
        words = [f"system={system}", "size=tiny", f"trainer={'gpu' if gpu else 'cpu'}"]
        words += ["trainer.debug.epochs=1", "trainer.debug.batches=2", f"runs={runs}"]
        words += ["trainer.precision=bf16-mixed"]
        logging.getLogger("hmtnet").handlers.clear()  # they hold an earlier chain's output
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run_hmtnet(["train", *words])
        if code:
            raise RuntimeError(f"hmtnet train ended with {code}: {said.getvalue()[-250:]!r}")
        self.rows.add(case, "chain of all stages, bf16, s", time.perf_counter() - started)
        last = find_system(system).stages[-1].name
        (artifact,) = runs.glob(f"*/*/{last}-*")
        here, there = (Scorer(artifact, device) for device in ("cpu", self.device))
        worst = 0.0
        for seed in range(3):
            image, other = make_pixels(0.1, seed), make_pixels(0.1, 9)
            reference = other if here.restored.network.needs_reference else None
            cpu, device = (s(image, False, reference).unit_score for s in (here, there))
            worst = max(worst, abs(cpu - device))
        what = "score on the device against the CPU's, float32, most"
        self.rows.add(case, what, worst, f"at most {MOST_DIFFERENCE:g}")
        if not worst <= MOST_DIFFERENCE:  # also where it is no number
            raise ValueError(f"Scores differ by {worst:.2g} between CPU and {self.device}.")

    @contextlib.contextmanager
    def memory(self, case: str, quantity: str) -> Iterator[None]:
        """Measure the most memory of a GPU that the block has, weights and all."""
        if self.device.type != "cuda":
            yield
            return
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        yield
        self.rows.add(case, quantity, torch.cuda.max_memory_allocated() / GIB)


def _channels_first(module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    return inputs[0].contiguous(memory_format=torch.contiguous_format)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", type=Path, help="JSON file, whole after every row")
    parser.add_argument("--minutes", type=float, default=5, help="nothing runs longer")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--systems", nargs="+", choices=MEASURED, default=MEASURED)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=SIZES)
    parser.add_argument("--quick", action="store_true", help="tiny numbers, to try the script")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("No CUDA device, so nothing is measured; --device cpu --quick tries the script.")
        return
    rows = Rows(given.output, given.minutes, machine(given.device))
    with tempfile.TemporaryDirectory() as folder:
        measure(given, rows, Bench(given, rows, Path(folder)))
    if rows.failed:
        raise SystemExit("Something could not be measured, or is not as it must be: see above.")


def measure(given: argparse.Namespace, rows: Rows, bench: Bench) -> None:
    """Measure what is asked for; what matters most comes first, what may take long last."""
    attempt, checked = rows.attempt, given.systems if given.quick else SYSTEMS
    for system in given.systems:
        for size in given.sizes:
            if "training" in given.parts:
                bench.training(system, size)
        for size in given.sizes:
            if "scoring" in given.parts:
                attempt(f"score {system} {size}", partial(bench.scoring, system=system, size=size))
        if "checks" in given.parts and system == given.systems[0]:
            for one in checked:
                attempt(f"chain {one} tiny", partial(bench.chain, system=one), most=90)
    for system, size in itertools.product(given.systems, given.sizes):
        if "compiling" in given.parts:
            compiling = partial(bench.compiling, system=system, size=size)
            attempt(f"compile {system} {size}", compiling, most=120)


def machine(device: str) -> dict[str, str]:
    """Say what is measured on."""
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    cores = str(len(os.sched_getaffinity(0)))
    return {
        "device": name,
        "torch": str(torch.__version__),
        "cores": cores,
        "hmtnet": hmtnet.__version__,
    }


if __name__ == "__main__":
    main()
