"""A finished stage as one file that scores without hmtnet: ONNX, or a program of torch.export.

A file is kept only if it gives the live scores: this is measured, on photographs of many sizes,
before the file appears.
"""

import io
import json
import logging
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from hmtnet import __version__
from hmtnet.errors import ArtifactError, SettingsError, listed
from hmtnet.files import is_folder, written_aside
from hmtnet.scoring.parity import Parity, compare
from hmtnet.scoring.portable import Portable
from hmtnet.scoring.scorer import Scorer

Form = Literal["onnx", "torch-export"]

SUFFIXES: dict[Form, str] = {"onnx": ".onnx", "torch-export": ".pt2"}
METADATA = "hmtnet"
"""The key of an ONNX file's metadata, and before ``.json`` the extra file of a program of torch."""

TOLERANCE = 1e-4  # of the unit score
_OPSET = 20  # the oldest that knows all that torch writes for our networks
_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def export(
    scorer: Scorer, path: Path, to: Form = "onnx", *, int8: bool = False, images: int = 50
) -> Parity:
    """Write a stage to one file: uint8 images (B, 3, H, W) in, scores out, for any B, H and W.

    The file pads, computes saliency, cuts tiles and takes means as scoring does. All tiles are
    looked at together, so that its memory grows with the images.

    Args:
        scorer: The stage, on the CPU.
        path: The file, which appears whole or not at all.
        to: ``"onnx"``, or ``"torch-export"``, which ``torch.export.load`` reads.
        int8: Keep the weights of an ONNX file as 8-bit integers: a quarter of the bytes, at a loss
            that is measured and told, and not refused.
        images: How many images, each of another size, are compared with the live scores.

    Returns:
        How far the file is from the live scores.

    Raises:
        SettingsError: The path's suffix is another format's, int8 is asked of ``torch-export``, the
            stage compares with references, or a package is missing.
        ArtifactError: The format cannot hold an operator of the network, or the file's scores are
            not the live ones.
    """
    _check(scorer, path, to, int8)
    meta = scorer.restored.meta
    what = f"Stage '{scorer.restored.stage}' of system '{meta['system']}'"
    network, crops = scorer.restored.network, scorer.restored.settings.crops
    module = Portable(network, crops, scorer.mos_range, scorer.higher_is_better).eval()
    with _quiet(), torch.no_grad(), _refused(what, to):
        program = _program(module)
        file: _File = (
            _OnnxFile(program, module.outputs, int8) if to == "onnx" else _TorchFile(program)
        )
    parity = compare(scorer, file.run, crops.size, images)
    if parity.largest > TOLERANCE and not int8:
        raise ArtifactError(
            f"{what}: the file's scores differ from the live ones by up to {parity.largest:.2g} of "
            f"the unit score; expected at most {TOLERANCE:g}. It was not written. Export to the "
            f"other format ({listed(form for form in SUFFIXES if form != to)})."
        )
    told = description(scorer, module.outputs, parity, int8)
    with written_aside(path) as aside:
        file.save(aside, told)
    return parity


def description(
    scorer: Scorer, outputs: tuple[str, ...], parity: Parity, int8: bool
) -> dict[str, Any]:
    """Return what a file says of itself: JSON values only."""
    crops, meta = scorer.restored.settings.crops, scorer.restored.meta
    low, high = scorer.mos_range
    return {
        "hmtnet": __version__,
        "system": meta["system"],
        "stage": scorer.restored.stage,
        "model_digest": scorer.restored.digest,
        "capped": scorer.capped,
        "input": "images: (B, 3, H, W) uint8, RGB; one batch holds images of one size",
        "outputs": list(outputs),
        "range": [low, high],
        "best": high if scorer.higher_is_better else low,
        "label_kind": scorer.label_kind,
        "trained_on": meta["dataset"].get("name"),
        "tiles": {"size": crops.size, "grid": crops.grid},
        "small_images": f"below {crops.size} pixels a side are mirrored outwards, as in scoring",
        "memory": "grows with the images: all tiles of a batch are looked at together",
        "int8": int8,
        "difference_to_live_unit_score": asdict(parity),
    }


