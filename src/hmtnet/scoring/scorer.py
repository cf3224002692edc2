"""Scores of anyone's images by a finished stage."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import torch

from hmtnet.artifact.calibration import calibrate
from hmtnet.artifact.description import need
from hmtnet.artifact.shipped import find_model
from hmtnet.artifact.store import META_FILE
from hmtnet.data.pairs import common_part
from hmtnet.errors import ArtifactError, DataError, SettingsError
from hmtnet.models.maps import MapStyle
from hmtnet.models.quality import Means
from hmtnet.models.reproducible import reproducible
from hmtnet.scoring.checks import check_alone, check_weighted, find_device
from hmtnet.scoring.familiar import Familiar
from hmtnet.scoring.judge import judge
from hmtnet.scoring.loss import QualityLoss
from hmtnet.scoring.maps import Collector
from hmtnet.scoring.pixels import ImageLike, read_rgb
from hmtnet.scoring.restore import restore
from hmtnet.scoring.tiles import Tiles
from hmtnet.scoring.verdict import Verdict, in_unit, verdict_of

log = logging.getLogger(__name__)

AnImage = TypeVar("AnImage", bound=ImageLike)


def load(artifact: Path | str, device: str | torch.device = "auto", half: bool = False) -> "Scorer":
    """Load a finished stage to score images with: ``load("runs/…/joint-<key>")("photo.png")``.

    Args:
        artifact: The run directory of a finished stage, or a shipped model's name.
        device: ``auto`` takes a GPU if there is one; or torch's name of a device.
        half: See `Scorer`.

    Raises:
        ArtifactError: The artifact is missing, damaged, or cannot judge an image that comes alone.
        SettingsError: The device cannot be used.
    """
    return Scorer(artifact, device, half=half)


class Scorer:
    """A finished stage, ready to judge images.

    Images are looked at as in test: tiles on a fixed grid, float32, means over the tiles. The same
    image gives the same bytes every time on the same machine. Scores agree with
    ``predictions.csv`` to 1e-6 of the unit score and not to the last bit, because there several
    images share a batch, and torch adds up in an order that depends on the batch. An image smaller
    than a tile is mirrored outwards, as in training; its verdict says so.

    Args:
        artifact: The run directory of a finished stage, or a shipped model's name.
        device: ``auto`` takes a GPU if there is one; or torch's name of a device.
        batch_tiles: Tiles that are looked at together: more need more memory and may be faster. It
            changes a score by no more than rounding.
        half: Whether the network computes in half precision: float16 on a GPU, bfloat16 on a CPU,
            where few are faster for it. Scores move by some thousandths of their range.

    Attributes:
        restored: The network, with its settings and description.
        device: Where it computes.
        mos_range: Lowest and highest possible score of the dataset that the stage was trained on.
        higher_is_better: Whether a higher score of it means better quality.
        label_kind: ``human`` or ``pseudo``.
        capped: Whether ``trainer.debug`` capped its training, or that of a stage before it: then
            its scores mean nothing, which is logged as a warning.

    Raises:
        ArtifactError: The artifact is missing or damaged, has no weights, or its network cannot
            judge an image that comes alone: it needs labels or other images.
        SettingsError: There is no such device, or ``batch_tiles`` is below 1.
    """

    def __init__(
        self,
        artifact: Path | str,
        device: str | torch.device = "auto",
        batch_tiles: int = 16,
        half: bool = False,
    ) -> None:
        if batch_tiles < 1:
            raise SettingsError(f"batch_tiles: expected at least 1, found {batch_tiles}.")
        folder = find_model(artifact)
        check_weighted(folder)
        self.batch_tiles = batch_tiles
        self.device = find_device(device)
        self._half = half
        self.restored = restore(folder)
        check_alone(self.restored.network, f"Stage '{self.restored.stage}' in {folder}")
        try:
            low, high = need(folder, self.restored.meta, list, "dataset", "mos_range")
            self.mos_range = (float(low), float(high))
        except (TypeError, ValueError, OverflowError) as error:
            raise ArtifactError(
                f"{folder / META_FILE} does not say what its scores mean ({type(error).__name__}: "
                f"{error}). Train the stage again."
            ) from error
        self.higher_is_better = need(
            folder, self.restored.meta, bool, "dataset", "higher_is_better"
        )
        self.label_kind = need(folder, self.restored.meta, str, "dataset", "label_kind")
        self._calibration = calibrate(folder, self.restored.meta)
        self._familiar = Familiar(folder, self.restored.meta)
        self.capped = bool(self.restored.meta.get("debug"))
        if self.capped:
            log.warning(
                "Stage '%s' in %s was capped by trainer.debug, so its scores mean nothing. Train "
                "it without the cap.",
                *(self.restored.stage, folder),
            )
        self._network = self.restored.network.to(self.device).eval()

    @overload
    def __call__(
        self,
        image: ImageLike,
        maps: bool = True,
        reference: ImageLike | None = None,
        scale: float | None = None,
    ) -> Verdict: ...

    @overload
    def __call__(
        self, image: list[AnImage] | tuple[AnImage, ...], maps: bool = True
    ) -> list[Verdict]: ...

    def __call__(
        self,
        image: ImageLike | list[AnImage] | tuple[AnImage, ...],
        maps: bool = True,
        reference: ImageLike | None = None,
        scale: float | None = None,
    ) -> Verdict | list[Verdict]:
        """Judge one image, beside its reference where the stage is of a full-reference system.

        Args:
            image: A file, a Pillow image of mode RGB, a uint8 array (H, W, 3) or a uint8 tensor
                (3, H, W); or a list of these, of any sizes, each judged by itself.
            maps: Whether the verdict has maps. They need memory as large as the image, several
                times; without, memory holds the image, its saliency and ``batch_tiles`` tiles; a
                network that declares no passes needs all tiles together.
            reference: The reference image, where the stage needs it. A side may be longer or
                shorter by the scale factor; then both images are cut to their common top-left part,
                as in training.
            scale: The image's scale factor; None where it is unknown, and 1 pixel is allowed.

        Raises:
            DataError: An image cannot be read, is no 8-bit RGB, is of another size than its
                reference, or gets no finite score.
            SettingsError: The stage needs a reference and there is none, or the other way round; or
                there is a scale factor without a reference, or one below 1.
        """
        if isinstance(image, (list, tuple)):
            if reference is not None:
                raise SettingsError(
                    "A reference is given with a list of images. Give each image with its own."
                )
            return [self(one, maps) for one in image]
        self._check_reference(reference, scale)
        network = self._network
        with reproducible(self.device), torch.autocast(self.device.type, enabled=self._half):
            tiles, outside = self._tiles(image, reference, scale)
            if not maps:
                return self._verdict(judge(network, tiles, _blind), tiles, outside, {}, {})
            collector = Collector(network.shows, tiles)
            means = judge(network, tiles, collector.see)
            return self._verdict(means, tiles, outside, collector.maps(), collector.styles())

    def many(
        self, images: Iterable[Path | str], maps: bool = False
    ) -> Iterator[tuple[Path, Verdict]]:
        """Judge files one after another: each when it is asked for, none kept.

        A file that cannot be read is passed over, with a warning that names it and says why.

        Args:
            images: Paths.
            maps: Whether the verdicts have maps.

        Yields:
            Each path and its verdict, in the order given.

        Raises:
            SettingsError: The stage needs a reference with each image.
        """
        for image in images:
            path = Path(image)
            try:
                verdict = self(path, maps)
            except DataError as error:
                log.warning("not scored: %s: %s", path, error)
                continue
            yield path, verdict

    def as_loss(self, reduction: Literal["mean", "none"] = "mean") -> QualityLoss:
        """Return the stage as a loss for training: a `torch.nn.Module`, lower is better.

        Args:
            reduction: ``"mean"`` over the images of a batch, or ``"none"``.

        Raises:
            SettingsError: There is no such reduction.
        """
        return QualityLoss(self.restored, reduction)

    def _tiles(
        self, image: ImageLike, reference: ImageLike | None, scale: float | None
    ) -> tuple[Tiles, tuple[str, ...]]:
        """Read the images, and say in which ways they are unlike what was learned from.

        The decoded ones are not kept, as the tiles have their own.
        """
        pixels, pristine = read_rgb(image), None
        if reference is not None:
            name = str(image) if isinstance(image, (str, Path)) else "given"
            pixels, pristine = common_part(pixels, read_rgb(reference), scale, name)
        crops, operator = self.restored.settings.crops, self._network.saliency_operator
        outside = self._familiar.outside(pixels)
        return Tiles(pixels, crops, operator, self.device, self.batch_tiles, pristine), outside

    def _check_reference(self, reference: ImageLike | None, scale: float | None) -> None:
        stage, needed = self.restored.stage, self._network.needs_reference
        if needed and reference is None:
            raise SettingsError(
                f"Stage '{stage}' compares an image with its reference, and none is given. Give "
                "it (scorer(image, reference=…)), or take a stage that needs none."
            )
        if not needed and reference is not None:
            raise SettingsError(
                f"Stage '{stage}' judges images without a reference, and one is given. Leave it "
                "out, or take a stage of a full-reference system."
            )
        if scale is not None and (reference is None or scale < 1):
            raise SettingsError(
                "scale says by how much an image and its reference may differ in size: expected a "
                f"factor of at least 1 beside a reference, found scale={scale}"
                + (" and no reference. Leave it out." if reference is None else ".")
            )

    def _verdict(
        self,
        means: Means,
        tiles: Tiles,
        outside: tuple[str, ...],
        maps: dict[str, Any],
        styles: dict[str, MapStyle],
    ) -> Verdict:
        if not all(bool(torch.isfinite(mean).all()) for mean in means.values()):
            raise DataError(
                "The network gives no finite score of the image: its weights are too large"
                + (" for half precision. Load it without half=True." if self._half else ".")
            )
        meaning = (self.mos_range, self.higher_is_better)
        verdict = verdict_of(
            *(means, tiles.layout, maps, styles),
            mos_range=self.mos_range,
            higher_is_better=self.higher_is_better,
            label_kind=self.label_kind,
        )
        interval = None
        if self._calibration is not None:
            half = self._calibration.half_width
            ends = (verdict.unit_score - half, verdict.unit_score + half)
            first, last = sorted(in_unit(min(1.0, max(0.0, end)), *meaning) for end in ends)
            interval = (first, last)
        return replace(verdict, interval=interval, outside=outside)


def _blind(*_: object) -> None:
    """See nothing."""
