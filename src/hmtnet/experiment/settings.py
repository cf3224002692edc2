"""The settings of a training command, typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import SettingsError, nearest
from hmtnet.models.system import System, SystemSettings, build_settings, find_system
from hmtnet.settings import build

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]

# Groups that only fill in others while the configuration is composed.
COMPOSITION_ONLY = ("size",)


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Limits for a quick look; a capped run never passes for a full one (they enter its key).

    Attributes:
        epochs: At most so many epochs a stage.
        batches: At most so many batches an epoch and subset.
    """

    epochs: int | None = None
    batches: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batches"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1 or null, found {value}")

    @property
    def active(self) -> bool:
        """Whether anything is capped."""
        return self.epochs is not None or self.batches is not None


@dataclass(frozen=True, kw_only=True)
class TrainerSettings:
    """The hardware.

    Attributes:
        accelerator: Lightning's name of the kind of device.
        devices: How many processes train, one device each.
        precision: Of the forward and backward pass; weights stay float32.
        deterministic: Refuse operations that are not reproducible bit by bit on this device.
        workers: Loader processes; 0 prepares images in the training process.
        debug: Limits for a quick look.
    """

    accelerator: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: int = 1
    precision: Precision = "32-true"
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
    """

    test: bool | None = None


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Everything that ``hmtnet train`` is told.

    Attributes:
        data: The dataset.
        split: What its test images differ in from its training images.
        system: The system and its stages' settings.
        trainer: The hardware.
        logger: Where curves go.
        evaluate: What is predicted.
        stages: The chain: which of the system's stages are trained.
        upstream: Run directories of finished stages to start from, by stage.
        seed: Of initial weights, order, augmentation and crops.
        runs: The folder of all run directories.
    """

    data: DataSettings
    split: SplitSettings
    system: SystemSettings
    trainer: TrainerSettings = field(default_factory=TrainerSettings)
    logger: LoggerSettings = field(default_factory=LoggerSettings)
    evaluate: EvaluateSettings = field(default_factory=EvaluateSettings)
    stages: tuple[str, ...] = ()
    upstream: dict[str, str] = field(default_factory=dict)
    seed: int = 0
    runs: str = "runs"

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed: expected at least 0, found {self.seed}")


def train_settings(values: Mapping[str, Any]) -> tuple[TrainSettings, System]:
    """Convert a composed configuration to typed settings and look the system up.

    Raises:
        SettingsError: Something is unknown, missing, of a wrong type or contradictory.
    """
    rest = {key: value for key, value in values.items() if key not in COMPOSITION_ONLY}
    chosen = rest.pop("system", None)
    if not isinstance(chosen, Mapping) or "name" not in chosen:
        raise SettingsError("Setting 'system': expected a group with a name, as in system=hmtnet.")
    system = find_system(str(chosen["name"]))
    # SystemSettings depend on the system, so they are built first and passed through as they are.
    settings = build(TrainSettings, {**rest, "system": build_settings(system, chosen)})
    _check_stages(settings, system)
    return settings, system


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
