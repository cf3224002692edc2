"""What a system is: stages in order, each with its settings, its network and its task."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hmtnet.data.grades import GradesSettings
from hmtnet.data.pairs import ReferenceUse
from hmtnet.errors import SettingsError, nearest
from hmtnet.settings import build

if TYPE_CHECKING:  # none of them is needed to find out which systems there are
    from hmtnet.models.inputs import StageInputs
    from hmtnet.models.optimisation import FitSettings
    from hmtnet.models.quality import QualityNetwork
    from hmtnet.models.task import QualityTask
    from hmtnet.models.weights import WeightedSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Stage:
    """One trainable step of a system.

    Attributes:
        name: Also the name of its settings' group.
        after: Stages whose artifacts it starts from, as far as the chain has them.
        settings: Its settings' class.
        network: Makes the network.
        task: The Lightning task that trains the network, as ``"module:Class"``: a ``QualityTask``,
            made as ``Class(network, settings, inputs)``. Imported late: scoring needs no trainer.
        borrows: Those of ``after`` whose networks stay inside, frozen, and in their own artifacts.
        needs: Fields of a record. The training images must have at least one of them, which is
            checked before anything is trained; ``StageInputs.labels`` hands them over.
    """

    name: str
    settings: "type[FitSettings]"
    network: "Callable[[Any, StageInputs], QualityNetwork]"
    task: str
    after: tuple[str, ...] = ()
    borrows: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def modules(self) -> tuple[str, str]:
        """The modules that make its network and its task."""
        return self.network.__module__, self.task.partition(":")[0]

    def make_task(
        self, network: "QualityNetwork", settings: "FitSettings", inputs: "StageInputs"
    ) -> "QualityTask":
        """Make the task around a network.

        Raises:
            SettingsError: ``task`` does not name a class that can be imported.
        """
        return self.task_class()(network, settings, inputs)

    def task_class(self) -> "type[QualityTask]":
        """Import the task's class, and Lightning with it.

        Raises:
            SettingsError: ``task`` does not name a class that can be imported.
        """
        try:
            found = load(self.task)
        except (ImportError, AttributeError, ValueError) as error:
            raise SettingsError(
                f"Stage '{self.name}': expected its task as 'module:Class', found '{self.task}', "
                f"which cannot be imported ({type(error).__name__}: {error}). Correct the Stage."
            ) from error
        return cast("type[QualityTask]", found)


@dataclass(frozen=True)
class System:
    """A method under test.

    Attributes:
        name: As in ``system=<name>``.
        stages: In the order in which they are trained.
        reference: The most that its networks ask of reference images.
        released: What reads its authors' checkpoint for ``hmtnet convert``, as
            ``"module:function"``: called with the network of the only stage and the checkpoint,
            it returns a ``models.released.Released``. Empty where no such checkpoint is known.
        graded: Whether any of its networks learns or predicts grades. Others start on labels that
            cannot be cut into as many grades as are asked for.
    """

    name: str
    stages: tuple[Stage, ...]
    reference: ReferenceUse = "none"
    released: str = ""
    graded: bool = False

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
    stages: "Mapping[str, FitSettings]"


# "module:attribute" of each system; imported when asked for.
SYSTEMS = {
    "ahiq": "hmtnet.models.ahiq.network:SYSTEM",
    "cnniqa": "hmtnet.models.cnniqa.network:SYSTEM",
    "hmtnet": "hmtnet.models.hmtnet.stage:SYSTEM",
    "mfen": "hmtnet.models.mfen.network:SYSTEM",
    "nemg": "hmtnet.models.nemg.network:SYSTEM",
    "plain": "hmtnet.models.plain.network:SYSTEM",
    "pmt": "hmtnet.models.pmt.network:SYSTEM",
    "ridge": "hmtnet.models.ridge.network:SYSTEM",
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


def load(path: str) -> Any:
    """Import what ``"module:attribute"`` names."""
    module, _, attribute = path.partition(":")
    return getattr(import_module(module), attribute)


def find_system(name: str) -> System:
    """Return the system that ``system=<name>`` means.

    Raises:
        SettingsError: No system has that name, or what another package names so cannot be used.
    """
    if name in SYSTEMS:
        return cast("System", load(SYSTEMS[name]))
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
    except (Exception, SystemExit) as error:  # it is others' code that runs here, so it may be any
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


def list_systems() -> list[str]:
    """Return the names of all systems, those that other packages add included."""
    return sorted({*SYSTEMS, *added_systems()})


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


def _each_weighted(settings: T, change: "Callable[[WeightedSettings], WeightedSettings]") -> T:
    from hmtnet.models.weights import WeightedSettings

    if isinstance(settings, WeightedSettings):
        return cast("T", change(settings))
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        changed = {
            f.name: _each_weighted(getattr(settings, f.name), change)
            for f in dataclasses.fields(settings)
        }
        return dataclasses.replace(settings, **changed)
    return settings
