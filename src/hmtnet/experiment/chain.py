"""A chain of stages over one dataset and split, each starting from the ones before."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmtnet.artifact import store
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers import read
from hmtnet.data.split import Split, make
from hmtnet.errors import ArtifactError
from hmtnet.experiment import leaks
from hmtnet.experiment.scene import Scene, UpstreamStage
from hmtnet.experiment.settings import TrainSettings
from hmtnet.experiment.stage import StageResult, is_helper_process, run_stage
from hmtnet.models.system import System


@dataclass(frozen=True)
class ChainResult:
    """What a chain has left.

    Attributes:
        manifest: The dataset.
        split: The split.
        stages: The finished stages, in order.
    """

    manifest: Manifest
    split: Split
    stages: Sequence[StageResult]

    @property
    def is_helper(self) -> bool:
        """Whether this process only trained beside the one that writes the results."""
        return is_helper_process()


def run_chain(settings: TrainSettings, system: System) -> ChainResult:
    """Read the dataset, split it, check for leaks, and run the stages in order.

    Raises:
        DataError: The dataset is at fault.
        LeakError: Validation or test content would be seen in training, here or upstream.
        ArtifactError: An upstream artifact is missing or does not fit.
        SettingsError: The stages cannot be chained as asked.
    """
    manifest = read(settings.data)
    split = make(manifest, settings.split)
    leaks.check_split(manifest, split)
    scene = Scene(settings, system, manifest, split)
    finished = {
        name: _given(name, Path(path), manifest, split) for name, path in settings.upstream.items()
    }
    results = []
    chosen = settings.stages or tuple(stage.name for stage in system.stages)
    for stage in system.stages:
        if stage.name not in chosen:
            continue
        upstream = {name: finished[name] for name in stage.after if name in finished}
        result = run_stage(scene, stage, upstream)
        finished[stage.name] = UpstreamStage(result.key, result.directory.path)
        results.append(result)
    return ChainResult(manifest, split, results)


def _given(name: str, path: Path, manifest: Manifest, split: Split) -> UpstreamStage:
    """Accept a finished stage from elsewhere, unless it has seen what is to be judged here."""
    meta = store.read_meta(path)
    if meta.get("stage") != name:
        raise ArtifactError(
            f"upstream.{name}: {path} holds stage '{meta.get('stage')}'. Give the run directory of "
            f"a finished '{name}' stage."
        )
    leaks.check_upstream(name, leaks.Seen.from_json(meta["seen"]), manifest, split)
    return UpstreamStage(str(meta["key"]), path)
