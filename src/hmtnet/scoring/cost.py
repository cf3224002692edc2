"""What it costs to judge an image: arithmetic, time and memory.

Everything that tells such a cost takes it from here: finished stages, reports, cards and
``hmtnet benchmark``.
"""

import statistics
import time
import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.flop_counter import FlopCounterMode

from hmtnet.data.crops import CropSettings
from hmtnet.data.images import Pixels
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.reproducible import reproducible
from hmtnet.scoring.judge import judge
from hmtnet.scoring.tiles import Tiles

MEGAPIXELS = 0.2
"""Of the image by which systems are compared: 516 × 387 pixels."""


@dataclass(frozen=True)
class Cost:
    """The cost of one image, from its decoded pixels to its score.

    Attributes:
        megapixels: Of the image; it has the shape 4:3.
        tiles: Through which it was looked at.
        gflops: 10⁹ additions and multiplications of matrix products, convolutions and attention, as
            `torch.utils.flop_counter` counts them; 0 for a network without.
        seconds: Median of the repetitions.
        tensors_mb: Most that the results of operations took at once, in 10⁶ bytes; the image, its
            tiles and its saliency are among them, the network is not.
        device: Its name.
        threads: Of torch on the CPU.
    """

    megapixels: float
    tiles: int
    gflops: float
    seconds: float
    tensors_mb: float
    device: str
    threads: int


def cost_of(
    network: QualityNetwork,
    crops: CropSettings,
    device: torch.device,
    device_name: str,
    megapixels: float = MEGAPIXELS,
    repeats: int = 3,
    batch_tiles: int = 16,
) -> Cost | None:
    """Judge an image of noise, as `hmtnet.scoring.scorer.Scorer` judges without maps.

    Args:
        network: On the device; in evaluation mode.
        crops: Size and grid of its tiles.
        device: Where it computes.
        device_name: What the device is called.
        megapixels: Of the image, millions of pixels.
        repeats: How often time is taken, at least once; a first pass, which counts operations and
            memory, is not timed.
        batch_tiles: Tiles that are looked at together.

    Returns:
        None for a network that judges no image that comes alone.
    """
    if network.reads_labels or network.mixes_images:
        return None
    pixels = _noise(megapixels)
    reference = pixels if network.needs_reference else None

    def once() -> int:
        tiles = Tiles(
            *(pixels, crops, network.saliency_operator, device, batch_tiles), reference=reference
        )
        judge(network, tiles, lambda *_: None)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return len(tiles.layout.corners)

    with reproducible(device):
        with FlopCounterMode(display=False) as counter, _TensorMemory() as memory:
            tiles = once()
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            once()
            times.append(time.perf_counter() - start)
    return Cost(
        megapixels=pixels.shape[0] * pixels.shape[1] / 1e6,
        tiles=tiles,
        gflops=counter.get_total_flops() / 1e9,
        seconds=statistics.median(times),
        tensors_mb=memory.most / 1e6,
        device=device_name,
        threads=torch.get_num_threads(),
    )


class _TensorMemory(TorchDispatchMode):
    """Counts the bytes of what operations make, until it is freed.

    On every device and whatever an allocator keeps, so that it is the same each time. What an
    operation needs within itself is not seen.

    Attributes:
        most: Bytes that all took at once.
    """

    def __init__(self) -> None:
        TorchDispatchMode.__init__(self)
        self.most = 0
        self._now = 0
        self._alive: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._see, made)
        self.most = max(self.most, self._now)
        return made

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        place = storage._cdata
        if place not in self._alive:
            size = storage.nbytes()
            self._now += size
            self._alive.add(place)
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self._now -= size
        self._alive.remove(place)


def _noise(megapixels: float) -> Pixels:
    """Return an image (H, W, 3) of 4:3; what a network computes does not depend on what it sees."""
    height = max(1, round((megapixels * 1e6 * 3 / 4) ** 0.5))
    shape = (height, max(1, round(megapixels * 1e6 / height)), 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
