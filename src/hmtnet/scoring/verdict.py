"""What a trained network says of one image."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hmtnet.metrics import median_grade
from hmtnet.models.maps import MapStyle
from hmtnet.models.quality import Means
from hmtnet.scoring.tiles import Layout


@dataclass(frozen=True, eq=False)
class Verdict:
    """A score, a grade, and where they come from.

    Attributes:
        score: In the unit of the dataset that the network was trained on. A regression may leave
            ``mos_range`` slightly.
        unit_score: The same in [0, 1], 1 = best.
        mos_range: Lowest and highest possible score of that dataset.
        higher_is_better: Whether a higher ``score`` means better quality.
        label_kind: ``human``, or ``pseudo``: the network has learned a formula, not people.
        grade: 1 (worst) to K (best), the median of the probabilities; None for a network without
            grades.
        probabilities: (K,) of the grades, worst first; (0,) for a network without grades.
        maps: By name, what the network has to show; what it has not is absent. ``saliency`` is that
            of the whole image, in [0, 1]. All others are a network's own: (H, W) float32 of the
            image's size, NaN where no tile has looked, or (L, V) by level, the mean over the tiles.
            For instance

            - ``grade_evidence``: the expected grade of each place, 1 to K;
            - ``grade_weight``: how much a place counts for the grade, 1 = an average one;
            - ``gradient``: magnitude of the luminance's gradient per pixel;
            - ``texture``: fine detail, 0 where there is none;
            - ``local_score`` and ``local_weight``: unit score of a place, and how much it counts;
            - ``error_mse`` and ``error_ssim``: predicted error maps in [0, 1], 1 = no error;
            - ``attention`` (L, V): how much each of V perspectives counts at each of L levels, from
              fine to coarse; each level sums to 1.
        styles: By name, how to read each of these maps.
        layout: Where the image was looked at.
        tile_spread: Standard deviation of the unit scores of its tiles: how unlike its parts are.
            None where there is one tile, or a network looks at all of them together.
        interval: What holds the label of nine in ten images like the stage's validation images, in
            the unit of ``score``; None where too few of these are known.
        outside: In which ways the image is beyond what the network has learned from; () if in none
            that is looked at. Then the interval promises nothing.
    """

    score: float
    unit_score: float
    mos_range: tuple[float, float]
    higher_is_better: bool
    label_kind: str
    grade: int | None
    probabilities: npt.NDArray[np.float64]
    maps: Mapping[str, npt.NDArray[np.float32]]
    styles: Mapping[str, MapStyle]
    layout: Layout
    tile_spread: float | None = None
    interval: tuple[float, float] | None = None
    outside: tuple[str, ...] = ()

    @property
    def perspectives(self) -> tuple[str, ...]:
        """Names of the V perspectives of the first map by level; () without one."""
        return next((style.names for style in self.styles.values() if style.names), ())

    @property
    def grades(self) -> int:
        """K, the number of grades; 0 for a network without."""
        return len(self.probabilities)

    @property
    def label(self) -> str:
        """What the score predicts: ``MOS``, or ``pseudo-MOS`` where no human gave the labels."""
        return "pseudo-MOS" if self.label_kind == "pseudo" else "MOS"

    @property
    def unit(self) -> str:
        """Range and direction of the score in words, such as ``0 to 1, 1 is best``."""
        low, high = self.mos_range
        return f"{low:g} to {high:g}, {high if self.higher_is_better else low:g} is best"

    def __str__(self) -> str:
        parts = [f"predicted {self.label} {self.score:.4g} ({self.unit})"]
        if self.grade is not None:
            share = self.probabilities[self.grade - 1]
            parts.append(f"grade {self.grade} of {self.grades} (probability {share:.2f})")
        if self.interval is not None:
            low, high = self.interval
            parts.append(f"90 % interval {low:.4g} to {high:.4g}")
        parts += [f"unlike what it has learned from: {told}" for told in self.outside]
        if self.layout.padded:
            size = self.layout.size
            height, width = max(self.layout.height, size), max(self.layout.width, size)
            parts.append(f"mirrored outwards to {width} × {height} pixels")
        return ", ".join(parts)


def verdict_of(
    means: Means,
    layout: Layout,
    maps: Mapping[str, npt.NDArray[np.float32]],
    styles: Mapping[str, MapStyle],
    *,
    mos_range: tuple[float, float],
    higher_is_better: bool,
    label_kind: str,
) -> Verdict:
    """Say what the means over an image's tiles amount to; nothing is known of an interval here.

    Args:
        means: Of `hmtnet.scoring.judge.judge`.
        layout: Where the image was looked at.
        maps: What is shown of it.
        styles: How to read these maps, and perhaps others.
        mos_range: See `Verdict`.
        higher_is_better: See there.
        label_kind: See there.
    """
    unit, spread = float(means["unit_score"]), means.get("tile_spread")
    found = means.get("probabilities")
    probabilities = np.zeros(0) if found is None else found.numpy()
    return Verdict(
        score=in_unit(unit, mos_range, higher_is_better),
        unit_score=unit,
        mos_range=mos_range,
        higher_is_better=higher_is_better,
        label_kind=label_kind,
        grade=None if found is None else int(median_grade(probabilities[None])[0]) + 1,
        probabilities=probabilities,
        maps=maps,
        styles={name: styles[name] for name in maps},
        layout=layout,
        tile_spread=None if spread is None else float(spread),
    )


def in_unit(unit: float, mos_range: tuple[float, float], higher_is_better: bool) -> float:
    """Return a unit score in the unit of the dataset."""
    low, high = mos_range
    distance = unit * (high - low)
    return low + distance if higher_is_better else high - distance
