"""What the commands that look after one dataset are told."""

from dataclasses import dataclass
from typing import Literal

from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings


@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Everything that ``hmtnet data verify | split | export`` is told.

    Attributes:
        data: The dataset.
        other: Another dataset to search for the same content (verify).
        split: The protocol (split).
        seed: Of the split; ``conf/split`` takes it over.
        output: The file to write.
        format: What is printed.
    """

    data: DataSettings
    split: SplitSettings
    other: DataSettings | None = None
    seed: int = 0
    output: str | None = None
    format: Literal["text", "json"] = "text"
