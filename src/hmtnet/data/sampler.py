"""Which images come when: order as a pure function of (seed, epoch)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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
        datasets: Number of each row's dataset, where several are mixed; None where there is one.
            Images are compared with those of their own dataset alone. So when shuffled they come in
            pairs of one dataset, and a batch of even size (over all processes) has at least two of
            each dataset that is in it. Of a dataset of odd size one image, by chance, sits out.
    """

    def __init__(
        self,
        rows: Sequence[int],
        seed: int,
        shuffle: bool,
        rank: int = 0,
        world: int = 1,
        datasets: npt.ArrayLike | None = None,
    ) -> None:
        self.rows = np.asarray(rows, dtype=np.int64)
        self.seed = seed
        self.shuffle = shuffle
        self.rank = rank
        self.world = world
        numbers = np.zeros(len(self.rows), int) if datasets is None else np.asarray(datasets)
        self.members = [self.rows[numbers == number] for number in np.unique(numbers)]
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[Draw]:
        order = self.rows
        if self.shuffle:
            rng = np.random.default_rng(np.random.SeedSequence([self.seed, self.epoch]))
            order = rng.permutation(order) if len(self.members) < 2 else self._in_pairs(rng)
            order = np.resize(order, -(-len(order) // self.world) * self.world)
        for place in range(self.rank, len(order), self.world):
            yield Draw(self.epoch, int(order[place]), place >= self._visited)

    def _in_pairs(self, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        shuffled = [rng.permutation(rows)[: len(rows) // 2 * 2] for rows in self.members]
        return rng.permutation(np.concatenate(shuffled).reshape(-1, 2)).reshape(-1)

    @property
    def _visited(self) -> int:
        """How many images an epoch visits."""
        paired = self.shuffle and len(self.members) > 1
        return sum(len(m) // 2 * 2 for m in self.members) if paired else len(self.rows)

    def __len__(self) -> int:
        whole, rest = divmod(self._visited, self.world)
        if self.shuffle:
            return whole + (rest > 0)
        return whole + (self.rank < rest)
