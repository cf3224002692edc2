"""The settings of a run that do not depend on the system. They are read without torch, at once."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Literal

from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]

Kept = Literal["none", "best", "all"]
"""Of which stages of a chain something is kept: of none, of the last one, or of all."""


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
        threads: CPU threads that each process computes with; None: as many as torch decides, or
            ``OMP_NUM_THREADS`` says. Another number sums in another order.
        workers: Loader processes; 0 prepares images in the training process.
        debug: Limits for a quick look.
    """

    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    precision: Precision = "32-true"
    compile: bool | Literal["eager"] = False
    deterministic: bool = False
    threads: int | None = None
    workers: int = 0
    debug: Caps = field(default_factory=Caps)

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ValueError(f"devices: expected at least 1, found {self.devices}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads: expected at least 1 or null, found {self.threads}")
        if self.workers < 0:
            raise ValueError(f"workers: expected at least 0, found {self.workers}")


@dataclass(frozen=True, kw_only=True)
class LoggerSettings:
    """Where curves go, besides ``metrics.csv``, which is always written.

    Attributes:
        name: ``"csv"`` for that file alone; ``"wandb"`` for Weights & Biases, ``"tensorboard"`` for
            TensorBoard, too.
        project: W&B project.
        mode: Of W&B: ``"auto"`` is online where a key is configured, else offline.
        group: Of runs; null is the sweep's name, else the chain's.
        tags: Of runs, besides dataset, split, system and ablation.
        changes: What a sweep's trial changes, by setting, as its runs' names say it; the sweep
            fills it.
        images: Of which stages pictures of the dataset are logged; null means of all, and of none
            where W&B is online and they would leave the machine.
        maps_every: Epochs from one picture of the network's maps to the next.
        artifacts: Of which stages W&B gets weights, predictions and split, which leave the machine
            where it is online.

    Of a trial of a sweep, ``"all"`` means ``"best"``.
    """

    name: Literal["csv", "wandb", "tensorboard"] = "csv"
    project: str = "hmtnet"
    mode: Literal["auto", "online", "offline"] = "auto"
    group: str | None = None
    tags: tuple[str, ...] = ()
    changes: dict[str, str] = field(default_factory=dict)
    images: Kept | None = None
    maps_every: int = 10
    artifacts: Kept = "none"

    def __post_init__(self) -> None:
        if self.maps_every < 1:
            raise ValueError(f"maps_every: expected at least 1, found {self.maps_every}")
        if self.name == "tensorboard" and find_spec("tensorboard") is None:
            raise ValueError(
                'TensorBoard is not installed. Install it (pip install "hmtnet[tensorboard]"), or '
                "take logger=csv or logger=wandb"
            )


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
class RunSettings:
    """What ``hmtnet train`` is told about a run, whichever the system.

    Attributes:
        seed: Of initial weights, order, augmentation and crops.
        data: The dataset.
        other: Another dataset to test on (``split=cross``).
        split: What its test images differ in from its training images.
        trainer: The hardware.
        logger: Where curves go.
        evaluate: What is predicted.
        stages: The chain: which of the system's stages are trained; empty means all but those that
            ``upstream`` gives.
        upstream: Run directories of finished stages to build on, by stage; their grades are kept.
        start: A finished stage, by its run directory or a shipped model's name, whose weights each
            stage begins with as far as it has the same parts. Grades are cut anew.
        sweep_name: Of a multirun's folder under ``runs``; null is a digest of what is swept.
        runs: The folder of all run directories.
        format: What is printed at the end.
        report: Whether a page of the finished chain is made, in a single run.
    """

    seed: int = 0
    data: DataSettings
    split: SplitSettings
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logger: LoggerSettings = field(default_factory=LoggerSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    stages: tuple[str, ...] = ()
    upstream: dict[str, str] = field(default_factory=dict)
    start: str | None = None
    sweep_name: str | None = None
    runs: str = "runs"
    format: Literal["text", "json"] = "text"
    report: bool = True
    other: DataSettings | None = None

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
