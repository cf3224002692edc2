"""How a stage is fitted: what all stages' settings share, and the optimiser."""

from dataclasses import dataclass, field
from typing import Any, Literal, Self, final

from torch import nn
from torch.optim import Adam, AdamW, Optimizer

from hmtnet.data.augment import check_operations
from hmtnet.data.crops import CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.schedules import ScheduleSettings


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings:
    """Which optimiser, and how strongly it pulls.

    Attributes:
        name: ``"adamw"`` (Loshchilov & Hutter, ICLR 2019), or ``"adam"`` (Kingma & Ba, ICLR 2015),
            as earlier methods were trained.
        lr: Learning rate of what starts from random weights.
        loaded_lr: Learning rate of what was loaded: backbones, upstream stages and what a chain
            starts from. 0 freezes it,
            its batch norms' statistics too, and saves its backward pass. A head that starts at
            random pulls good features away (Kumar et al., ICLR 2022): let it learn on frozen ones
            first, and tune all in a later stage.
        weight_decay: Decoupled in AdamW; in Adam an L2 penalty, whose gradient is scaled like any
            other.
        decay_vectors: Whether norms, biases and other vectors decay too, as they did in earlier
            methods.
        clip: Largest norm of the gradient; 0 does not clip.
    """

    name: Literal["adamw", "adam"] = "adamw"
    lr: float = 1e-3
    loaded_lr: float = 1e-4
    weight_decay: float = 1e-4
    decay_vectors: bool = False
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lr", "loaded_lr", "weight_decay", "clip"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name}: expected at least 0, found {getattr(self, name)}")

    def idle(self) -> set[str]:
        """Name what has no effect: what decays where nothing does."""
        return set() if self.weight_decay else {"decay_vectors"}


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """What the settings of every stage have in common. A subclass checks its own in ``check``.

    Attributes:
        optimizer: The optimiser.
        schedule: The learning rate over the stage.
        epochs: Passes over the training images.
        batch_size: Images (not crops) per batch and process. Losses that compare images see one.
        accumulate: Batches per optimiser step, whose gradients are averaged.
        ema: Decay per step of an exponential moving average of the weights (Polyak & Juditsky, SIAM
            J. Control Optim. 1992), as in 0.999; it is what is validated and kept. 0 keeps none.
        early_stopping: Epochs without a better validation SRCC after which the stage ends, or None.
        crops: How an image is looked at.
        augment: Quality-preserving operations on training images.
    """

    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    epochs: int = 10
    batch_size: int = 16
    accumulate: int = 1
    ema: float = 0.0
    early_stopping: int | None = None
    crops: CropSettings = field(default_factory=CropSettings)
    augment: tuple[str, ...] = ("horizontal_flip", "quarter_turn")

    @final
    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs: expected at least 1, found {self.epochs}")
        check_operations(self.augment)
        if self.batch_size < 2:
            raise ValueError(f"batch_size: expected at least 2 images, found {self.batch_size}")
        for name in ("accumulate", "early_stopping"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, found {value}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: expected a decay from 0 to below 1, found {self.ema}")
        self.check()

    def __init_subclass__(cls, **more: Any) -> None:
        """Refuse a subclass whose ``__post_init__`` would take the place of the checks here."""
        super().__init_subclass__(**more)
        if "__post_init__" in cls.__dict__:
            raise TypeError(f"{cls.__name__}: define check() instead of __post_init__().")

    def check(self) -> None:
        """Check what a subclass adds, by raising ``ValueError``."""

    @property
    def stands_alone(self) -> bool:
        """Whether a stage with these settings has no use for upstream stages."""
        return False

    @property
    def closed_form(self) -> bool:
        """Whether the weights are solved for: in one pass over tiles, in one process."""
        return False

    def for_restoring(self) -> Self:
        """Return the settings that a finished stage is rebuilt by: without what it started from."""
        return self

    @property
    def folds(self) -> int:
        """Into how many parts the training contents are divided, each to be judged out of fold.

        For each part, every stage that this one borrows from is trained on the other parts, and
        judges that part; see ``StageInputs.out_of_fold``. 0 asks for nothing of the kind.
        """
        return 0


def freeze_loaded(network: nn.Module, settings: OptimizerSettings) -> None:
    """Freeze what was loaded if it shall not learn (``loaded_lr: 0``).

    Raises:
        SettingsError: Nothing would be left to learn, though something could.
    """
    if settings.loaded_lr > 0 or not any(p.requires_grad for p in network.parameters()):
        return
    for parameter in _loaded(network):
        parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise SettingsError(
            "loaded_lr: expected a rate above 0 where everything was loaded, found 0: nothing "
            "would be left to learn. Set this stage's optimizer.loaded_lr, as in 1e-4."
        )


def rest_frozen(network: nn.Module, settings: OptimizerSettings) -> None:
    """Put what is frozen into evaluation mode, where batch norms gather no statistics."""
    if settings.loaded_lr > 0:
        return
    for module in network.modules():
        if getattr(module, "loaded", False):
            module.eval()


def is_loaded(network: nn.Module) -> bool:
    """Whether all that a network will learn was trained before, as where every part is upstream."""
    loaded = {id(parameter) for parameter in _loaded(network)}
    learning = [id(parameter) for parameter in network.parameters() if parameter.requires_grad]
    return bool(learning) and loaded.issuperset(learning)


def _loaded(network: nn.Module) -> list[nn.Parameter]:
    """List the parameters inside modules with ``loaded = True``; a shared one may come twice."""
    return [
        parameter
        for module in network.modules()
        if getattr(module, "loaded", False)
        for parameter in module.parameters()
    ]


def optimizer_for(network: nn.Module, settings: OptimizerSettings) -> Optimizer:
    """Group a network's trainable parameters and make the optimiser.

    A module with ``loaded = True`` passes the lower rate on to everything inside it, and one with a
    ``rate_factor`` multiplies the rates inside it.
    """
    loaded = {id(parameter) for parameter in _loaded(network)}
    factors: dict[int, float] = {}
    for module in network.modules():
        factor = getattr(module, "rate_factor", 1.0)
        if factor != 1:
            for parameter in module.parameters():
                factors[id(parameter)] = factors.get(id(parameter), 1.0) * factor
    groups: dict[tuple[bool, float, bool], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad:
            which = id(parameter)
            decays = parameter.ndim > 1 or settings.decay_vectors
            group = (which in loaded, factors.get(which, 1.0), decays)
            groups.setdefault(group, []).append(parameter)
    kind: type[Adam | AdamW] = Adam if settings.name == "adam" else AdamW
    return kind(
        [
            {
                "params": parameters,
                "lr": (settings.loaded_lr if was_loaded else settings.lr) * factor,
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for (was_loaded, factor, decays), parameters in sorted(groups.items())
        ]
    )
