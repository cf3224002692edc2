"""``hmtnet export``: a model as one file that scores without hmtnet."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hmtnet.cli.composing import log_to_stderr
from hmtnet.cli.score import check_model
from hmtnet.errors import DataError
from hmtnet.files import size_words


def export(arguments: Sequence[str]) -> int:
    """Run ``hmtnet export`` and return the exit code.

    Raises:
        ArtifactError: The model is missing, damaged or capped, or the format cannot hold it.
        SettingsError: Options do not fit each other or the model, or a package is missing.
        DataError: The file cannot be written.
    """
    given = _parser().parse_args(arguments)
    log_to_stderr()
    check_model(given.model, given.capped)
    from hmtnet.scoring.export import export as write  # brings torch
    from hmtnet.scoring.scorer import Scorer

    try:
        parity = write(
            *(Scorer(given.model, "cpu"), given.output, given.to),
            int8=given.int8,
            images=given.check,
        )
    except OSError as error:
        raise DataError(
            f"{given.output} cannot be written: {error}. Give another --output, or make room."
        ) from error
    print(f"{given.output}: {size_words(given.output.stat().st_size)}")
    print(
        f"Its scores differ from the live ones by {parity.largest:.1e} of the unit score at most "
        f"({parity.mean:.1e} on average; {parity.images} photographs of as many sizes)."
    )
    return 0


def _images(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("expected at least 1")
    return count


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet export",
        description="Write a model to one file that gives the same scores without hmtnet: images "
        "of any size in, padding, saliency, tiles and means included.",
        epilog="example: hmtnet export hmtnet-lite --output hmtnet-lite.onnx",
    )
    add = parser.add_argument
    add("model", help="name of a model (hmtnet models lists them) or a run directory")
    add("--to", choices=("onnx", "torch-export"), default="onnx", help="format (onnx)")
    add("--output", type=Path, required=True, metavar="FILE", help="FILE.onnx, or FILE.pt2")
    add("--int8", action="store_true", help="8-bit weights (onnx): smaller, and less exact")
    add(
        "--check",
        type=_images,
        default=50,
        metavar="N",
        help="compare with the live scores on so many images of different sizes (50)",
    )
    add("--capped", action="store_true", help="also a model whose training was capped")
    return parser
