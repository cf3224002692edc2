"""What ``hmtnet synthesize`` is told."""

from dataclasses import dataclass
from typing import Literal

from hmtnet.settings import plain

SMALLEST_SIDE = 176
"""Pixels: what five scales of MS-SSIM need."""

_LEAST = {"side": SMALLEST_SIDE, "crops": 1, "images": 1, "per_scale": 1}


@dataclass(frozen=True, kw_only=True)
class SynthesisSettings:
    """Which photographs become which set.

    Attributes:
        photos: The folder of photographs; sub-folders count.
        output: The folder of the set.
        seed: Of all draws.
        side: Width and height of a reference, pixels.
        crops: How many references are cut from each photograph.
        images: How many super-resolved images each reference gets.
        per_scale: How many of them, by as many methods, share a scale and a low-resolution image.
        scales: The scale factors that are drawn from, 1.5 to 8.
        clean: Share of images whose low-resolution image is the plain cubic reduction.
        methods: Names of the SR methods; ``None`` for all that are at hand.
        weights: Weight files of SR networks that spandrel can load; each is one more method.
        exclude: Folders of images, such as a test set's: a photograph that shows what one of them
            shows is left out.
        formula: What gives the scores: ``preference``, fitted to people's, or ``fidelity``, that of
            the demo set. Another one scores the same images anew.
        processes: How many processes; ``None`` for one per processor. The set does not depend on
            it.
    """

    photos: str
    output: str
    seed: int = 0
    side: int = 384
    crops: int = 1
    images: int = 12
    per_scale: int = 4
    scales: tuple[float, ...] = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
    clean: float = 0.35
    methods: tuple[str, ...] | None = None
    weights: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    formula: Literal["preference", "fidelity"] = "preference"
    processes: int | None = None

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, found {getattr(self, name)}")
        if self.processes is not None and self.processes < 1:
            raise ValueError(f"processes must be 1 or more, found {self.processes}")
        if not 0.0 <= self.clean <= 1.0:
            raise ValueError(f"clean must lie in [0, 1], found {self.clean}")
        wrong = [scale for scale in self.scales if not 1.5 <= scale <= 8.0]
        if wrong or not self.scales:
            raise ValueError(f"scales must be numbers from 1.5 to 8, found {list(self.scales)}")
        if len(set(self.scales)) < len(self.scales):
            raise ValueError(f"scales must differ, found {list(self.scales)}")

    def drawn_from(self) -> dict[str, object]:
        """Return the settings that decide which images are made, JSON-ready."""
        idle = {"photos", "output", "methods", "weights", "exclude", "formula", "processes"}
        return {name: value for name, value in plain(self).items() if name not in idle}
