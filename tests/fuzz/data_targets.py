"""Doors for what a dataset brings: labels, tables, images, splits."""

import faulthandler
import os
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.io import savemat

from hmtnet.data import images, split_file
from hmtnet.data.cache import cache_file, recall
from hmtnet.data.labels import Labels
from hmtnet.data.manifest import Manifest
from hmtnet.data.readers import matlab, read_labels
from hmtnet.data.readers.assemble import Faults
from hmtnet.data.readers.csv_rows import read_csv
from hmtnet.data.readers.qads import FACTS
from hmtnet.data.readers.sheets import first_sheet, read_sheet
from hmtnet.data.record import Record
from hmtnet.data.scores import read_scores
from hmtnet.data.settings import DataSettings
from hmtnet.scoring.listing import find_images
from tests.fuzz.datasets import DATASETS, mat, old_sheet, published, sheet
from tests.fuzz.mutations import Sample, as_json, as_lines, raw
from tests.fuzz.target import Target, written, zipped


def _dataset(name: str, settings: dict[str, Any], root: Path) -> Labels:
    chosen = DataSettings(reader=name.partition(",")[0], root=str(root), **settings)
    labels = read_labels(chosen)
    return labels if labels.name != "table" or chosen.labels_only else Manifest.of(labels)


_ROWS = [["image", "MOS", "note"], ["a.png", 0.5, None], ["b.png", 3, "x"], ["c.png", "2.5", True]]


def _sheet(path: Path) -> None:
    read_sheet(path, ("image", "mos"))
    first_sheet(path)


def _csv(path: Path) -> None:
    faults = Faults(path, FACTS, "")
    read_csv(path, ("image", "mos"), faults)
    faults.check()


_XLSX = sheet(_ROWS)
_XLS = old_sheet([[cell or "" for cell in row] for row in _ROWS])
_CSV = as_lines([[cell or "" for cell in row] for row in _ROWS])


def _version_5(compress: bool) -> Sample:
    names = np.empty((2, 2), dtype=object)
    names[:] = [["a\\b.png", "ü.png"], ["c.png", ""]]
    variables = {"names": names, "mos": np.eye(3), "word": "hello", "struct": {"a": 1.0}}
    return raw(written(lambda s: savemat(s, variables, do_compression=compress)))


def _in_fork(path: Path) -> None:
    """Read a file of version 5 as the child of ``matlab.load`` does, without starting Python."""
    child = os.fork()
    if child == 0:
        try:
            faulthandler.disable()  # a crash is expected
            matlab.limit_memory()
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            matlab._load_version_5(path)
        finally:
            os._exit(0)
    _, outcome = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(outcome) in (0, -6, -11), outcome  # or it has crashed


def _mat(path: Path) -> None:
    file = matlab.load(path)
    for name in ("im_names", "subjective_scores"):
        if name in file and isinstance(file.variables[name], list):
            file.text(name)
        elif name in file:
            file.numbers(name)


_MAT = published(["a\\1.png", "b\\1.png", "ü😀.png"], [0.1, 0.2, float("nan")], [1, 2, 2])
_SMALL = mat(mos=[[1, 2], [3, 4]], names=["a", "b"])


def _image(mode: str, form: str, **options: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).convert(mode)
    return written(lambda stream: picture.save(stream, form, **options))


def _png(data: bytes) -> Sample:
    """Return a PNG by its chunks, whose checksums are made anew."""

    def pack(chunks: Any) -> bytes:
        packed = [
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in chunks
        ]
        return b"".join([data[:8], *packed])

    chunks, place = [], 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append([data[place + 4 : place + 8], data[place + 8 : place + 8 + length]])
        place += length + 12
    return Sample(chunks, pack)


def _frames(form: str) -> bytes:
    frames = [Image.new("RGB", (9, 7), color) for color in ("red", "blue")]
    return written(lambda s: frames[0].save(s, form, save_all=True, append_images=frames[1:]))


