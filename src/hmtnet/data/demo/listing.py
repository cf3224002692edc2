"""The text files of the demo set: scores, tables, and a README that says what it is not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hmtnet.data.demo.methods import Method
from hmtnet.data.demo.photographs import SIDE, TEXTURE, Photograph
from hmtnet.data.demo.pseudo_mos import DEFINITION, Measures
from hmtnet.files import write_table, write_text

_README = """\
The hmtnet demo set
===================

The scores here are a PSEUDO-MOS, NOT HUMAN: a program computed them, nobody rated the images. They
are good for trying the software; no statement about human perception can rest on them.

{count} super-resolved images: {photographs} references, scales {scales}, {methods} methods.

Layout (that of QADS)
  source_images/imgRR.png                  reference RR
  super-resolved_images/imgRR_S_MM.png     reference RR, scale factor S, method MM
  mos_with_names.txt                       one line per image: pseudo-MOS and name
  measures.csv                             the measures behind each score, and the strength
  methods.csv, references.csv              what the numbers stand for

How the images were made
  A photograph that scikit-image carries is reduced where it is not sharp at full size, and a square
  of {side} × {side} pixels is cut out: the reference. The low-resolution image is its anti-aliased
  cubic reduction by S, rounded to 8 bits, after a Gaussian blur of up to 2.5 reference pixels
  (a camera out of focus). A method enlarges that. No two references share a photograph; the
  learned method was trained on the other references only. The blur, and the strength of a method
  that has one (methods.csv gives its limits), are drawn for each reference and scale by a hash of
  their names: images of one method and scale differ in quality, and only their pixels tell.

Definition of the score
{definition}

Photographs, as scikit-image documents them
{sources}
"""


@dataclass(frozen=True)
class Made:
    """One super-resolved image, as it is listed.

    Attributes:
        name: The file's name, ``imgRR_S_MM.png``.
        strength: How strongly the method acted; ``None`` for a method without a strength.
        measures: How faithful it is to its reference.
        mos: Its pseudo-MOS in [0, 1].
    """

    name: str
    strength: float | None
    measures: Measures
    mos: float


def write_listings(
    folder: Path,
    photographs: Sequence[Photograph],
    methods: Sequence[Method],
    made: Sequence[Made],
) -> None:
    """Write every text file of the set into its folder."""
    scores = "".join(f"{each.mos:.6f} {each.name}\n" for each in made)
    write_text(folder / "mos_with_names.txt", scores)
    write_table(
        folder / "measures.csv",
        ("name", "strength", "ms_ssim", "gmsd", "haarpsi", "pseudo_mos"),
        (
            (
                each.name,
                "" if each.strength is None else f"{each.strength:.6f}",
                *(f"{value:.6f}" for value in _values(each)),
            )
            for each in made
        ),
    )
    write_table(
        folder / "methods.csv",
        ("id", "name", "kind", "least_strength", "most_strength"),
        (
            (f"{each.number:02d}", each.name, each.kind, *(each.strengths or ("", "")))
            for each in methods
        ),
    )
    write_table(
        folder / "references.csv",
        ("ref", "photograph", "reduced_by", "left", "top", "width", "height", "colour"),
        (
            (
                *(each.name, each.file, each.reduction, each.left, each.top, SIDE, SIDE),
                "colour" if each.colour else "grey",
            )
            for each in photographs
        ),
    )
    scales = sorted({each.name.split("_")[1] for each in made})
    sources = [f"  {each.name}  {each.file}: {each.source}" for each in photographs]
    sources.append(f"  texture of the method 'hallucinated': {TEXTURE.file}: {TEXTURE.source}")
    write_text(
        folder / "README.txt",
        _README.format(
            count=len(made),
            photographs=len(photographs),
            scales=", ".join(scales),
            methods=len(methods),
            side=SIDE,
            definition="\n".join(f"  {line}" for line in DEFINITION.splitlines()),
            sources="\n".join(sources),
        ),
    )


def _values(made: Made) -> tuple[float, float, float, float]:
    return made.measures.ms_ssim, made.measures.gmsd, made.measures.haarpsi, made.mos
