"""``hmtnet data split``: write a split, and show what its subsets share."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from hmtnet.cli.dataset import DatasetSettings
from hmtnet.data import readers, split_file
from hmtnet.data.dominance import tell_dominating
from hmtnet.data.join import join
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.split import Split
from hmtnet.report.render.terminal import cell, text_table


def split(settings: DatasetSettings) -> int:
    """Write a split, and show what its subsets share; return the exit code."""
    manifest = readers.read(settings.data)
    if settings.other is not None and settings.split.protocol == "cross":
        manifest = join(manifest, readers.read(settings.other))
    made = make(manifest, settings.split)
    tell_dominating(manifest, made)
    path = Path(settings.output or f"{manifest.name}-{made.id}.json").expanduser()
    split_file.write(path, manifest, made)
    subsets, overlaps = _subsets(manifest, made), _overlaps(manifest, made)
    unused = len(manifest) - sum(len(rows) for rows in made.subsets.values())
    if settings.format == "json":
        document = {"id": made.id, "leaky": made.leaky, "file": str(path), "left_out": unused}
        print(json.dumps({**document, "subsets": subsets, "overlaps": overlaps}, indent=2))
        return 0
    print(f"{manifest.name} by protocol '{made.label}': {made.id}\n")
    header = ["", "images", "contents", "methods", "scales", "mean MOS"]
    print(text_table(header, [[_short(value) for value in row.values()] for row in subsets]))
    print(f"\nin no subset: {unused} images\n")
    rows = [[_short(value) for value in row.values()] for row in overlaps]
    print(text_table(["shared by", "images", "contents", "methods", "scales"], rows))
    print(f"\nwritten: {path}\nto use it: hmtnet train data=… split=file split.file={path}")
    return 0


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else cell(value)


def _traits(manifest: Manifest, rows: Sequence[int]) -> dict[str, set[Any]]:
    """Return what a subset consists of."""
    records = [manifest.records[row] for row in rows]
    return {
        "images": {manifest.digests[row] for row in rows},
        "contents": {manifest.content[row] for row in rows},
        "methods": {record.method for record in records} - {None},
        "scales": {record.scale for record in records} - {None},
    }


def _subsets(manifest: Manifest, made: Split) -> list[dict[str, Any]]:
    return [
        {
            "subset": name,
            **{trait: len(values) for trait, values in _traits(manifest, rows).items()},
            "images": len(rows),
            "mean_mos": float(manifest.mos[list(rows)].mean()) if rows else None,
        }
        for name, rows in made.subsets.items()
    ]


def _overlaps(manifest: Manifest, made: Split) -> list[dict[str, Any]]:
    traits = {name: _traits(manifest, rows) for name, rows in made.subsets.items()}
    return [
        {
            "subsets": f"{one} and {other}",
            **{trait: len(traits[one][trait] & traits[other][trait]) for trait in traits[one]},
        }
        for one, other in combinations(traits, 2)
    ]
