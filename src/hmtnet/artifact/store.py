"""A stage artifact: ``stage.safetensors`` (weights) and ``stage.json`` (what they are) in a folder.

Weights travel without code: safetensors only, never pickle. The description names the weights'
SHA-256, so a pair that does not belong together is noticed, and the description is written last, so
a folder without it holds no artifact.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from hmtnet import __version__
from hmtnet.errors import ArtifactError, listed
from hmtnet.files import digest_file, write_text, written_aside

FORMAT = 1
WEIGHTS_FILE = "stage.safetensors"
META_FILE = "stage.json"

# The envelope: keys of stage.json that this module owns.
_OWN_KEYS = ("format", "hmtnet", "weights_sha256")


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
    _check_meta(meta)
    # A copy of its own for each name: safetensors refuses shared memory.
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    meta_path, weights_path = folder / META_FILE, folder / WEIGHTS_FILE
    try:
        with written_aside(meta_path) as meta_aside, written_aside(weights_path) as weights_aside:
            safetensors.torch.save_file(own, weights_aside)
            digest = digest_file(weights_aside)
            document = {"format": FORMAT, "hmtnet": __version__, "weights_sha256": digest, **meta}
            meta_aside.write_text(_as_text(document), encoding="utf-8", newline="\n")
            # Leaving the block renames the weights, then the description. Without an old
            # description between the two, a crash there leaves no artifact, not a mismatched one.
            meta_path.unlink(missing_ok=True)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(
            f"The artifact cannot be written to {folder}: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def describe(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write a description without weights to ``folder``: of predictions by weights elsewhere.

    Args:
        folder: The run directory; made if it does not exist.
        meta: As for `save`.

    Raises:
        ArtifactError: ``meta`` holds what JSON cannot, or the folder cannot be written.
    """
    _check_meta(meta)
    document = {"format": FORMAT, "hmtnet": __version__, "weights_sha256": None, **meta}
    try:
        write_text(Path(folder) / META_FILE, _as_text(document))
    except OSError as error:
        raise ArtifactError(
            f"The description cannot be written to {folder}: {error}. "
            "Check that the folder is writable and the disk is not full."
        ) from error


def _check_meta(meta: Mapping[str, Any]) -> None:
    for key in _OWN_KEYS:
        if key in meta:
            raise ArtifactError(f"{META_FILE} writes '{key}' itself; give it another name.")
    _check_json(meta, "")


def _as_text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def load(folder: Path) -> Artifact:
    """Read the stage artifact in ``folder`` and check that it is whole.

    Raises:
        ArtifactError: A file is missing or damaged, the two do not belong together, or a newer
            hmtnet made them.
    """
    folder = Path(folder)
    document = _read_document(folder)
    path = folder / WEIGHTS_FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise _damaged(path, f"it is missing, though {META_FILE} describes it") from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != document["weights_sha256"]:
        raise _damaged(
            path,
            f"its SHA-256 is {digest[:12]}…, but {META_FILE} was written for "
            f"{str(document['weights_sha256'])[:12]}…",
        )
    try:
        tensors = safetensors.torch.load(data)
    except SafetensorError as error:
        raise _damaged(path, f"it is no safetensors file ({error})") from error
    return Artifact(folder, _without_envelope(document), tensors, digest)


def read_meta(folder: Path) -> dict[str, Any]:
    """Read only the description of the artifact in ``folder``; the weights are not looked at.

    Raises:
        ArtifactError: It is missing or damaged, or a newer hmtnet made it.
    """
    return _without_envelope(_read_document(Path(folder)))


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


def _read_document(folder: Path) -> dict[str, Any]:
    path = folder / META_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ArtifactError(
            f"No finished stage in {folder}: {META_FILE} is missing. Train the stage, or give the "
            "folder of a finished one."
        ) from None
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from error
    except ValueError as error:  # neither JSON nor UTF-8
        raise _damaged(path, str(error)) from error
    if not isinstance(document, dict):
        raise _damaged(path, "expected a JSON object")
    # The format comes first: in a newer one, other keys may have other names.
    version = document.get("format")
    if isinstance(version, int) and version > FORMAT:
        raise ArtifactError(
            f"{path} has format {version}, made by hmtnet {document.get('hmtnet', '(unnamed)')}; "
            f"this is hmtnet {__version__}, which reads up to format {FORMAT}. Upgrade hmtnet."
        )
    missing = [key for key in _OWN_KEYS if key not in document]
    if missing:
        raise _damaged(path, f"it lacks {listed(missing)}")
    return document


def _without_envelope(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _OWN_KEYS}


def _damaged(path: Path, reason: str) -> ArtifactError:
    return ArtifactError(
        f"{path} is damaged: {reason}. Remove its folder and train the stage again, "
        "or copy the artifact anew."
    )


def _check_json(value: object, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ArtifactError(f"{META_FILE} needs text keys; '{where}' has {key!r}.")
            _check_json(inner, f"{where}.{key}" if where else key)
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            _check_json(inner, f"{where}[{index}]")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ArtifactError(
                f"{META_FILE} cannot hold {value!r} at '{where}'; an undefined number is None."
            )
    elif not (value is None or isinstance(value, (str, int))):
        raise ArtifactError(
            f"{META_FILE} cannot hold {value!r} ({type(value).__name__}) at '{where}'; "
            "give plain numbers, text, lists and mappings."
        )
