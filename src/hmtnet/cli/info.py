"""``hmtnet info``: the card of a model: what its scores mean, and how far they can be trusted."""

import argparse
import json
import math
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hmtnet.artifact.calibration import calibrate, learned_from
from hmtnet.artifact.description import check_files, need, read_description, value_at
from hmtnet.artifact.digests import PREDICTIONS_FILE, RECORDED
from hmtnet.artifact.hub import CARD_FILE
from hmtnet.artifact.predictions import SUBSETS
from hmtnet.artifact.predictions import read as read_predictions
from hmtnet.artifact.shipped import find_model
from hmtnet.errors import ArtifactError, printable
from hmtnet.report.numbers.run import label_kind, mos_range
from hmtnet.report.numbers.summary import summarise
from hmtnet.report.render.formats import DASH, decimals, percent
from hmtnet.report.render.terminal import WIDTH

_INDENT = " " * 13
_LABELS = {"pseudo": "computed by a formula", "human": "given by people"}
_SUBSETS = {"val": "validation", "test": "test"}


def info(arguments: Sequence[str]) -> int:
    """Run ``hmtnet info`` and return the exit code.

    Raises:
        ArtifactError: There is no such model, or it is damaged.
    """
    parser = argparse.ArgumentParser(
        prog="hmtnet info",
        description="Show what a model's scores mean, and how far they can be trusted.",
        epilog="example: hmtnet info runs/demo/<split>/joint-<key>",
    )
    parser.add_argument("model", help="name of a model (hmtnet models), or a run directory")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    given = parser.parse_args(arguments)
    found = card_of(given.model)
    if given.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(printable(_text(found)))
    return 0


def card_of(model: str) -> dict[str, Any]:
    """Return all that is known of a model, JSON values only; None where something is not known.

    Raises:
        ArtifactError: There is no such model, or it is damaged.
    """
    folder = find_model(model)
    meta = read_description(folder)
    if "evaluated" in meta:
        raise ArtifactError(
            f"{folder} holds the predictions of an evaluation, no model. Give the stage that was "
            f"evaluated: {folder / str(value_at(meta, 'evaluated', 'path'))}."
        )
    low, high = mos_range(folder, meta)
    calibration = calibrate(folder, meta)
    card = folder / CARD_FILE
    # A model may be passed on without predictions and curves.
    verified = check_files(folder, [name for name in RECORDED if (folder / name).exists()])
    return {
        "model": model,
        "system": need(folder, meta, str, "system"),
        "stage": need(folder, meta, str, "stage"),
        "range": [low, high],
        "best": high if need(folder, meta, bool, "dataset", "higher_is_better") else low,
        "unit": _known(meta, str, "dataset", "unit"),
        "label_kind": label_kind(folder, meta, "dataset", "label_kind"),
        "trained_on": need(folder, meta, str, "dataset", "name"),
        "parts": {
            need(folder, part, str, "name"): label_kind(folder, part, "label_kind")
            for part in _known(meta, list, "dataset", "parts") or ()
        },
        "split": _known(meta, str, "split", "id"),
        "images": _images(meta),
        "agreement": _agreement(folder, meta),
        "interval": None if calibration is None else asdict(calibration),
        "learned_from": {name: list(ends) for name, ends in learned_from(folder, meta).items()},
        "tiles": value_at(meta, "settings", "crops"),
        "reference": value_at(meta, "reference"),
        "parameters": _known(meta, int, "cost", "parameters"),
        "judging": _judging(meta),
        "licence_of_data": _known(meta, str, "dataset", "licence"),
        "limits": _limits(meta, verified, calibration is not None),
        "card": card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None,
    }


def _known(meta: dict[str, Any], kind: type, *where: str) -> Any:
    """Return a value of a description; None where there is none of this type."""
    value = value_at(meta, *where)
    return value if isinstance(value, kind) else None


def _images(meta: dict[str, Any]) -> dict[str, int] | None:
    """Return how many images each subset has; None where that is not known."""
    counts = {name: _known(meta, int, "split", "images", name) for name in SUBSETS}
    return None if None in counts.values() else counts


