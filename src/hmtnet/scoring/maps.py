"""What a network shows of its tiles, stitched to maps of the whole image."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hmtnet.data.crops import Corner
from hmtnet.models.hmtnet.fusion import PerspectiveFusion
from hmtnet.models.hmtnet.sfen import SFEN, TYPICAL
from hmtnet.scoring.tiles import Layout, Tiles

FloatMap = npt.NDArray[np.float32]

# Maps (N, 1, h, w) of peers that are shown as they are.
LOCAL = ("error_mse", "error_ssim", "local_score", "local_weight")


def window(size: int) -> Tensor:
    """Return how much each place of a tile counts where tiles overlap: (size, size) in (0, 1].

    A pyramid, highest in the middle: what a network says near a tile's border rests on less
    context, and neighbouring tiles pass into each other without a seam. Ours.
    """
    place = torch.arange(size, dtype=torch.float32)
    ramp = (torch.minimum(place, size - 1 - place) + 1) / ((size + 1) // 2)
    return torch.outer(ramp, ramp)


def expected_grade(evidence: Tensor) -> Tensor:
    """Turn evidence (N, K, h, w) into the expected grade (N, 1, h, w), from 1 (worst) to K.

    The grade of a crop that would look everywhere as it looks here: Σ k · softmax(evidence)_k.
    """
    grades = torch.arange(1, evidence.shape[1] + 1, dtype=torch.float32, device=evidence.device)
    return torch.einsum("nkhw,k->nhw", evidence.float().softmax(1), grades).unsqueeze(1)


class Canvas:
    """A map of a whole image, the weighted mean of what its tiles say.

    Args:
        layout: Where the tiles lie.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._total = np.zeros((layout.height, layout.width), dtype=np.float32)
        self._weight = np.zeros_like(self._total)

    def add(self, corner: Corner, values: FloatMap, weights: FloatMap) -> None:
        """Add a tile.

        Args:
            corner: (top, left) in the image; parts beyond the image are left out.
            values: (P, P).
            weights: (P, P), above 0: how much each value counts.
        """
        here, there = [], []
        for start, length in zip(corner, self._total.shape, strict=True):
            first, last = max(0, start), min(length, start + self._layout.size)
            here.append(slice(first, last))
            there.append(slice(first - start, last - start))
        image, tile = tuple(here), tuple(there)
        self._total[image] += values[tile] * weights[tile]
        self._weight[image] += weights[tile]

    def mean(self) -> FloatMap:
        """Return the map (H, W); NaN where no tile has looked."""
        with np.errstate(invalid="ignore"):
            return np.divide(self._total, self._weight, out=self._total)


class Collector:
    """Gathers the maps of an image while a network looks at its tiles.

    Args:
        network: The network.
        tiles: The image's tiles.
    """

    def __init__(self, network: nn.Module, tiles: Tiles) -> None:
        self._network = network
        self._tiles = tiles
        self._window = window(tiles.layout.size)
        self._canvases: dict[str, Canvas] = {}
        self._attention: list[list[Tensor]] = []

    def see(self, corners: Sequence[Corner], shown: dict[str, Tensor]) -> None:
        """Take the maps of a group of tiles, as an `Prediction` has them."""
        size = self._tiles.layout.size
        if "grade_evidence" in shown and "grade_weight" in shown:
            weight = shown["grade_weight"].float()
            # Sums to 1 over a tile; as a map, 1 is what an average place counts.
            counts = _enlarged(weight * weight[0].numel(), size).cpu()
            grade = _enlarged(expected_grade(shown["grade_evidence"]), size).cpu()
            self._add("grade_evidence", corners, grade, self._window * counts)
            self._add("grade_weight", corners, counts, self._window.expand_as(counts))
        if "gradient" in shown:
            magnitude = (shown["gradient"][:, 2] * TYPICAL["gradient"]).cpu()
            self._add("gradient", corners, magnitude, self._window.expand_as(magnitude))

        for name in LOCAL:
            if name in shown:
                values = _enlarged(shown[name].float(), size).cpu()
                self._add(name, corners, values, self._window.expand_as(values))

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Also hear the attention of every perspective fusion that works within the block."""
        fusions = [m for m in self._network.modules() if isinstance(m, PerspectiveFusion)]
        self._attention = [[] for _ in fusions]

        def hearer(level: list[Tensor]) -> Any:
            return lambda module, inputs, outputs: level.append(outputs[1].cpu())

        hooks = [
            fusion.register_forward_hook(hearer(level))
            for fusion, level in zip(fusions, self._attention, strict=True)
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def maps(self) -> dict[str, FloatMap]:
        """Return what there is; see `hmtnet.scoring.verdict.Verdict`."""
        maps: dict[str, FloatMap] = {}
        for name in list(self._canvases):
            maps[name] = self._canvases.pop(name).mean()
        saliency = self._tiles.own_saliency()
        if saliency is not None:
            maps["saliency"] = saliency
        if self._attention:
            levels = [torch.cat(heard).double().mean(0) for heard in self._attention]
            maps["attention"] = torch.stack(levels).float().numpy()
        return maps

    def _add(self, name: str, corners: Sequence[Corner], values: Tensor, weights: Tensor) -> None:
        canvas = self._canvases.setdefault(name, Canvas(self._tiles.layout))
        for corner, value, weight in zip(corners, values.numpy(), weights.numpy(), strict=True):
            canvas.add(corner, value, weight)


def perspectives_of(network: nn.Module) -> tuple[str, ...]:
    """Return the names of the perspectives that a network's attention is about; () for none."""
    for module in network.modules():
        if isinstance(module, SFEN):
            return tuple(module.settings.perspectives)
    return ()


def _enlarged(maps: Tensor, size: int) -> Tensor:
    """(N, 1, h, w) → (N, size, size)."""
    return F.interpolate(maps, (size, size), mode="bilinear", align_corners=False)[:, 0]
