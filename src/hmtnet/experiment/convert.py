"""The checkpoint of a system's authors, made an artifact like any other."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hmtnet.artifact import store
from hmtnet.data.grades import Grades
from hmtnet.errors import SettingsError
from hmtnet.experiment.describe import describe_package, describe_predictions
from hmtnet.experiment.leaks import Content, Seen
from hmtnet.experiment.settings import SizeSettings
from hmtnet.files import digest_file
from hmtnet.models.inputs import StageInputs
from hmtnet.models.released import Released
from hmtnet.models.system import System, SystemSettings, build_settings, find_system, identified
from hmtnet.models.system import load as load_object
from hmtnet.models.weights import read_checkpoint, weights_file
from hmtnet.settings import build, plain
from hmtnet.storage.directory import RunDirectory
from hmtnet.storage.key import digest_of

SPLIT = "released"
"""In place of a split's id: how the authors divided their images is not ours to say."""


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """Everything that ``hmtnet convert`` is told.

    Attributes:
        checkpoint: The authors' file.
        system: Whose it is, with the settings of its network.
        runs: The folder of all run directories.
        size: What the system's stage was filled from.
    """

    checkpoint: str
    system: SystemSettings
    runs: str = "runs"
    size: SizeSettings | None = None


def convert_settings(values: Mapping[str, Any]) -> tuple[ConvertSettings, System]:
    """Convert a composed configuration to typed settings and look the system up.

    Raises:
        SettingsError: Something is unknown or of a wrong type, or no checkpoint of that system's
            authors is known.
    """
    system = find_system(str(values["system"]["name"]))
    if not system.released:
        raise SettingsError(f"No checkpoint of the authors of '{system.name}' is known here.")
    rest = {**values, "system": build_settings(system, values["system"])}
    return build(ConvertSettings, rest), system


def convert(settings: ConvertSettings, system: System) -> RunDirectory:
    """Fill a system's network from its authors' checkpoint and save it.

    Raises:
        WeightsError: The file is missing, damaged or no such checkpoint.
        ArtifactError: Its weights do not fit, or the artifact cannot be written.
        SettingsError: The network cannot be made.
    """
    (stage,) = system.stages
    fit = settings.system.stages[stage.name]
    path = weights_file(settings.checkpoint)
    checkpoint = read_checkpoint(path)
    count = settings.system.grades.count
    grades = Grades(tuple(i / count for i in range(1, count)))
    network = stage.network(fit, StageInputs(grades))
    released: Released = load_object(system.released)(network, checkpoint)
    # The parts that the checkpoint is about must all be there; the others stay as they were loaded.
    parts = {name.partition(".")[0] for name in released.tensors}
    kept = {k: v for k, v in network.state_dict().items() if k.partition(".")[0] not in parts}
    store.load_strictly(network, {**kept, **released.tensors}, str(path))
    known = plain(identified(fit))
    source = digest_file(path)
    key = digest_of({"checkpoint": source, "settings": known})
    directory = RunDirectory.locate(Path(settings.runs), released.dataset, SPLIT, stage.name, key)
    # Which of the images chose the epoch is not known, and all of them are refused as test images.
    seen = Content((), tuple(f"{name}/" for name in released.seen))
    meta = {
        "system": system.name,
        **describe_package(system.name),
        "stage": stage.name,
        "key": key,
        "settings": known,
        "grades": {"edges_unit": list(grades.edges), "rule": "width"},
        "dataset": {
            "name": released.dataset,
            "label_kind": released.label_kind,
            "mos_range": list(released.mos_range),
            "higher_is_better": released.higher_is_better,
            "unit": released.unit,
        },
        "split": {"id": SPLIT},
        "reference": network.reference_use,
        "oracle": False,
        "seen": Seen("", SPLIT, seen, seen).to_json(),
        "upstream": {},
        "released": {"sha256": source},
        "debug": None,
        "predictions": describe_predictions(stage),
    }
    store.save(directory.path, network.own_state(), meta)
    return directory
