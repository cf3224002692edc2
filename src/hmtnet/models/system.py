"""What a system is: stages in order, each with its settings, its network and its task."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from hmtnet.data.grades import Grades, GradesSettings
from hmtnet.data.pairs import ReferenceUse
from hmtnet.errors import SettingsError, nearest
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.weights import WeightedSettings
from hmtnet.settings import build

if TYPE_CHECKING:
    from hmtnet.models.task import QualityTask

T = TypeVar("T")


@dataclass(frozen=True)
class StageInputs:
    """What a stage's network and task are made from, besides their settings.

    Attributes:
        grades: The grades, of the upstream grading stage or of the training MOS.
        upstream: Finished networks by stage name.
        method_keys: (records,) a whole number for each record's SR method, -1 where it has none.
        out_of_fold: By stage name, (records, K) grade log-probabilities: of each training image
            what that stage's network says which was trained without the image's content; NaN of
            all others. For settings with ``folds`` only.
        distortion_keys: (records,) a whole number, counted from 0, for the distortion type (SR
            method and scale, as far as the dataset has them) of each training image; -1 where it
            has none, and of all others.
        distortion_mos: (types,) mean unit score of each type's training images.

    Keys and out-of-fold tables are a training's: a network that is restored from an artifact is
    built without them.
    """

    grades: Grades
    upstream: Mapping[str, QualityNetwork] = field(default_factory=dict)
    method_keys: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    out_of_fold: Mapping[str, Tensor] = field(default_factory=dict)
    distortion_keys: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    distortion_mos: Tensor = field(default_factory=lambda: torch.zeros(0))


@dataclass(frozen=True)
class Stage:
    """One trainable step of a system.

    Attributes:
        name: Also the name of its settings' group.
        after: Stages whose artifacts it starts from, as far as the chain has them.
        settings: Its settings' class.
        network: Makes the network.
        task: Makes the Lightning task around the network. Kept apart and imported late, so that
            scoring needs no trainer.
        borrows: Those of ``after`` whose networks stay inside, frozen, and in their own artifacts.
        needs: Fields of a record of which its training images must have at least one.
    """

    name: str
    settings: type[FitSettings]
    network: Callable[[Any, StageInputs], QualityNetwork]
    task: Callable[[Any, Any, StageInputs], "QualityTask"]
    after: tuple[str, ...] = ()
    borrows: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """A method under test.

    Attributes:
        name: As in ``system=<name>``.
        stages: In the order in which they are trained.
        reference: The most that its networks ask of reference images.
    """

    name: str
    stages: tuple[Stage, ...]
    reference: ReferenceUse = "none"

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises:
            SettingsError: There is none of that name.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = [stage.name for stage in self.stages]
        raise SettingsError(f"System '{self.name}' has no stage '{name}'.{nearest(name, known)}")


@dataclass(frozen=True)
class SystemSettings:
    """Typed settings of one system.

    Attributes:
        name: The system's name.
        grades: How the training MOS are cut into grades.
        stages: Settings by stage name.
    """

    name: str
    grades: GradesSettings
    stages: Mapping[str, FitSettings]


# "module:attribute" of each system; imported when asked for.
SYSTEMS = {
    "ahiq": "hmtnet.models.ahiq.system:SYSTEM",
    "cnniqa": "hmtnet.models.cnniqa.system:SYSTEM",
    "hmtnet": "hmtnet.models.hmtnet.stage:SYSTEM",
    "mfen": "hmtnet.models.mfen.system:SYSTEM",
    "nemg": "hmtnet.models.nemg.system:SYSTEM",
    "plain": "hmtnet.models.plain.system:SYSTEM",
    "pmt": "hmtnet.models.pmt.system:SYSTEM",
    "ridge": "hmtnet.models.ridge.system:SYSTEM",
}


# By entry points of this group, name = "module:attribute", other packages add theirs.
GROUP = "hmtnet.systems"


def added_systems() -> dict[str, EntryPoint]:
    """Return the systems that other packages add, by name, not yet imported.

    A package cannot replace one of ours.
    """
    points = entry_points(group=GROUP)
    return {point.name: point for point in points if point.name not in SYSTEMS}


def package_of(point: EntryPoint) -> str:
    """Return the name by which the package behind an entry point is installed."""
    return point.module.partition(".")[0] if point.dist is None else str(point.dist.name)


def find_system(name: str) -> System:
    """Return the system that ``system=<name>`` means.

    Raises:
        SettingsError: No system has that name, or what another package names so cannot be used.
    """
    if name in SYSTEMS:
        module, _, attribute = SYSTEMS[name].partition(":")
        own: System = getattr(import_module(module), attribute)
        return own
    added = added_systems()
    if name not in added:
        raise SettingsError(f"Unknown system '{name}'.{nearest(name, {*SYSTEMS, *added})}")
    point = added[name]
    packages = {package_of(other) for other in entry_points(group=GROUP) if other.name == name}
    if len(packages) > 1:
        raise SettingsError(
            f"The packages {' and '.join(sorted(packages))} both add a system '{name}'. Uninstall "
            "all of them but one."
        )
    whose = f"System '{name}' of the package '{package_of(point)}'"
    try:
        system = point.load()
    except Exception as error:  # it is others' code that runs here, so it may be any
        raise SettingsError(
            f"{whose} cannot be imported from '{point.value}' ({type(error).__name__}: {error}). "
            "Repair, update or uninstall that package."
        ) from error
    if not isinstance(system, System):
        raise SettingsError(
            f"{whose}: '{point.value}' is not a System. Its entry point in the group {GROUP} "
            f"must name a hmtnet.models.system.System; found a {type(system).__name__}."
        )
    if system.name != name:
        raise SettingsError(
            f"{whose}: '{point.value}' calls itself '{system.name}', and its artifacts would not "
            "be found by that name. Name the entry point and the System alike."
        )
    return system


def own_systems() -> tuple[System, ...]:
    """Return the systems that hmtnet itself brings."""
    return tuple(find_system(name) for name in SYSTEMS)


def build_settings(system: System, values: Mapping[str, Any]) -> SystemSettings:
    """Convert the ``system`` group of a configuration to types, strictly."""
    known = {"name", "grades", *(stage.name for stage in system.stages)}
    for key in values:
        if key not in known:
            raise SettingsError(f"Unknown setting 'system.{key}'.{nearest(str(key), known)}")
    return SystemSettings(
        name=system.name,
        grades=build(GradesSettings, values.get("grades", {}), "system.grades"),
        stages={
            stage.name: build(stage.settings, values.get(stage.name, {}), f"system.{stage.name}")
            for stage in system.stages
        },
    )


def unweighted(settings: T) -> T:
    """Return settings whose backbones load no weights: an artifact will fill them."""
    return _each_weighted(settings, lambda weighted: weighted.unweighted())


def identified(settings: T) -> T:
    """Return settings that are equal where networks are: weights by what, not where, they are."""
    return _each_weighted(settings, lambda weighted: weighted.identified())


def _each_weighted(settings: T, change: Callable[[WeightedSettings], WeightedSettings]) -> T:
    if isinstance(settings, WeightedSettings):
        return cast("T", change(settings))
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        changed = {
            f.name: _each_weighted(getattr(settings, f.name), change)
            for f in dataclasses.fields(settings)
        }
        return dataclasses.replace(settings, **changed)
    return settings
