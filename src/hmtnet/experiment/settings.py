"""The settings of a training command, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hmtnet.data.crops import CropSettings
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError, listed, nearest
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.system import System, SystemSettings, build_settings, find_system
from hmtnet.settings import build, plain

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


@dataclass(frozen=True, kw_only=True)
class SizeSettings:
    """What ``conf/`` fills every stage of a system from; the stages' own settings are what counts.

    Attributes:
        name: Of the size.
        epochs: Of a system of one stage.
        lr: Of what starts from random weights.
        batch_size: Images per step and process.
        crops: How an image is looked at.
        backbone: The feature extractor.
    """

    name: str
    epochs: int
    lr: float
    batch_size: int
    crops: CropSettings
    backbone: BackboneSettings


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Limits for a quick look; a capped run never passes for a full one (they enter its key).

    A limit that the stage does not reach limits nothing, and marks nothing; see ``reached``.

    Attributes:
        epochs: At most so many epochs per stage.
        batches: At most so many batches per epoch and subset.
    """

    epochs: int | None = None
    batches: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1 or null, found {value}")

    def reached(self, epochs: int, batches: int) -> "Caps | None":
        """Return the limits that leave something out; None where none does.

        Args:
            epochs: Epochs without a limit.
            batches: Batches per epoch of the largest subset, without a limit.
        """
        cap = Caps(
            epochs=self.epochs if self.epochs is not None and self.epochs < epochs else None,
            batches=self.batches if self.batches is not None and self.batches < batches else None,
        )
        return None if cap == Caps() else cap


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """The hardware.

    Attributes:
        accelerator: ``"gpu"``, by CUDA or ROCm; ``"cpu"``; ``"auto"``: a GPU if there is one.
            Apple's does not count: it has no float64, in which scores are compared.
        devices: How many processes train, one device each.
        precision: Of the forward and backward pass; weights stay float32.
        compile: Train the network as ``torch.compile`` makes it. The first steps take minutes,
            the others less time than before on a GPU; predictions are made uncompiled.
            ``"eager"`` only traces it, which needs no compiler and shows what cannot be traced.
        deterministic: Refuse operations that are not reproducible bit by bit on this device.
        workers: Loader processes; 0 prepares images in the training process.
        debug: Limits for a quick look.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    precision: Precision = "32-true"
    compile: bool | Literal["eager"] = False
    deterministic: bool = False
    workers: int = 0
    debug: Caps = field(default_factory=Caps)

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ValueError(f"devices: expected at least 1, found {self.devices}")
        if self.workers < 0:
            raise ValueError(f"workers: expected at least 0, found {self.workers}")


@dataclass(frozen=True, kw_only=True)
class LoggerSettings:
    """Where curves go, besides ``metrics.csv``, which is always written.

    Attributes:
        name: ``"csv"`` for that file alone, ``"wandb"`` for Weights & Biases too.
        project: W&B project.
        mode: ``"auto"`` is online where a key is configured, else offline.
        group: W&B group; a sweep gets one of its own.
    """

    name: Literal["csv", "wandb"] = "csv"
    project: str = "hmtnet"
    mode: Literal["auto", "online", "offline"] = "auto"
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What is predicted when a stage is finished.

    Attributes:
        test: Whether the test images are: null means yes in a single run and no in a sweep, because
            a sweep that reads test is selection on test.
        train: Whether the training images are. They tell how over-confident a network is on what it
            has seen, and the report learns its label-only rows from them; on many tiles they cost a
            quarter of a short training and more, so a sweep may leave them out.
        selection: What chooses the epoch. ``best_on_test`` exists only to measure how much that
            habit inflates results; such runs are marked everywhere.
    """

    test: bool | None = None
    train: bool = True
    selection: Literal["validation", "best_on_test"] = "validation"


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that ``hmtnet train`` is told.

    Attributes:
        seed: Of initial weights, order, augmentation and crops.
        data: The dataset.
        other: Another dataset to test on (``split=cross``).
        split: What its test images differ in from its training images.
        system: The system and its stages' settings.
        trainer: The hardware.
        logger: Where curves go.
        evaluate: What is predicted.
        stages: The chain: which of the system's stages are trained; empty means all but those that
            ``upstream`` gives.
        upstream: Run directories of finished stages to build on, by stage; their grades are kept.
        start: A finished stage, by its run directory or a shipped model's name, whose weights each
            stage begins with as far as it has the same parts. Grades are cut anew.
        runs: The folder of all run directories.
        format: What is printed at the end.
        size: What the system's stages were filled from, if anything; kept as a record.
    """

    seed: int = 0
    data: DataSettings
    split: SplitSettings
    system: SystemSettings
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logger: LoggerSettings = field(default_factory=LoggerSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    stages: tuple[str, ...] = ()
    upstream: dict[str, str] = field(default_factory=dict)
    start: str | None = None
    runs: str = "runs"
    format: Literal["text", "json"] = "text"
    other: DataSettings | None = None
    size: SizeSettings | None = None

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected at least 0, found {self.seed}")
        if self.split.protocol == "whole":
            raise ValueError("split=whole has no training images; it is for hmtnet evaluate")
        if (self.other is not None) != (self.split.protocol == "cross"):
            raise ValueError(
                "data@other and split=cross go together: give both, as in "
                "'data@other=ma split=cross', or neither"
            )


def train_settings(
    values: Mapping[str, Any], complete: bool = False
) -> tuple[TrainSettings, System]:
    """Convert a composed configuration to typed settings and look the system up.

    Args:
        values: The tree that ``conf/`` composes; what it leaves out has its default.
        complete: Refuse a tree that leaves something out. ``conf/`` lists every setting, so there a
            gap means that an override has replaced a whole group by a part of it.

    Raises:
        SettingsError: Something is unknown, missing, of a wrong type or contradictory.
    """
    rest = dict(values)
    chosen = rest.pop("system", None)
    if not isinstance(chosen, Mapping) or "name" not in chosen:
        raise SettingsError("Setting 'system': expected a group with a name, as in system=hmtnet.")
    system = find_system(str(chosen["name"]))
    # SystemSettings depend on the system, so they are built first and passed through as they are.
    settings = build(TrainSettings, {**rest, "system": build_settings(system, chosen)})
    _check_stages(settings, system)
    if complete:
        _check_complete(values, composed(settings), "")
    return settings, system


def composed(settings: TrainSettings) -> dict[str, Any]:
    """Return settings as the tree that ``conf/`` composes: what ``train_settings`` reads."""
    tree: dict[str, Any] = plain(settings)
    tree["system"].update(tree["system"].pop("stages"))
    return tree


def _check_complete(values: Mapping[str, Any], whole: Mapping[str, Any], where: str) -> None:
    missing = [name for name in whole if name not in values]
    if missing:
        raise SettingsError(
            f"Only a part of '{where or 'the configuration'}' was given; {listed(missing)} would "
            "be lost. conf/ fills that group from elsewhere, usually size (size.crops.size=64): "
            f"set it there, or give the group whole, {where}={{{': …, '.join(whole)}: …}}."
        )
    for name, inner in whole.items():
        if isinstance(inner, Mapping):
            _check_complete(values[name], inner, f"{where}.{name}" if where else name)


def _check_stages(settings: TrainSettings, system: System) -> None:
    known = [stage.name for stage in system.stages]
    for where, names in (("stages", settings.stages), ("upstream", settings.upstream)):
        for name in names:
            if name not in known:
                raise SettingsError(
                    f"Setting '{where}': unknown stage '{name}'.{nearest(name, known)}"
                )
    both = set(settings.stages) & set(settings.upstream)
    if both:
        raise SettingsError(
            f"Stage '{min(both)}' is to be trained (stages) and to be taken from an artifact "
            "(upstream). Choose one."
        )