def _check(scorer: Scorer, path: Path, to: Form, int8: bool) -> None:
    if path.suffix.lower() != SUFFIXES[to] or is_folder(path):
        raise SettingsError(
            f"output: a file of format {to} ends in {SUFFIXES[to]}, found '{path}'. Name it "
            f"{path.with_suffix(SUFFIXES[to]).name}, or choose the other format."
        )
    if int8 and to != "onnx":
        raise SettingsError("int8: only ONNX files can have it. Leave it out, or export to onnx.")
    missing = [name for name in _PACKAGES if to == "onnx" and find_spec(name) is None]
    if missing:
        raise SettingsError(
            f"An ONNX file needs the packages {listed(_PACKAGES)}, and {listed(missing)} cannot be "
            'imported. Install them: pip install "hmtnet[export]".'
        )
    if scorer.restored.network.needs_reference:
        raise SettingsError(
            f"Stage '{scorer.restored.stage}' compares images with their references, and a file "
            "takes images alone. Export a stage that needs none."
        )
    if scorer.device.type != "cpu":
        raise SettingsError("device: expected 'cpu', where files are written and compared.")


def _program(module: Portable) -> torch.export.ExportedProgram:
    dynamic = torch.export.Dim.DYNAMIC
    size = module.crops.size
    example = torch.zeros((2, 3, 2 * size + 5, 3 * size + 7), dtype=torch.uint8)
    return torch.export.export(
        module, (example,), dynamic_shapes={"images": {0: dynamic, 2: dynamic, 3: dynamic}}
    )


class _TorchFile:
    """A program of torch.export, as it is after it was saved and read."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self._program = program
        stream = io.BytesIO()
        torch.export.save(program, stream)
        stream.seek(0)
        self._module = torch.export.load(stream).module()

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """See `hmtnet.scoring.parity.Run`."""
        with torch.inference_mode():
            return np.asarray(self._module(torch.from_numpy(images))[1], dtype=np.float64)

    def save(self, path: Path, told: dict[str, Any]) -> None:
        """Write it, with what it says of itself."""
        extra = {f"{METADATA}.json": json.dumps(told, indent=2)}
        torch.export.save(self._program, path, extra_files=extra)


class _OnnxFile:
    """An ONNX model, as onnxruntime reads it."""

    def __init__(
        self, program: torch.export.ExportedProgram, outputs: tuple[str, ...], int8: bool
    ) -> None:
        import onnxruntime

        written = torch.onnx.export(
            *(program, ()),
            dynamo=True,
            opset_version=_OPSET,
            input_names=["images"],
            output_names=list(outputs),
            verbose=False,
        )
        assert written is not None
        self._model = _in_int8(written.model_proto) if int8 else written.model_proto
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._session = onnxruntime.InferenceSession(
            self._model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
        """See `hmtnet.scoring.parity.Run`."""
        (found,) = self._session.run(["unit_score"], {"images": images})
        return np.asarray(found, dtype=np.float64)

    def save(self, path: Path, told: dict[str, Any]) -> None:
        """Write it, with what it says of itself."""
        import onnx

        onnx.helper.set_model_props(self._model, {METADATA: json.dumps(told)})
        onnx.save_model(self._model, path)


_File = _TorchFile | _OnnxFile


def _in_int8(model: Any) -> Any:
    """Return an ONNX model whose weights of convolutions and products are 8-bit integers."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "int8.onnx"
        # Unsigned: onnxruntime has no convolution of signed weights on a CPU.
        quantize_dynamic(model, path, weight_type=QuantType.QUInt8, per_channel=False)
        return onnx.load(path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the screen what the exporters say of their own insides."""
    loggers = [logging.getLogger(name) for name in ("torch", "torch.onnx", "onnxscript", "root")]
    before = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)


# How an operator is named by torch.onnx, by onnxruntime and by torch.export.
_OPERATORS = (r"op='([\w.:]+)'", r"implementation for (\w+)\(", r"torch\.ops\.([\w.]+)")


@contextmanager
def _refused(what: str, to: Form) -> Iterator[None]:
    """Name the operator that a format cannot hold.

    Raises:
        ArtifactError: There is one.
    """
    try:
        yield
    # Exporters and runtimes have dozens of exceptions, most of them private.
    except Exception as error:
        causes: list[BaseException] = [error]
        while (cause := causes[-1].__cause__) is not None:
            causes.append(cause)
        text = "\n".join(str(cause) for cause in reversed(causes))
        found = next((hit for sign in _OPERATORS for hit in re.findall(sign, text)), None)
        named = f"operator '{found}'" if found else f"something ({text.strip().splitlines()[0]})"
        raise ArtifactError(
            f"{what} cannot be written as {to}: the format cannot hold its {named}. Nothing was "
            "written. Choose the other format, or a stage without it."
        ) from error
