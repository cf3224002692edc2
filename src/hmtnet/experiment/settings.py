"""The settings of a training command, typed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hmtnet.data.crops import CropSettings
from hmtnet.errors import SettingsError, listed, nearest
from hmtnet.experiment.run_settings import RunSettings
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.system import System, SystemSettings, build_settings, find_system
from hmtnet.settings import build, plain


@dataclass(frozen=True, kw_only=True)
class SizeSettings:
    """What ``conf/`` fills every stage of a system from; the stages' own settings are what counts.

    Attributes:
        name: Of the size.
        epochs: Of a system of one stage.
        lr: Of what starts from random weights.
        batch_size: Images per step and process.
        ema: Decay per step of averaged weights; 0 keeps none.
        crops: How an image is looked at.
        backbone: The feature extractor.
    """

    name: str
    epochs: int
    lr: float
    batch_size: int
    ema: float
    crops: CropSettings
    backbone: BackboneSettings


@dataclass(frozen=True, kw_only=True)
class TrainSettings(RunSettings):
    """Everything that ``hmtnet train`` is told.

    Attributes:
        system: The system and its stages' settings.
        size: What the system's stages were filled from, if anything; kept as a record.
    """

    system: SystemSettings
    size: SizeSettings | None = None


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
        # Datasets beside the first are told by what differs from the defaults.
        if isinstance(inner, Mapping) and name != "also":
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
