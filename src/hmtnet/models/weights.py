"""Pretrained weights: from a file, a package, the hub, or none, and never silently another."""

import re
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.serialization import safe_globals

from hmtnet.errors import WeightsError, listed
from hmtnet.files import OFFLINE, digest_file, is_file, is_offline
from hmtnet.models.packaged import in_timm_names, packaged_file

# What training scripts pickle beside tensors, and nothing else: their command line, and numbers of
# NumPy's, whose function has had two names.
_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    *(Namespace, np.dtype, _SCALAR, (_SCALAR, "numpy.core.multiarray.scalar")),
    *{type(np.dtype(code)) for code in "?" + np.typecodes["AllInteger"] + np.typecodes["Float"]},
]

# Under which keys a checkpoint holds its state dict.
_STATES = ("state_dict", "model")


@dataclass(frozen=True, kw_only=True)
class WeightedSettings:
    """Settings of what may start from trained weights.

    Attributes:
        name: Which network.
        weights: ``"none"`` (random), ``"package"`` (those that an installed package brings),
            ``"hub"`` (those that belong to the name) or a file's path.
        told_by: The setting that names the weights, for messages.
    """

    name: str
    weights: str = "none"
    told_by: ClassVar[str] = "size.backbone.weights"

    def unweighted(self) -> Self:
        """Return the same architecture, to be filled from an artifact instead of weights."""
        return replace(self, weights="none")

    def identified(self) -> Self:
        """Return equal settings for equal networks: weights named by what they are."""
        return replace(self, weights=identity_of(self.name, self.weights, self.told_by))

    def trained(self) -> dict[str, Tensor]:
        """Read the weights that are named, and that are not ``"none"``.

        Raises:
            WeightsError: They are not there, or not whole.
        """
        if self.weights == "hub":
            return hub_state(self.name, self.told_by)
        if self.weights == "package":
            packaged = read_weights(packaged_file(self.name, self.told_by))
            return in_timm_names(packaged, self.name)
        return read_weights(weights_file(self.weights))


def identity_of(name: str, weights: str, told_by: str = WeightedSettings.told_by) -> str:
    """Name the weights by what they are, not where they lie: part of a stage's key.

    Returns:
        ``"none"``, ``"hub:<name.tag>"`` or ``"sha256:<digest of the file>"``.

    Raises:
        WeightsError: The file, or the package that brings it, is not there.
    """
    if weights == "none":
        return "none"
    if weights == "hub":
        return f"hub:{name}"
    path = packaged_file(name, told_by) if weights == "package" else weights_file(weights)
    return f"sha256:{digest_file(path)}"


def weights_file(weights: str) -> Path:
    """Return the path of a weights file.

    Raises:
        WeightsError: There is no such file.
    """
    path = Path(weights).expanduser()
    if not is_file(path):
        raise WeightsError(
            f"Weights: no file '{weights}'. Give the path of a .safetensors, .pth or .pt file, "
            "'package' for those that come with a package, 'hub' to fetch the backbone's own, or "
            "'none' to start from random weights."
        )
    return path


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dict, or that of a training checkpoint (``state_dict`` or ``model`` in it).

    Raises:
        WeightsError: As for `read_checkpoint`, or there is no state dict of tensors.
    """
    state = read_checkpoint(path)
    if isinstance(state, dict):
        state = next((state[key] for key in _STATES if isinstance(state.get(key), dict)), state)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"Weights: '{path}' does not hold a state dict of tensors.")
    return state


def read_checkpoint(path: Path) -> Any:
    """Read what a file holds without executing anything of it.

    Raises:
        WeightsError: The file is damaged, or holds more than tensors, plain values, numbers of
            NumPy's and a command line (``argparse.Namespace``).
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise WeightsError(f"Weights: cannot read '{path}': {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Say in one line why a file cannot be read; torch would advise to run what is in it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    foreign = re.search(r"GLOBAL (\S+)", str(error))
    if foreign is not None:
        return (
            f"it holds '{foreign[1]}' beside tensors, and nothing in it is run. Save a state dict"
        )
    return "it is damaged, or no file of weights (.safetensors, .pth or .pt). Copy it anew"


def load_backbone(backbone: torch.nn.Module, state: dict[str, Tensor], what: str) -> None:
    """Load the backbone's part of a full network's weights; every tensor of it must be there.

    Tensors that the backbone does not have (the classifier, stages behind the last tap) are left.
    Names count as equal if they differ in dots and underscores alone: timm flattens the modules
    of many backbones for feature taps (``stages.0`` becomes ``stages_0``).

    Raises:
        WeightsError: Tensors are missing or have another shape.
    """
    wanted = backbone.state_dict()
    given = {key.replace(".", "_"): value for key, value in state.items()}
    found = {k: given[k.replace(".", "_")] for k in wanted if k.replace(".", "_") in given}
    missing = [k for k in wanted if k not in found and not k.endswith("num_batches_tracked")]
    other = [k for k in found if found[k].shape != wanted[k].shape]
    if missing or other:
        raise WeightsError(
            f"Weights do not fit {what}: missing {listed(missing) or 'none'}; "
            f"of another shape {listed(other) or 'none'}. Choose the weights of this very backbone."
        )
    backbone.load_state_dict(found, strict=False)


def hub_state(name: str, told_by: str = WeightedSettings.told_by) -> dict[str, Tensor]:
    """Fetch the weights that belong to ``name.tag`` from the hub (or its local cache).

    Args:
        name: The network.
        told_by: The setting that may name a file instead.

    Raises:
        WeightsError: The name has no tag, has no weights, or the hub cannot be reached.
    """
    import timm

    if "." not in name:
        tags = timm.list_models(f"{name}.*", pretrained=True)
        raise WeightsError(
            f"Backbone '{name}' has no tag, so its weights are not defined. "
            f"Say which: {listed(tags) or 'none are known'}."
        )
    config = timm.get_pretrained_cfg(name)
    source = config.hf_hub_id if config else None
    advice = (
        f"Fetch them on a connected machine and give their path ({told_by}=<file>), "
        f"or start from random weights ({told_by}=none)."
    )
    if config is None or not source:
        raise WeightsError(f"Backbone '{name}' has no weights on the hub. {advice}")
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(source, "model.safetensors")
    if isinstance(cached, str):
        return read_weights(Path(cached))
    if is_offline():
        raise WeightsError(
            f"{OFFLINE}=1, and '{source}/model.safetensors' is not in the hub's cache. {advice}"
        )
    try:
        return read_weights(Path(hf_hub_download(source, "model.safetensors")))
    except Exception as error:
        raise WeightsError(
            f"Weights '{source}' cannot be reached ({type(error).__name__}). {advice}"
        ) from error
