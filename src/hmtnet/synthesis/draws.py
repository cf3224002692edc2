"""Draws that are functions of names alone: the same whatever was drawn before, and where."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from hmtnet.data.demo.methods import uniform_draw

T = TypeVar("T")


class Draws:
    """All draws of one thing, told apart by what they are for.

    Args:
        names: What the draws belong to, such as the seed and an image's name.
    """

    def __init__(self, *names: object) -> None:
        self._names = names

    def unit(self, what: str) -> float:
        """Draw from [0, 1)."""
        return uniform_draw(*self._names, what)

    def uniform(self, what: str, low: float, high: float) -> float:
        """Draw from [low, high), rounded to four decimals, as recipes tell it."""
        return round(low + (high - low) * self.unit(what), 4)

    def geometric(self, what: str, low: float, high: float) -> float:
        """Draw from [low, high) so that doubling is as likely everywhere."""
        return round(low * math.exp(math.log(high / low) * self.unit(what)), 4)

    def choice(self, what: str, options: Sequence[T]) -> T:
        """Draw one of some options."""
        return options[int(self.unit(what) * len(options))]

    def shuffled(self, what: str, options: Sequence[T]) -> list[T]:
        """Draw an order. The options must differ as text."""
        return sorted(options, key=lambda option: self.unit(f"{what}/{option}"))

    def generator(self, what: str) -> np.random.Generator:
        """Return a generator for whole arrays."""
        return np.random.default_rng(int(self.unit(what) * 2**48))
