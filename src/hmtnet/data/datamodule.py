"""From a manifest and a split to batches of whole images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import lightning as L
import numpy as np
from torch.utils.data import DataLoader, Dataset

from hmtnet.data.augment import Augment
from hmtnet.data.batch import Batch, Sample, place_crops
from hmtnet.data.crops import CropSettings
from hmtnet.data.grades import Grades
from hmtnet.data.images import ImageStore, to_tensor
from hmtnet.data.manifest import Manifest
from hmtnet.data.pairs import ReferenceUse
from hmtnet.data.sampler import Draw, EpochSampler
from hmtnet.data.split import Split, Subset
from hmtnet.errors import HmtnetError


@dataclass(frozen=True, kw_only=True)
class LoaderSettings:
    """How batches are made; nothing here may change a result.

    Attributes:
        workers: Processes that prepare images; 0 prepares them in the main process.
        pin_memory: Whether batches are put into page-locked memory (GPU only).
    """

    workers: int = 0
    pin_memory: bool = False


class ImageDataset(Dataset[Sample | HmtnetError]):
    """Whole images with the places of their crops, addressed by ``Draw``."""

    def __init__(
        self,
        store: ImageStore,
        unit_mos: np.ndarray,
        crops: CropSettings,
        seed: int,
        augment: Augment | None,
        with_reference: bool = False,
        grades: np.ndarray | None = None,
        datasets: np.ndarray | None = None,
    ) -> None:
        self.store = store
        self.unit_mos = unit_mos
        self.crops = crops
        self.seed = seed
        self.augment = augment
        self.with_reference = with_reference
        self.grades = grades
        self.datasets = datasets

    def __getitem__(self, draw: Draw) -> Sample | HmtnetError:
        """Prepare one image; an error is returned, to be raised by ``_Loader``."""
        try:
            return self._prepare(draw)
        except HmtnetError as error:
            return error

    def _prepare(self, draw: Draw) -> Sample:
        """Augment (training only), pad if too small, place the crops."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, draw.epoch, draw.row]))
        image, reference = (
            self.store.pair(draw.row) if self.with_reference else (self.store[draw.row], None)
        )
        if self.augment is not None:
            image, reference = self.augment(image, reference, int(rng.integers(2**31)))
        sample = place_crops(
            to_tensor(image),
            self.crops,
            None if reference is None else to_tensor(reference),
            None if self.augment is None else rng,
        )
        return replace(
            sample,
            row=draw.row,
            unit_mos=float(self.unit_mos[draw.row]),
            grade=-1 if self.grades is None else int(self.grades[draw.row]),
            dropout_draw=float(rng.random()),
            repeated=draw.repeated,
            dataset=None if self.datasets is None else int(self.datasets[draw.row]),
        )


class _Loader(DataLoader[Sample | HmtnetError]):
    """Raises errors where batches are used: torch puts a worker's traceback into their text."""

    def __iter__(self) -> Any:
        for batch in super().__iter__():
            if isinstance(batch, HmtnetError):
                raise batch
            yield batch


def _collate(samples: Sequence[Sample | HmtnetError]) -> Batch | HmtnetError:
    whole = [sample for sample in samples if isinstance(sample, Sample)]
    failed = [sample for sample in samples if isinstance(sample, HmtnetError)]
    return failed[0] if failed else Batch.collate(whole)


class QualityData(L.LightningDataModule):
    """The loaders of one stage.

    Args:
        manifest: The dataset.
        split: Which rows train, validate and test.
        store: The decoded images.
        crops: How an image is looked at.
        batch_size: Images a batch and process.
        augment: Quality-preserving operations for training images.
        seed: Seed of order, augmentation and crops.
        loader: Workers and memory.
        reference: Whether samples carry their reference image: never, in training and validation
            alone, or always.
        chosen_on: The subset that the epoch is chosen on.
        mixed: Whether validation and test images come in a random order, always the same one, so
            that each batch is a random sample of them.
        train_on_tiles: Whether training sees its images as validation does, each exactly once and
            in order, instead of drawing from them.
        grades: The grades, for networks that learn or read them.
        datasets: (N,) number of each image's dataset where several are trained on, else None.
    """

    def __init__(
        self,
        manifest: Manifest,
        split: Split,
        store: ImageStore,
        crops: CropSettings,
        batch_size: int,
        augment: Sequence[str] = (),
        seed: int = 0,
        loader: LoaderSettings | None = None,
        reference: ReferenceUse = "none",
        chosen_on: Subset = "val",
        mixed: bool = False,
        train_on_tiles: bool = False,
        grades: Grades | None = None,
        datasets: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.train_on_tiles = train_on_tiles
        self.chosen_on = chosen_on
        self.mixed = mixed
        self.split = split
        self.images = tuple(record.image for record in manifest.records)
        self.crops = crops
        self.batch_size = batch_size
        self.seed = seed
        self.loader = loader or LoaderSettings()
        self.datasets = datasets
        self._epoch = 0
        unit = manifest.unit_mos
        learning, judging = reference != "none", reference == "always"
        assigned = None if grades is None else grades.of(manifest)
        shared = (store, unit, crops, seed)
        self._drawn = ImageDataset(*shared, Augment(augment), learning, assigned, datasets)
        self._tiled = ImageDataset(*shared, None, learning, assigned, datasets)
        self._judged = ImageDataset(*shared, None, judging, assigned, datasets)

    def train_dataloader(self) -> _Loader:
        """Random crops of augmented training images, in an order that changes by epoch."""
        if self.train_on_tiles:
            return self._make(self._tiled, self.split.train, shuffle=False)
        return self._make(self._drawn, self.split.train, shuffle=True)

    def val_dataloader(self) -> _Loader:
        """Tiles of the images that the epoch is chosen on."""
        return self._make(self._tiled, self.split.subsets[self.chosen_on], shuffle=False)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint keeps: the epoch that a resumed training starts with."""
        assert self.trainer is not None
        progress: Any = self.trainer.fit_loop.epoch_progress.current
        return {"epoch": progress.processed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume.

        Lightning makes the first iterator, from which workers draw ahead, before it has told the
        sampler which epoch it is.
        """
        self._epoch = state_dict["epoch"]

    def tiled(self, subset: Subset) -> _Loader:
        """Tiles of a subset's images, each image once, in this process alone."""
        return self._make(self._judged, getattr(self.split, subset), shuffle=False, alone=True)

    def _make(
        self, dataset: ImageDataset, rows: Sequence[int], shuffle: bool, alone: bool = False
    ) -> _Loader:
        trainer = self.trainer
        rank, world = (
            (0, 1) if trainer is None or alone else (trainer.global_rank, trainer.world_size)
        )
        if self.mixed and not shuffle:
            # Of epoch 0, whichever epoch is being validated.
            rows = [draw.row for draw in EpochSampler(rows, self.seed, shuffle=True)]
        datasets = None if self.datasets is None else self.datasets[list(rows)]
        sampler = EpochSampler(rows, self.seed, shuffle, rank, world, datasets)
        sampler.set_epoch(self._epoch)
        # A last batch of one or two images would give batch norms and ranking losses nothing to
        # compare; training drops it (other images next epoch) unless it is the only batch.
        return _Loader(
            dataset,
            batch_size=self.batch_size,
            sampler=sampler,
            drop_last=shuffle and len(sampler) >= self.batch_size,
            num_workers=self.loader.workers,
            persistent_workers=self.loader.workers > 0 and not alone,
            pin_memory=self.loader.pin_memory,
            collate_fn=_collate,
        )
