"""How a network describes its maps, so that they can be stitched and drawn without knowing it."""

from dataclasses import dataclass
from typing import Literal

MapKind = Literal["local", "share", "evidence", "levels"]
"""What a map of N crops holds, and how it becomes a map of the whole image.

- ``local``: (N, 1, h, w), a value per place. Overlapping tiles are averaged, their middles most.
- ``share``: (N, 1, h, w), how much each place counts; sums to 1 over a crop. Stitched as ``local``,
  in multiples of what an average place counts.
- ``evidence``: (N, K, h, w), what each place says for each of K grades, worst first. Stitched as
  the expected grade, 1 to K; a place that counts more (``weighted_by``) wins over another tile's.
- ``levels``: (N, L, V), shares of V named things at L levels of the network, from fine to coarse.
  The mean over the tiles.
"""

Shades = Literal["unit", "from_zero", "around_zero", "spread"]
"""Which values are black and white: 0 and 1; 0 and almost the highest; almost the farthest from 0,
on both sides, so that 0 is middle grey; almost both extremes."""


@dataclass(frozen=True, kw_only=True)
class MapStyle:
    """What one of a network's maps means; see `hmtnet.models.quality.QualityNetwork.shows`.

    Attributes:
        kind: What it holds.
        title: What a picture calls it; empty leaves it out of pictures.
        hint: What its values say, in a few words; the scale beside it has the numbers.
        shades: Which values these are; evidence has a colour per grade instead.
        weighted_by: Of evidence: the name of the ``share`` map that weighs it.
        names: Of levels: the V things.
    """

    kind: MapKind
    title: str = ""
    hint: str = ""
    shades: Shades = "spread"
    weighted_by: str = ""
    names: tuple[str, ...] = ()


LOCAL_SCORE = MapStyle(
    kind="local", title="local score", hint="how good a place looks: 0 worst, 1 best"
)
