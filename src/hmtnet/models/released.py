"""Weights that a system's authors give away."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True)
class Released:
    """Authors' weights in our names, and what the scores of their network mean.

    Attributes:
        tensors: Weights by name: of every part that was trained, each whole.
        dataset: What it was trained on, by the name of its reader.
        seen: Names of all datasets here whose images are among those.
        label_kind: Who gave the labels.
        mos_range: Lowest and highest score; the network's own, in [0, 1], are mapped to it.
        higher_is_better: Whether a higher score means better quality.
        unit: The unit of the scores, in words.
    """

    tensors: Mapping[str, Tensor]
    dataset: str
    seen: tuple[str, ...]
    label_kind: Literal["human", "pseudo"]
    mos_range: tuple[float, float]
    higher_is_better: bool
    unit: str
