"""What a reader is."""

from collections.abc import Callable
from dataclasses import dataclass

from hmtnet.data.facts import Facts
from hmtnet.data.labels import Labels
from hmtnet.data.settings import DataSettings


@dataclass(frozen=True)
class Reader:
    """One dataset layout.

    Attributes:
        read: Reads a folder in this layout: every label, every image's name, or one ``DataError``.
            Nothing is decoded or digested here.
        facts: What is known of the dataset; None where the layout is anyone's.
    """

    read: Callable[[DataSettings], Labels]
    facts: Facts | None = None
