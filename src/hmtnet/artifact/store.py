"""A stage artifact: ``stage.safetensors`` (weights) and ``stage.json`` (what they are) in a folder.

Weights travel without code: safetensors only, never pickle. The description records the digests of
the weights and of what else the stage has left, so files that do not belong together are noticed
(`hmtnet.artifact.digests`), and it is written last, so a folder without it holds no artifact.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from hmtnet.artifact.description import (
    META_FILE,
    as_text,
    changed,
    check,
    damaged,
    enveloped,
    read_document,
    value_at,
    without_envelope,
)
from hmtnet.artifact.description import read_description as read_meta
from hmtnet.artifact.digests import CHANGED, RECORDED, WEIGHTS_FILE, record, records_of
from hmtnet.errors import ArtifactError, listed
from hmtnet.files import written_aside

__all__ = ["META_FILE", "WEIGHTS_FILE", "Artifact", "load", "load_strictly", "read_meta", "save"]


@dataclass(frozen=True, eq=False)
class Artifact:
    """A stage artifact, read and checked.

    Attributes:
        folder: Where it lies.
        meta: What the stage wrote about itself, as given to `save` (tuples have become lists).
        tensors: Weights by name, on the CPU.
        digest: SHA-256 of the weights file, 64 hexadecimal digits.
    """

    folder: Path
    meta: dict[str, Any]
    tensors: dict[str, Tensor]
    digest: str


def save(folder: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
    """Write a stage artifact to ``folder``; an earlier one there is replaced.

    Whoever reads meanwhile, or after a crash, finds the old pair, the new pair, or no artifact.
    What else a stage leaves (`digests.RECORDED`) lies there already, and is recorded with it.

    Args:
        folder: The run directory; made if it does not exist.
        tensors: Weights by name, of any shape, device and memory layout. Tied tensors (one memory,
            several names) are stored once under each name, so that strict loading finds them all.
        meta: JSON values only: mappings with text keys, lists, tuples, text, finite numbers,
            booleans and None. An undefined metric is None, not NaN.

    Raises:
        ArtifactError: ``meta`` holds what JSON cannot, or the folder cannot be written.
    """
    folder = Path(folder)
    check(meta)
    # A copy of its own for each name: safetensors refuses shared memory.
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    meta_path, weights_path = folder / META_FILE, folder / WEIGHTS_FILE
    try:
        with written_aside(meta_path) as meta_aside, written_aside(weights_path) as weights_aside:
            safetensors.torch.save_file(own, weights_aside)
            files = {**records_of(folder, RECORDED), WEIGHTS_FILE: record(weights_aside)}
            meta_aside.write_text(as_text(enveloped(meta, files)), encoding="utf-8", newline="\n")
            # Leaving the block renames the weights, then the description. Without an old
            # description between the two, a crash there leaves no artifact, not a mismatched one.
            meta_path.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(
            f"The artifact cannot be written to {folder}: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def load(folder: Path) -> Artifact:
    """Read the stage artifact in ``folder`` and check that it is whole.

    Raises:
        ArtifactError: A file is missing or damaged, the two do not belong together, or a newer
            hmtnet made them.
    """
    folder = Path(folder)
    document = read_document(folder)
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise damaged(path, f"it is missing, though {META_FILE} describes it") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    digest = hashlib.sha256(data).hexdigest()
    known = value_at(document, "files", WEIGHTS_FILE, "sha256") or document.get("weights_sha256")
    if digest != known:
        raise changed(path, CHANGED)
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise damaged(path, f"it is no safetensors file ({error})") from error
    unusable = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if unusable:
        # Whatever such a network says is no score.
        raise damaged(path, f"it holds numbers that are not finite ({listed(unusable)})")
    return Artifact(folder, without_envelope(document), tensors, digest)


def load_strictly(
    module: nn.Module, tensors: Mapping[str, Tensor], what: str, prefix: str = ""
) -> None:
    """Copy ``tensors`` into ``module`` if every name and shape agrees; else touch nothing.

    Args:
        module: The network to fill.
        tensors: Weights by name.
        what: Where the weights come from, for messages: ``"stage 'grading' in runs/…"``.
        prefix: Take only the tensors whose names start with it, and remove it from the names:
            ``"grader."`` fills a grader from the weights of a network that contains one.

    Raises:
        ArtifactError: Names every missing and unexpected tensor and every difference in shape.
    """
    expected = module.state_dict()
    found = {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
    differences = {
        "missing": sorted(expected.keys() - found.keys()),
        "unexpected": sorted(found.keys() - expected.keys()),
        "of another shape": [
            f"{name} (expected {tuple(expected[name].shape)}, found {tuple(found[name].shape)})"
            for name in sorted(expected.keys() & found.keys())
            if expected[name].shape != found[name].shape
        ],
    }
    if any(differences.values()):
        under = f" under '{prefix}'" if prefix else ""
        details = "\n".join(
            f"  {len(names)} {kind}: {listed(names, limit=12)}"
            for kind, names in differences.items()
            if names
        )
        raise ArtifactError(
            f"The weights of {what}{under} do not fit {type(module).__name__}:\n{details}\n"
            "Nothing was loaded. Build the network with the settings the weights were trained "
            "with (they stand in stage.json), or train that stage again."
        )
    module.load_state_dict(found, strict=True)
