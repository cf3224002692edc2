"""What a network looks at in the same few validation images, every so many epochs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import lightning as L
import numpy as np
from lightning.pytorch.callbacks import Callback
from PIL import Image, ImageColor, ImageDraw

from hmtnet.data.images import Pixels
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.devices import uncompiled
from hmtnet.experiment.loggers.sink import Picture
from hmtnet.experiment.loggers.stage_log import StageLog
from hmtnet.models.task import QualityTask
from hmtnet.scoring.judge import judge
from hmtnet.scoring.maps import Collector
from hmtnet.scoring.tiles import Tiles
from hmtnet.scoring.verdict import Verdict, verdict_of

if TYPE_CHECKING:
    from hmtnet.scoring.shading import Scale

IMAGES = 4
"""Validation images that are shown: evenly spaced in the order of their MOS."""

_SIDE = 192  # pixels of a panel's longer side
_LINE = 14  # pixels of a line of text
_GAP = 4  # pixels between panels
_GROUP = 16  # tiles that are looked at together


class MapsOfValidation(Callback):
    """Shows maps while validation is at its end: of the weights that it has judged, in its mode.

    Args:
        log: The stage's log.
        context: What the chain shares.
    """

    def __init__(self, log: StageLog, context: RunContext) -> None:
        self._log, self._context = log, context
        by_mos = sorted(context.split.val, key=lambda row: context.manifest.unit_mos[row])
        places = np.linspace(0, len(by_mos) - 1, IMAGES).round().astype(int)
        self._rows = [by_mos[place] for place in dict.fromkeys(places.tolist())]

    def on_validation_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Log maps, if it is their turn."""
        assert isinstance(pl_module, QualityTask)
        network, epoch = pl_module.network, trainer.current_epoch + 1
        # What needs labels, or a batch, has nothing to say of an image that comes alone.
        alone = not (network.reads_labels or network.mixes_images)
        due = epoch % self._context.settings.logger.maps_every == 0
        if trainer.is_global_zero and alone and due:
            self._log.pictures("maps", epoch, lambda: self._maps(pl_module))

    def _maps(self, task: QualityTask) -> Mapping[str, Picture]:
        manifest, shown = self._context.manifest, {}
        with uncompiled(self._context.settings.trainer):
            for row in self._rows:
                pixels, verdict = self._judged(task, row)
                record = manifest.records[row]
                drawn = _drawn(pixels, verdict)
                if drawn is not None:
                    shown[f"{record.image}, MOS {record.mos:.3g}"] = drawn
        return shown

    def _judged(self, task: QualityTask, row: int) -> tuple[Pixels, Verdict]:
        store, manifest, network = self._context.store, self._context.manifest, task.network
        pixels, reference = store.pair(row) if network.needs_reference else (store[row], None)
        crops, operator = task.fit_settings.crops, network.saliency_operator
        tiles = Tiles(pixels, crops, operator, task.device, _GROUP, reference)
        collector = Collector(network.shows, tiles)
        means = judge(network, tiles, collector.see)
        verdict = verdict_of(
            *(means, tiles.layout, collector.maps(), collector.styles()),
            mos_range=manifest.mos_range,
            higher_is_better=manifest.higher_is_better,
            label_kind=manifest.label_kind,
        )
        return pixels, verdict


def _drawn(pixels: Pixels, verdict: Verdict) -> Picture | None:
    """Put an image and its maps side by side, each below its title and above its scale."""
    from hmtnet.scoring.shading import reduced, shaded_maps, step_of

    maps = shaded_maps(pixels, verdict, _SIDE)
    if not maps:
        return None

    image = reduced(pixels, step_of(pixels, _SIDE)).round().astype(np.uint8)
    panels = [(image, "image", None), *((m.pixels, m.title, m.scale) for m in maps.values())]
    # Of one size whatever the image's: W&B warns of pictures that differ.
    sheet = Image.new("RGB", (len(panels) * (_SIDE + _GAP), _SIDE + 2 * _LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (shown, title, scale) in enumerate(panels):
        left = place * (_SIDE + _GAP)
        draw.text((left, 0), title, "black")
        sheet.paste(Image.fromarray(shown), (left, _LINE))
        if scale is not None:
            draw.text((left, _LINE + _SIDE), f"{scale.labels[0]} to {scale.labels[-1]}", "black")
            sheet.paste(_bar(scale), (left + _SIDE // 2, _LINE + _SIDE + _GAP))
    return np.asarray(sheet)


def _bar(scale: "Scale") -> Image.Image:
    """Return a scale's colours, from the lowest value to the highest."""
    colours = [ImageColor.getrgb(colour) for colour in scale.colours]
    how = Image.Resampling.NEAREST if scale.steps else Image.Resampling.BILINEAR
    row = Image.fromarray(np.array([colours], dtype=np.uint8))
    return row.resize((_SIDE // 2, _LINE // 2), how)
