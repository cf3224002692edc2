"""The example package that adds a dataset, found the way an installed one is."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

SCORES = (
    "lake/bicubic/x2.png;3.5\nlake/sharp/x2.png;4\ncity/bicubic/x2.png;1\ncity/sharp/x4.png;2\n"
)


@pytest.fixture
def installed(install, tmp_path):
    with install("own_dataset", tmp_path / "site"):
        yield


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "data"
    names = [line.split(";")[0] for line in SCORES.splitlines()]
    for name in [*names, "lake/original.png", "city/original.png"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / name)
    (folder / "scores.txt").write_text(SCORES)
    return folder


def test_it_is_listed_verified_and_exported(installed, hmtnet, root):
    on = ("data=custom", "data.reader=satellites", f"data.root={root}")
    listed = json.loads(hmtnet("data", "list", "format=json").out)
    assert "satellites" in [entry["reader"] for entry in listed]
    done = hmtnet("data", "verify", *on)
    assert done.code == 0 and "labels: human scores, 1 to 5, 5 = best" in done.out, done.err
    rows = hmtnet("data", "export", *on).out.splitlines()
    assert rows[1].startswith("city/bicubic/x2.png,1.0,city,bicubic,2,city/original.png,")


def test_its_faults_are_told_like_ours(installed, hmtnet, root):
    (root / "lake/sharp/x2.png").unlink()
    (root / "scores.txt").write_text(SCORES + "lake-x2.png;3\n")
    done = hmtnet("data", "verify", "data=custom", "data.reader=satellites", f"data.root={root}")
    assert done.code == 2
    assert "1 labels without an image (lake/sharp/x2.png)" in done.err
    assert "1 malformed names in the labels (line 5: 'lake-x2.png')" in done.err


def test_an_entry_point_that_is_no_reader_is_refused(installed, hmtnet, tmp_path):
    info = next((tmp_path / "site").glob("*.dist-info"))
    (info / "entry_points.txt").write_text(
        "[hmtnet.datasets]\nbroken = os:getcwd\nlost = no.such:R\n"
    )
    importlib.invalidate_caches()
    done = hmtnet("data", "verify", "data=custom", "data.reader=broken")
    assert done.code == 2
    listing = hmtnet("data", "list")
    assert listing.code == 0 and "qads" in listing.out and "'lost' (no.such:R)" in listing.err
    assert "'broken' (os:getcwd)" in done.err and "expected a hmtnet.data.readers" in done.err
