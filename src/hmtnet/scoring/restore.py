"""A trained network back from its run directory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hmtnet import __version__
from hmtnet.artifact.description import need, value_at
from hmtnet.artifact.store import META_FILE, Artifact, load, load_strictly
from hmtnet.data.grades import Grades
from hmtnet.errors import ArtifactError, SettingsError
from hmtnet.files import digest_text, is_folder
from hmtnet.models.inputs import StageInputs
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import QualityNetwork
from hmtnet.models.system import Stage, System, find_system, unweighted
from hmtnet.settings import build


@dataclass(frozen=True)
class Restored:
    """A network as its stage left it.

    Attributes:
        folder: Where it lies.
        network: In evaluation mode, on the CPU.
        settings: The settings of its stage, without what training started from: backbones load no
            weights, and nothing is taken from an upstream network that the artifact holds itself.
        grades: The grades it was trained with.
        meta: The whole of ``stage.json``.
        digest: 16 hexadecimal digits of all that decides a score but the image: weights, also
            borrowed ones, settings, unit, and the version of hmtnet.
    """

    folder: Path
    network: QualityNetwork
    settings: FitSettings
    grades: Grades
    meta: dict[str, Any]
    digest: str

    @property
    def stage(self) -> str:
        """The name of the stage."""
        return str(self.meta["stage"])

    @property
    def key(self) -> str:
        """The stage key."""
        return str(self.meta["key"])


def restore(folder: Path) -> Restored:
    """Rebuild a finished stage's network and load its weights, strictly.

    Networks that it borrows from upstream stages are restored from their own directories, which
    are found relative to ``folder``.

    Raises:
        ArtifactError: The artifact, or one it needs, is missing, damaged or does not fit.
    """
    artifact = load(folder)
    try:
        restored = _rebuild(folder, artifact)
    # Settings that are no network's make torch stumble in many ways; a ring of upstream stages ends
    # in a RecursionError, which is a RuntimeError.
    except (SettingsError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(
            f"{folder / META_FILE} does not describe a network that can be built here "
            f"({type(error).__name__}: {error}). Train the stage again, or use the version of "
            f"{_maker(artifact.meta)} that made it."
        ) from error
    network = restored.network
    own = network.own_state()
    borrowed = {key: value for key, value in network.state_dict().items() if key not in own}
    what = f"stage '{restored.stage}' in {folder}"
    load_strictly(network, {**borrowed, **artifact.tensors}, what)
    return restored


def _rebuild(folder: Path, artifact: Artifact) -> Restored:
    """Build the network that an artifact describes; only what is borrowed has its weights."""
    meta = artifact.meta
    stage = _system_of(folder, meta).stage(need(folder, meta, str, "stage"))
    what = f"stage '{stage.name}' in {folder}"
    settings = unweighted(
        build(stage.settings, need(folder, meta, dict, "settings"))
    ).for_restoring()
    grades = Grades(tuple(need(folder, meta, list, "grades", "edges_unit")))
    borrowed: dict[str, Restored] = {}
    for name in stage.borrows:
        if name in need(folder, meta, dict, "upstream") and not settings.stands_alone:
            borrowed[name] = _restore_upstream(folder, meta, name, what)
    upstream = {name: restored.network for name, restored in borrowed.items()}
    inputs = StageInputs(grades, upstream, state=artifact.tensors)
    _check_size(stage, settings, inputs)
    network = stage.network(settings, inputs).eval()
    digest = _digest(artifact, [restored.digest for restored in borrowed.values()])
    return Restored(folder, network, settings, grades, meta, digest)


def _check_size(stage: Stage, settings: FitSettings, inputs: StageInputs) -> None:
    """Refuse settings of a network with more weights than there are, before memory is taken.

    Raises:
        ValueError: A few digits in a description may ask for any number of gigabytes.
    """
    try:
        with torch.device("meta"):
            wanted = stage.network(settings, inputs).state_dict()
    except Exception:  # what cannot be sketched is built, or is told of when it is
        return
    there = [inputs.state, *(network.state_dict() for network in inputs.upstream.values())]
    count, most = _count(wanted), sum(map(_count, there))
    if count > 2 * most + 1_000_000:  # what differs by less is told tensor by tensor
        raise ValueError(f"it describes a network of {count:,} weights, but there are {most:,}")


def _count(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())


def _digest(artifact: Artifact, borrowed: list[str]) -> str:
    decisive = ("system", "stage", "settings", "grades", "dataset", "package")
    described = {name: artifact.meta.get(name) for name in decisive}
    return digest_text(
        json.dumps([__version__, artifact.digest, borrowed, described], sort_keys=True), 16
    )


def _system_of(folder: Path, meta: dict[str, Any]) -> System:
    """Find the system that an artifact is of; say which package it is in, where that is missing."""
    try:
        return find_system(need(folder, meta, str, "system"))
    except SettingsError as error:
        if "package" not in meta:
            raise
        raise ArtifactError(
            f"{folder} holds a stage of system '{meta['system']}', which comes with "
            f"{_maker(meta)}. {error} Install that package beside hmtnet."
        ) from error


def _maker(meta: dict[str, Any]) -> str:
    """Name the package whose code made an artifact, with its version where it is not hmtnet."""
    package = meta.get("package")
    if package is None:
        return "hmtnet"
    return f"the package {value_at(package, 'name')} {value_at(package, 'version')}"


def _restore_upstream(folder: Path, meta: dict[str, Any], name: str, what: str) -> Restored:
    path = folder / need(folder, meta, str, "upstream", name, "path")
    key = need(folder, meta, str, "upstream", name, "key")
    if not is_folder(path):
        raise ArtifactError(
            f"{what} needs the '{name}' stage it was trained on, and there is no {path}. "
            "Move run directories together, or train the chain again."
        )
    upstream = restore(path)
    if upstream.key != key:
        raise ArtifactError(
            f"{what} was trained on '{name}' with key {key}, "
            f"but {path} holds key {upstream.key}. Move the right run directory there, or train "
            "the chain again."
        )
    return upstream
