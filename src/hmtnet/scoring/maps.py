"""What a network shows of its tiles, stitched to maps of the whole image."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from hmtnet.data.crops import Corner
from hmtnet.models.maps import MapStyle
from hmtnet.scoring.tiles import Layout, Tiles

FloatMap = npt.NDArray[np.float32]

SALIENCY = MapStyle(
    kind="local", title="saliency", hint="how much a place draws the eye", shades="unit"
)


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
        shows: The network's description of its maps.
        tiles: The image's tiles.
    """

    def __init__(self, shows: Mapping[str, MapStyle], tiles: Tiles) -> None:
        self._shows = shows
        self._tiles = tiles
        self._window = window(tiles.layout.size)
        self._canvases: dict[str, Canvas] = {}
        self._levels: dict[str, list[Tensor]] = defaultdict(list)

    def see(self, corners: Sequence[Corner], shown: dict[str, Tensor]) -> None:
        """Take the maps of a group of tiles, as a `Prediction` has them.

        Raises:
            ValueError: A map has another shape than its kind.
        """
        for name in self._shows.keys() & shown.keys():
            style, values = self._shows[name], shown[name].float()
            _check(name, style, values)
            if style.kind == "levels":
                self._levels[name].append(values.cpu())
                continue
            weights = self._window.expand(len(values), -1, -1)
            if style.kind == "evidence":
                values = expected_grade(values)
                if style.weighted_by:
                    weights = weights * self._enlarged(_counts(shown[style.weighted_by].float()))
            elif style.kind == "share":
                values = _counts(values)
            canvas = self._canvases.setdefault(name, Canvas(self._tiles.layout))
            tiles = self._enlarged(values).numpy(), weights.numpy()
            for corner, value, weight in zip(corners, *tiles, strict=True):
                canvas.add(corner, value, weight)

    def maps(self) -> dict[str, FloatMap]:
        """Return what there is, saliency first, then as the network lists it."""
        maps: dict[str, FloatMap] = {}
        saliency = self._tiles.own_saliency()
        if saliency is not None:
            maps["saliency"] = saliency
        for name in self._shows:
            if name in self._canvases:
                maps[name] = self._canvases.pop(name).mean()
            elif name in self._levels:
                maps[name] = torch.cat(self._levels[name]).double().mean(0).float().numpy()
        return maps

    def styles(self) -> dict[str, MapStyle]:
        """Return how to read each map that there may be."""
        return {"saliency": SALIENCY, **self._shows}

    def _enlarged(self, maps: Tensor) -> Tensor:
        """(N, 1, h, w) → (N, size, size), on the CPU."""
        size = (self._tiles.layout.size,) * 2
        enlarged = F.interpolate(maps.float(), size, mode="bilinear", align_corners=False)
        return enlarged[:, 0].cpu()


def _counts(share: Tensor) -> Tensor:
    """Turn shares that sum to 1 over a crop into multiples of what an average place counts."""
    return share * share[0].numel()


def _check(name: str, style: MapStyle, values: Tensor) -> None:
    expected = {"levels": "(N, L, V)", "evidence": "(N, K, h, w)"}.get(style.kind, "(N, 1, h, w)")
    if values.ndim != expected.count(",") + 1 or ("1" in expected and values.shape[1] != 1):
        raise ValueError(
            f"Map '{name}': expected {expected} of kind '{style.kind}', found "
            f"{tuple(values.shape)}. Return that shape, or describe it by another kind in `shows`."
        )