IMAGES: dict[str, list[Sample]] = {
    "PNG": [raw(_image("RGB", "PNG")), _png(_image("RGB", "PNG")), _png(_image("P", "PNG"))],
    "PNG, transparent or grey": [_png(_image("RGBA", "PNG")), _png(_image("LA", "PNG"))],
    "BMP": [raw(_image(mode, "BMP")) for mode in ("RGB", "P", "1", "L")],
    "TIFF": [
        raw(_image("RGB", "TIFF", compression=how))
        for how in (None, "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits")
    ]
    + [raw(_image("1", "TIFF", compression="group4")), raw(_image("CMYK", "TIFF"))],
    "JPEG": [
        raw(_image("RGB", "JPEG")),
        raw(_image("CMYK", "JPEG")),
        raw(_image("L", "JPEG", progressive=True)),
    ],
    "WebP": [raw(_image("RGB", "WEBP", lossless=True)), raw(_image("RGBA", "WEBP"))],
    "WebP, animated": [raw(_frames("WEBP"))],
    "GIF": [raw(_image("P", "GIF")), raw(_frames("GIF"))],
    "PPM": [raw(_image(mode, "PPM")) for mode in ("RGB", "L", "1")]
    + [raw(b"P3\n2 1\n255\n1 2 3 # a\n4 5 6\n"), raw(b"P2 2 1 255 1 2")],
    "JPEG 2000": [raw(_image("RGB", "JPEG2000")), raw(_image("L", "JPEG2000", no_jp2=True))],
    "AVIF": [raw(_image("RGB", "AVIF")), raw(_image("RGBA", "AVIF"))],
    "SGI": [raw(_image("RGB", "SGI")), raw(_image("L", "SGI"))],
}


_RECORDS = tuple(
    Record(image=f"{i}.png", mos=i / 9, reference=f"r{i % 3}", method="m", scale=2)
    for i in range(9)
)
_LABELS = Labels(
    name="tiny",
    root=Path("nowhere"),
    records=_RECORDS,
    label_kind="human",
    mos_range=(0.0, 1.0),
    higher_is_better=True,
)
_SPLIT = as_json(
    {
        "format": 1,
        "id": "content-s0",
        "protocol": "content",
        "variant": "content",
        "seed": 0,
        "index": None,
        "folds": None,
        "leaky": False,
        "dataset": "tiny",
        "fingerprint": None,
        "train": [f"{i}.png" for i in range(5)],
        "val": ["5.png", "6.png"],
        "test": ["7.png", "8.png"],
    }
)


_ADOPTED = as_lines([["image", "niqe", "note"], ["1.png", "-0.5", "x"], ["a/2.png", "", "y"]])
_LISTING = {name: raw(b"x") for name in ("a.png", "b/c.jpg", "b/-1.png", "b/notes.txt")}


def _listed(root: Path) -> None:
    for one in find_images([str(root), f"{root}/*/*.jpg", f"{root}/[a]*"]):
        assert one.name and not one.inner.is_absolute()


def _cached(path: Path) -> None:
    kept = cache_file("fuzz", "a.json")
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(path.read_bytes())
    recall("fuzz", "a.json")


DATA_TARGETS = [
    *(
        Target(f"dataset {name}", [folder], partial(_dataset, name, settings))
        for name, (folder, settings) in DATASETS.items()
    ),
    Target.of_file("sheet .xlsx", "a.xlsx", [_XLSX, zipped(_XLSX.data), raw(_XLSX.data)], _sheet),
    Target.of_file("sheet .xls", "a.xls", [_XLS, raw(_XLS.data)], _sheet),
    Target.of_file("sheet .csv", "a.csv", [_CSV, raw(_CSV.data)], _csv),
    Target.of_file("MATLAB 7.3", "a.mat", [_MAT, raw(_MAT.data), raw(_SMALL.data)], _mat),
    Target.of_file(
        *("MATLAB 5", "a.mat", [_version_5(False), _version_5(True)], _in_fork),
        allowed=("os.fork",),
    ),
    *(
        Target.of_file(f"image {name}", "a.png", samples, images.decode)
        for name, samples in IMAGES.items()
    ),
    Target(
        *("split file", [{"split.json": _SPLIT}]),
        lambda root: split_file.read(_LABELS, str(root / "split.json")),
    ),
    Target.of_file(
        *("scores to adopt", "a.csv", [_ADOPTED]), lambda path: read_scores(path, _LABELS)
    ),
    Target("listing of images", [_LISTING], _listed),
    Target.of_file("cache", "a.json", [as_json({"digest": "0" * 64, "value": [1]})], _cached),
]
