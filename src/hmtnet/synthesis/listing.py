"""The text files of a synthesised set: labels, tables, its recipe and digest, and a README."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from hmtnet.data.contact_sheet import CONTACT_SHEET, contact_sheet
from hmtnet.files import digest_file, digest_text, read_json, write_table, write_text
from hmtnet.synthesis.methods import Toolbox
from hmtnet.synthesis.photographs import Reference
from hmtnet.synthesis.recipe import RECIPE
from hmtnet.synthesis.worker import IMAGES, SOURCES, Row

LOG = "images.jsonl"
_SHEET_ROWS = 24  # references on the contact sheet

_README = """\
A synthesised set for the quality assessment of super-resolved images
=====================================================================

The scores here are a PSEUDO-MOS, NOT HUMAN: a formula ('{formula}') computed them, nobody rated
the images. No statement about human perception can rest on them.

{images} super-resolved images of {references} references, {methods} SR methods, scales {scales}.
Made by `hmtnet synthesize`; `hmtnet train data=synthesized data.root=<this folder>` reads it.

  source_images/imgRR.png                reference RR
  super-resolved_images/imgRR_S_MM.png   reference RR, scale factor S, method MM, named as in QADS
  labels.csv          one row per image; 'reference' is what the photograph shows, so that crops
                      of one photograph never part
  mos_with_names.txt  pseudo-MOS and name, as in QADS
  images.jsonl        everything that was drawn for an image, the digest of its file, its score
  methods.csv, references.csv            what the numbers stand for
  recipe.json         what decides the bytes, what was left out and why, and the set's digest
  contact_sheet.png   some references, each followed by its images
"""


def write_listings(
    folder: Path,
    references: Sequence[Reference],
    toolbox: Toolbox,
    rows: Sequence[Row],
    left_out: dict[str, str],
) -> str:
    """Write every text file of a set, and its contact sheet.

    Returns:
        The set's digest: 16 hexadecimal digits over names and bytes of all images and references,
        and the scores.
    """
    write_text(folder / LOG, "".join(json.dumps(row) + "\n" for row in rows))
    write_text(
        folder / "mos_with_names.txt", "".join(f"{r['mos']:.6f} {r['image']}\n" for r in rows)
    )
    contents = {each.name: f"content{each.photograph.content:04d}" for each in references}
    write_table(
        folder / "labels.csv",
        ("image", "mos", "reference", "method", "scale", "reference_image"),
        (
            (
                f"{IMAGES}/{row['image']}",
                f"{row['mos']:.6f}",
                contents[row["reference"]],
                row["enlargement"]["method"],
                f"{row['scale']:g}",
                f"{SOURCES}/{row['reference']}.png",
            )
            for row in rows
        ),
    )
    counts = Counter(row["enlargement"]["method"] for row in rows)
    write_table(
        folder / "methods.csv",
        ("id", "name", "kind", "images"),
        ((f"{m.number:02d}", m.name, m.kind, counts[m.name]) for m in toolbox.methods.values()),
        for_people=True,
    )
    write_table(
        folder / "references.csv",
        ("reference", "photograph", "crop", "content"),
        ((r.name, r.photograph.name, r.crop + 1, contents[r.name]) for r in references),
        for_people=True,
    )
    write_text(
        folder / "README.txt",
        _README.format(
            formula=rows[0]["formula"],
            images=len(rows),
            references=len(references),
            methods=len([name for name in counts if counts[name]]),
            scales=", ".join(f"{scale:g}" for scale in sorted({row["scale"] for row in rows})),
        ),
    )
    digest = _digest(folder, references, rows)
    recipe = read_json(folder / RECIPE)
    recipe["made"] = {
        "images": len(rows),
        "references": len(references),
        "left_out": left_out,
        "not_at_hand": toolbox.missing,
        "digest": digest,
    }
    write_text(folder / RECIPE, json.dumps(recipe, indent=1) + "\n")
    _write_sheet(folder, references[:_SHEET_ROWS], rows)
    return digest


def _digest(folder: Path, references: Iterable[Reference], rows: Iterable[Row]) -> str:
    lines = [f"{row['image']} {row['sha256']} {row['mos']:.6f}" for row in rows]
    for reference in references:
        path = folder / SOURCES / f"{reference.name}.png"
        lines.append(f"{path.name} {digest_file(path)}")
    return digest_text("\n".join(lines), 16)


def _write_sheet(folder: Path, references: Sequence[Reference], rows: Sequence[Row]) -> None:
    paths = [folder / SOURCES / f"{reference.name}.png" for reference in references]
    groups = [reference.name for reference in references]
    for row in rows:
        if row["reference"] in groups[: len(references)]:
            paths.append(folder / IMAGES / row["image"])
            groups.append(row["reference"])
    contact_sheet(paths, groups, folder / CONTACT_SHEET)
