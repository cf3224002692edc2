"""``hmtnet models``: the trained models that come with hmtnet."""

import argparse
import json
from collections.abc import Sequence

from hmtnet.artifact.shipped import list_models
from hmtnet.cli.info import card_of
from hmtnet.report.render.terminal import text_table


def models(arguments: Sequence[str]) -> int:
    """Run ``hmtnet models`` and return the exit code.

    Raises:
        ArtifactError: A model is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="hmtnet models", description="List the trained models that come with hmtnet."
    )
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    cards = [card_of(name) for name in list_models()]
    if given.format == "json":
        print(json.dumps(cards, indent=2, ensure_ascii=False))
        return 0
    if not cards:
        print("No trained model comes with this hmtnet. hmtnet train makes one.")
        return 0
    header = ["model", "system", "trained on", "labels", "range", "best"]
    rows = [
        [
            *(card["model"], card["system"], card["trained_on"], card["label_kind"]),
            "{:g} to {:g}".format(*card["range"]),
            f"{card['best']:g}",
        ]
        for card in cards
    ]
    print(text_table(header, rows, left=4))
    print(
        "\nhmtnet info <model> tells how far each can be trusted; a run directory is a model too."
    )
    return 0
