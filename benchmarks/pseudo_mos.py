"""Fit the pseudo-MOS of preference to people's means of upscaled photographs, and say how well.

The methods of AVT AI upscaling (Göring, Merten and Raake, ISM 2024) whose weights are at hand
enlarge crops of *other* photographs, for the study's own are not published here. Offset and gain
of the formula are fitted so that the mean of each (method, scale) comes out; once with all, once
for each method with that method left out.

    python benchmarks/pseudo_mos.py PHOTOS ai_upscaling/mos.csv --outputs build/pseudo_mos

Outputs that are there are used again. Needs `make synthesis`; a photograph takes half a minute.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from hmtnet.report.render.terminal import text_table
from hmtnet.synthesis.networks import FAMILIES, enlarge
from hmtnet.synthesis.pseudo_mos import FORMULA, Formula, Preference

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Cell = tuple[str, int]

SIDE = 192  # pixels of a crop; a multiple of 4
HEIGHT = 1080  # pixels of the study's sources: photographs are reduced to it, as there
SOURCE = ("src_images_1080", 1)
NETWORKS = {family.name: family for family in FAMILIES}


def crop(path: Path) -> Pixels:
    """Return a crop of a photograph that is busier than most of its crops."""
    with Image.open(path) as image:
        photo = image.convert("RGB")
    factor = min(HEIGHT / min(photo.size), 0.75)  # reduced at least so much: JPEG shows no more
    size = (round(photo.width * factor), round(photo.height * factor))
    pixels = np.asarray(photo.resize(size, Image.Resampling.LANCZOS))
    draw = np.random.default_rng(0)
    crops = []
    for _ in range(20):
        top, left = (int(draw.integers(0, side - SIDE)) for side in pixels.shape[:2])
        crops.append(pixels[top : top + SIDE, left : left + SIDE])
    crops.sort(key=lambda pixels: float(np.abs(np.diff(pixels.mean(2))).mean()))
    return crops[14]


def upscaled(reference: Pixels) -> Iterator[tuple[Cell, Pixels]]:
    """Yield the source and what each method makes of it, reduced by 2 and by 4."""
    yield SOURCE, reference
    gan, waifu = NETWORKS["realesrgan-x4plus"], NETWORKS["waifu2x-cunet"]
    noise = "models-cunet/noise0_scale2.0x_model"
    for scale in (2, 4):
        low = _resized(reference, SIDE // scale, Image.Resampling.BICUBIC)
        yield ("lanczos", scale), _resized(low, SIDE, Image.Resampling.LANCZOS)
        larger = enlarge(waifu, low, 2, noise)
        yield ("waifu2x", scale), larger if scale == 2 else enlarge(waifu, larger, 2, noise)
        largest = enlarge(gan, low, 4, gan.files[4][0])
        yield ("Real-ESRGAN", scale), _resized(largest, SIDE, Image.Resampling.LANCZOS)


def _resized(pixels: Pixels, side: int, kernel: Image.Resampling) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((side, side), kernel))


def outputs(photograph: Path, folder: Path) -> dict[Cell, Pixels]:
    """Return source and outputs of a photograph from the folder, made first where they are not."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = [SOURCE, *((m, s) for m in ("lanczos", "waifu2x", "Real-ESRGAN") for s in (2, 4))]
    paths = {cell: folder / f"{photograph.stem}__{cell[0]}_{cell[1]}.png" for cell in cells}
    if not all(path.is_file() for path in paths.values()):
        for cell, pixels in upscaled(crop(photograph)):
            Image.fromarray(pixels).save(paths[cell])
    return {cell: np.asarray(Image.open(path)) for cell, path in paths.items()}


def people(path: Path) -> dict[Cell, float]:
    """Return people's mean of each (method, scale), 1 to 5."""
    found: dict[Cell, list[float]] = {}
    with path.open(newline="", encoding="utf-8-sig") as stream:
        for row in csv.DictReader(stream):
            cell = (row["upscaler"], int(row["factor"].removeprefix("x")))
            found.setdefault(cell, []).append(float(row["mos"]))
    return {cell: float(np.mean(values)) for cell, values in found.items()}


def fit(terms: dict[Cell, torch.Tensor], human: dict[Cell, float]) -> Formula:
    """Return the formula whose mean logits come nearest to those of people's means."""
    rows, wanted = [], []
    for cell, of_cell in terms.items():
        share = (human[cell] - 1.0) / 4.0
        gain, distance, spurious = of_cell.double().unbind(1)
        liked = FORMULA.sharpest - (gain - FORMULA.sharpest).abs()
        lost = FORMULA.distance * distance**4 + FORMULA.spurious * spurious
        rows.append([1.0, float(liked.mean())])
        wanted.append(np.log(share / (1.0 - share)) + float(lost.mean()))
    offset, gain_weight = np.linalg.lstsq(np.array(rows), np.array(wanted), rcond=None)[0]
    return FORMULA._replace(offset=float(offset), gain=float(gain_weight))


def mos(formula: Formula, terms: torch.Tensor) -> float:
    """Return the mean pseudo-MOS on people's scale, 1 to 5."""
    return 1.0 + 4.0 * float(formula.score(terms).mean())


def main() -> None:
    """Print the fitted constants and the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("photos", type=Path, help="a folder of photographs")
    parser.add_argument("mos", type=Path, help="the study's mos.csv")
    parser.add_argument("--outputs", type=Path, default=Path("build/pseudo_mos"))
    chosen = parser.parse_args()
    judge, human = Preference(), people(chosen.mos)
    found: dict[Cell, list[torch.Tensor]] = {}
    photographs = sorted(p for p in chosen.photos.iterdir() if p.suffix in (".jpg", ".png"))
    for photograph in photographs:
        images = outputs(photograph, chosen.outputs)
        pair = [torch.tensor(images[c]).permute(2, 0, 1)[None] / 255.0 for c in images]
        for cell, tensor in zip(images, pair, strict=True):
            found.setdefault(cell, []).append(judge.terms(tensor, pair[0]))
    terms = {cell: torch.cat(values) for cell, values in found.items()}
    formula = fit(terms, human)
    print(f"{len(photographs)} photographs: {formula}")
    rows, errors, unseen = [], [], []
    for cell, of_cell in terms.items():
        others = {other: value for other, value in terms.items() if other[0] != cell[0]}
        without = mos(fit(others, human), of_cell)
        fitted, known, shipped = mos(formula, of_cell), human[cell], mos(FORMULA, of_cell)
        errors.append(abs(fitted - known))
        unseen.append(abs(without - known))
        values = [known, fitted, without, shipped]
        rows.append([cell[0], str(cell[1]), *(f"{value:.2f}" for value in values)])
    rows.append(["mean error", "", "", f"{np.mean(errors):.3f}", f"{np.mean(unseen):.3f}", ""])
    print(text_table(["method", "scale", "people", "fitted", "left out", "as shipped"], rows))


if __name__ == "__main__":
    main()
