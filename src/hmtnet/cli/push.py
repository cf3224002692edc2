"""``hmtnet push``: a finished stage to the Hugging Face hub, with its card."""

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hmtnet.artifact.hub import FILES, parse, upload
from hmtnet.artifact.shipped import find_model
from hmtnet.cli.info import card_of, told_of
from hmtnet.cli.score import check_model
from hmtnet.errors import ArtifactError
from hmtnet.files import in_markdown, write_text


def push(arguments: Sequence[str]) -> int:
    """Run ``hmtnet push`` and return the exit code.

    Raises:
        ArtifactError: As ``push_model``.
    """
    given = _parser().parse_args(arguments)
    check_model(given.model, given.capped)
    commit = push_model(given.model, given.address, private=given.private)
    print(f"{commit}\nAnybody who may read it scores with --model {given.address}.")
    return 0


def push_model(model: Path | str, address: str, private: bool = False) -> str:
    """Write a finished stage to the Hugging Face hub: ``push_model(run, "hf://owner/name")``.

    Weights, description, card and the tiny pictures by which leaks are found; no labels and no
    predictions. It is loaded once before anything is sent.

    Args:
        model: The run directory of a finished stage, or a shipped model's name.
        address: Where to, ``hf://owner/name`` or ``hf://owner/name@branch``.
        private: Whether a new one is hidden from others.

    Returns:
        The address of the commit.

    Raises:
        ArtifactError: The stage is damaged or needs another one beside it, one may not write there,
            or the hub cannot be reached.
    """
    parse(address)
    folder = find_model(model)
    card = card_of(str(model))
    with tempfile.TemporaryDirectory() as place:
        alone = Path(place) / "model"
        alone.mkdir()
        for name in FILES:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, alone / name)
        _check_alone(alone, folder)
        write_text(alone / "README.md", _readme(address, card))
        return upload(alone, address, private)


def _check_alone(alone: Path, folder: Path) -> None:
    """Refuse what cannot be loaded where nothing lies beside it."""
    from hmtnet.scoring.restore import restore  # brings torch

    try:
        restore(alone)
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder} cannot be used by itself, so it is not sent. "
            + str(error).replace(str(alone), str(folder))
        ) from error


def _readme(address: str, card: dict[str, Any]) -> str:
    """Write the page that the hub shows."""
    name, _ = parse(address)
    told = {what: in_markdown("; ".join(texts)) for what, texts in told_of(card) if texts}
    lines = [f"- **{what}**: {text}" for what, text in told.items()]
    own = [card["card"].rstrip(), ""] if card["card"] else []
    return "\n".join(
        [
            *("---", "library_name: hmtnet", "tags:", "- image-quality-assessment", "---", ""),
            *(f"# {name.partition('/')[2]}", "", *lines, ""),
            *("```sh", f"hmtnet score photos/ --model hf://{name}", "```", ""),
            *own,
        ]
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hmtnet push",
        description="Write a finished stage to the Hugging Face hub: weights, description and "
        "card; no labels, no predictions.",
        epilog="example: hmtnet push runs/demo/<split>/joint-<key> hf://somebody/judge",
    )
    add = parser.add_argument
    add("model", help="run directory of a finished stage, or name of a model")
    add("address", help="where to: hf://owner/name, or hf://owner/name@branch")
    add("--private", action="store_true", help="hide a new one from others")
    add("--capped", action="store_true", help="also a model whose training was capped")
    return parser
