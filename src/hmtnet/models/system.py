"""What a system is: stages in order, each with its settings, its network and its task."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from hmtnet.data.grades import Grades, GradesSettings
from hmtnet.errors import SettingsError, nearest
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.weights import identity_of
from hmtnet.settings import build

if TYPE_CHECKING:
    from hmtnet.models.task import QualityTask

T = TypeVar("T")


@dataclass(frozen=True)
class Ingredients:
    """What a stage's network and task are made from, besides their settings.

    Attributes:
        grades: The grades, of the upstream grading stage or of the training MOS.
        upstream: Finished networks by stage name.
        method_keys: (records,) a whole number for each record's SR method, -1 where it has none.
        out_of_fold: By stage name, (records, K) grade log-probabilities: of each training image
            what that stage's network says which was trained without the image's content; NaN of
            all others. For settings with ``folds`` only.
    """

    grades: Grades
    upstream: Mapping[str, QualityNetwork] = field(default_factory=dict)
    method_keys: Tensor = field(default_factory=lambda: torch.zeros(0, dtype=torch.long))
    out_of_fold: Mapping[str, Tensor] = field(default_factory=dict)


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
    """

    name: str
    settings: type[FitSettings]
    network: Callable[[Any, Ingredients], QualityNetwork]
    task: Callable[[Any, Any, Ingredients], "QualityTask"]
    after: tuple[str, ...] = ()
    borrows: tuple[str, ...] = ()


@dataclass(frozen=True)
class System:
    """A method under test.

    Attributes:
        name: As in ``system=<name>``.
        stages: In the order in which they are trained.
    """

    name: str
    stages: tuple[Stage, ...]

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


# "module:attribute" of each system; imported when asked for. Other packages add theirs by the entry
# point "hmtnet.systems".
SYSTEMS = {
    "hmtnet": "hmtnet.models.hmtnet.system:SYSTEM",
    "plain": "hmtnet.models.plain.system:SYSTEM",
    "ridge": "hmtnet.models.ridge.system:SYSTEM",
}


def find_system(name: str) -> System:
    """Return the system that ``system=<name>`` means.

    Raises:
        SettingsError: No system has that name.
    """
    known = {point.name: point.value for point in entry_points(group="hmtnet.systems")} | SYSTEMS
    if name not in known:
        raise SettingsError(f"Unknown system '{name}'.{nearest(name, known)}")
    module, _, attribute = known[name].partition(":")
    system = getattr(import_module(module), attribute)
    if not isinstance(system, System):
        raise SettingsError(f"'{known[name]}' is not a System.")
    return system


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
    return _each_backbone(settings, BackboneSettings.unweighted)


def identified(settings: T) -> T:
    """Return settings whose weights are named by what they are, not by where they lie."""
    return _each_backbone(
        settings, lambda b: dataclasses.replace(b, weights=identity_of(b.name, b.weights))
    )


def _each_backbone(settings: T, change: Callable[[BackboneSettings], BackboneSettings]) -> T:
    if isinstance(settings, BackboneSettings):
        return cast("T", change(settings))
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        changed = {
            f.name: _each_backbone(getattr(settings, f.name), change)
            for f in dataclasses.fields(settings)
        }
        return dataclasses.replace(settings, **changed)
    return settings