def _agreement(folder: Path, meta: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return what was measured on validation and test images; of training, none is told.

    Of several datasets each is told by itself, as ``"test (ma)"``.
    """
    path = folder / PREDICTIONS_FILE
    if not path.is_file():
        srcc = _known(meta, float, "val_srcc")
        return {} if srcc is None or math.isnan(srcc) else {"val": {"srcc": srcc}}
    predictions = read_predictions(path)
    found = {}
    for subset in _SUBSETS:
        for dataset, rows in predictions.select(subset).apart().items():
            numbers = summarise(rows, subset)
            values = {key: getattr(numbers, key) for key in ("n", "srcc", "plcc", "krcc", "rmse")}
            name = subset if dataset is None else f"{subset} ({dataset})"
            found[name] = {key: None if math.isnan(v) else v for key, v in values.items()}
    return found


def _judging(meta: dict[str, Any]) -> dict[str, Any] | None:
    """Return what was measured of judging one image; None where that is not known."""
    found = _known(meta, dict, "judging") or {}
    numbers = {key: found.get(key) for key in ("megapixels", "gflops", "seconds", "tensors_mb")}
    if not all(isinstance(value, (int, float)) for value in numbers.values()):
        return None
    return {**numbers, "device": str(found.get("device")), "threads": found.get("threads")}


def _limits(meta: dict[str, Any], verified: bool, calibrated: bool) -> list[str]:
    dataset = value_at(meta, "dataset", "name")
    grid, size = (value_at(meta, "settings", "crops", key) for key in ("grid", "size"))
    few = isinstance(grid, int) and isinstance(size, int) and grid * size < 1_000_000
    told = {
        "Its training was capped by trainer.debug: its scores mean nothing.": meta.get("debug"),
        "It reads the true grade of every image: a bound, not a result.": meta.get("oracle"),
        "It has learned a formula (pseudo-MOS), not people.": (
            value_at(meta, "dataset", "label_kind") == "pseudo"
        ),
        "Its epoch was chosen on the test images: agreement there is inflated.": (
            meta.get("selection") == "best_on_test"
        ),
        "The split is leaky: training shows what the test images show.": (
            value_at(meta, "split", "leaky")
        ),
        f"Of an image it looks at {grid} × {grid} tiles of {size} × {size} pixels at most: "
        f"{(grid * size) ** 2 / 12e4 if few else 0:.2g} % of 12 megapixels.": few,
        "It is unverified: an older hmtnet made it, and recorded no digests of its files.": (
            not verified
        ),
        "Its scores have no interval: it came without its predictions of validation images.": (
            not calibrated
        ),
        f"Agreement was measured on images of '{dataset}'. On others it is not known.": True,
    }
    return [text for text, applies in told.items() if applies]


def _text(card: dict[str, Any]) -> str:
    parts = [card["model"]]
    for name, texts in told_of(card):
        parts += [_line("" if i else name, text) for i, text in enumerate(texts)]
    return "\n".join(parts) + (f"\n\n{card['card'].rstrip()}" if card["card"] else "")


def told_of(card: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Return a model's card in words: what is told, and the lines that tell it."""
    pseudo = card["label_kind"] == "pseudo"
    low, high = card["range"]
    images = card["images"] or {}
    counts = ", ".join(f"{images[name]} {name}" for name in SUBSETS if images)
    measured = [
        f"{_spelled(name)}: "
        + ", ".join(f"{k.upper()} {decimals(v)}" for k, v in values.items() if k != "n")
        + (f" ({values['n']} images)" if "n" in values else "")
        for name, values in card["agreement"].items()
    ]
    lines = {
        "system": f"{card['system']}, stage '{card['stage']}'",
        "scores": f"{'pseudo-MOS' if pseudo else 'MOS'}, {low:g} to {high:g}, {card['best']:g} is "
        "best" + (f"; {card['unit']}" if card["unit"] else ""),
        "trained on": f"{card['trained_on']}, split {card['split'] or DASH}"
        + (f": images {counts}" if counts else ""),
        "labels": "; ".join(
            f"those of {name} {_LABELS[kind]}" for name, kind in card["parts"].items()
        )
        or _LABELS[card["label_kind"]],
        "reference": "must be given" if card["reference"] == "always" else "not needed",
        "parameters": f"{card['parameters']:,}" if card["parameters"] else DASH,
        "cost": _cost(card["judging"]),
        "licence": f"of its data: {card['licence_of_data'] or 'not known'}",
    }
    if card["interval"]:
        known = card["interval"]
        lines["interval"] = (
            f"± {decimals(known['half_width'] * (high - low))} around a score holds "
            f"{percent(known['coverage'])} of labels like those of its {known['images']} "
            "validation images"
        )
    if card["learned_from"]:
        lines["learned from"] = "images of " + ", ".join(
            f"{name} {first:.3g} to {last:.3g}"
            for name, (first, last) in card["learned_from"].items()
        )
    told = [(name, [text]) for name, text in lines.items()]
    return [*told, ("agreement", measured), ("limits", card["limits"])]


def _cost(judging: dict[str, Any] | None) -> str:
    if judging is None:
        return "not known; hmtnet benchmark measures it"
    return (
        "of {megapixels:.1f} megapixels: {gflops:.3g} GFLOPs, {seconds:.2g} s and {tensors_mb:.3g} "
        "MB for tensors on {device}".format_map(judging)
    )


def _spelled(name: str) -> str:
    """Return ``"validation (ma)"`` for ``"val (ma)"``."""
    subset, space, dataset = name.partition(" ")
    return f"{_SUBSETS[subset]}{space}{dataset}"


def _line(name: str, text: str) -> str:
    return textwrap.fill(text, WIDTH, initial_indent=f"{name:<13}", subsequent_indent=_INDENT)
