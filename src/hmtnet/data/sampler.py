"""Which images come when: order as a pure function of (seed, epoch)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from torch.utils.data import Sampler


class Draw(NamedTuple):
    """One visit to an image; with the seed it determines every random number of that visit."""

    epoch: int
    row: int
    repeated: bool = False  # within this epoch, so that every process takes as many steps


class EpochSampler(Sampler[Draw]):
    """Yield the rows of one subset, each with the epoch it is drawn in.

    The epoch travels with the row, so that a loader's workers, which live longer than an epoch,
    need not be told. Lightning calls ``set_epoch``, also after resuming.

    Args:
        rows: Rows in the manifest.
        seed: Order is a function of (seed, epoch).
        shuffle: Whether to shuffle: training does, validation and test do not.
        rank: This process's rank.
        world: Number of processes. In training every process gets the same number of images (if
            need be, the first ones of the order come twice, then marked as ``repeated``) because
            gradients are synchronised step by step; otherwise each image is visited by exactly one
            process.
    """

    def __init__(
        self, rows: Sequence[int], seed: int, shuffle: bool, rank: int = 0, world: int = 1
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world = world
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Draw]:
        order = self.rows
        if self.shuffle:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch]))
            order = rng.permutation(order)
            order = np.resize(order, -(-len(order) // self.world) * self.world)
        for place in range(self.rank, len(order), self.world):
            yield Draw(self.epoch, int(order[place]), place >= len(self.rows))

    def __len__(self) -> int:
        whole, rest = divmod(len(self.rows), self.world)
        if self.shuffle:
            return whole + (rest > 0)
        return whole + (self.rank < rest)
