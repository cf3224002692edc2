"""Tiny datasets in official layouts, made on the spot."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmtnet.data.labels import Published
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings
from hmtnet.files import digest_text


def save_noise(path, seed=0, size=(8, 6)):
    """Save a (width, height) image of noise; another seed, another image."""
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"lossless": True} if path.suffix.lower() == ".webp" else {}
    Image.fromarray(pixels).save(path, **options)
    return pixels


@pytest.fixture
def noise():
    return save_noise


@pytest.fixture
def make_qads(tmp_path):
    """Make a folder in the layout of QADS: 3 references × 2 scales × 2 methods."""

    def make(
        root=tmp_path / "qads",
        *,
        images="super-resolved_images",
        sources="source_images",
        suffix=".bmp",
        upper=False,
        labels=None,
        line_end="\n",
        encoding="utf-8",
    ):
        names = [f"img{r:02d}_{s}_{m:02d}" for r in (1, 2, 3) for s in (2, 4) for m in (1, 21)]
        for i, name in enumerate(names):
            file = name + suffix
            save_noise(root / images / (file.upper() if upper else file), i)
        if sources:
            for r in (1, 2, 3):
                save_noise(root / sources / f"img{r:02d}{suffix}", 100 + r)
        lines = labels or [f"0.{i + 10} {name}.bmp" for i, name in enumerate(names)]
        text = line_end.join(lines) + line_end
        (root / "mos_with_names.txt").write_bytes(text.encode(encoding))
        return root

    return make


@pytest.fixture
def make_table(tmp_path):
    """Make a folder with a table of labels and the images it names in its first column."""

    def make(text, root=tmp_path / "own", name="labels.csv", images=None, encoding="utf-8"):
        root.mkdir(exist_ok=True)
        (root / name).write_bytes(text.encode(encoding))
        rows = [line for line in text.splitlines()[1:] if line.strip()]
        chosen = [row.split(",")[0] for row in rows] if images is None else images
        for i, image in enumerate(chosen):
            save_noise(root / image, i)
        return root

    return make


@pytest.fixture
def manifest_of():
    """Join records to a manifest without files; digests are those of the names by default."""

    def make(
        records, *, name="fake", mos_range=(0.0, 1.0), higher=True, digests=None, pristine=None
    ):
        records = tuple(records)
        return Manifest(
            name=name,
            root=Path("nowhere"),
            records=records,
            label_kind="human",
            mos_range=mos_range,
            higher_is_better=higher,
            licence="",
            citation="",
            digests=tuple(digests or (digest_text(r.image, 16) for r in records)),
            reference_digests=tuple(pristine or [None] * len(records)),
        )

    return make


@pytest.fixture
def records():
    """Two images each of four references."""
    return [
        Record(image=f"{ref}_{i}.png", mos=0.1 * k + 0.05 * i, reference=ref, method="a", scale=2)
        for k, ref in enumerate(["sea", "sky", "tree", "wall"])
        for i in range(2)
    ]


@pytest.fixture(scope="session")
def manifest_from():
    """Make a manifest without files: a row is (reference, method, scale, image, official subset).

    Equal images of one reference are copies; references with one reference image are one content.
    """

    def make(rows, pristine=(None,) * 8, suffix=".png"):
        records = tuple(
            Record(
                image=f"{i:02d}{suffix}",
                mos=0.5,
                reference=f"r{reference}",
                method=f"m{method}",
                scale=scale,
                official=official,
            )
            for i, (reference, method, scale, _, official) in enumerate(rows)
        )
        return Manifest(
            name="fake",
            root=Path("nowhere"),
            records=records,
            label_kind="human",
            mos_range=(0.0, 1.0),
            higher_is_better=True,
            digests=tuple(f"{reference}-{copy}" for reference, _, _, copy, _ in rows),
            reference_digests=tuple(pristine[reference] for reference, *_ in rows),
        )

    return make


@pytest.fixture(scope="session")
def fixed_manifest(manifest_from):
    """A small dataset, its grid incomplete, that has what every protocol but ``cross`` needs."""
    subsets = ("train", "train", "train", "val", "test", "test")
    rows = [
        (r, m, s, 10 * m + s, subsets[r])
        for r, m, s in itertools.product(range(6), range(4), (2, 4))
        if (r + m + s) % 5
    ]
    numbers = np.array([reference + 1 for reference, *_ in rows])
    orders = np.array([[3, 1, 2, 6, 5, 4], [6, 5, 4, 3, 2, 1]])
    return dataclasses.replace(manifest_from(rows), published=Published(numbers, orders))


@pytest.fixture
def split_settings():
    """Make split settings of any protocol: the index only where it has a use for one."""

    def make(protocol, seed=3, index=1):
        if protocol in ("kfold", "published"):
            return SplitSettings(protocol=protocol, seed=seed, index=index)
        return SplitSettings(protocol=protocol, seed=seed)

    return make
