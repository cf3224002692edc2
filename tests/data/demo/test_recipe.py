import csv
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import spearmanr

from hmtnet.data.demo import Recipe, build, ensure, recipe
from hmtnet.data.demo.methods import METHODS
from hmtnet.data.demo.photographs import PHOTOGRAPHS
from hmtnet.data.demo.pixels import enlarge, reduce, to_bytes, to_unit
from hmtnet.data.demo.pseudo_mos import Yardstick, measure, pseudo_mos
from hmtnet.errors import DataError

SMALL = Recipe(PHOTOGRAPHS[:2], (2, 4), (METHODS[0], METHODS[2], METHODS[7], METHODS[10]))
NAME = re.compile(r"img(\d\d)_([234])_(\d\d)\.png")


def bytes_of(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def labels(folder):
    lines = (folder / "mos_with_names.txt").read_text(encoding="utf-8").splitlines()
    return {name: float(mos) for mos, name in (line.split(" ") for line in lines)}


def table(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "small"
    build(folder, SMALL, workers=2)
    return folder


def test_the_result_does_not_depend_on_the_number_of_workers(small, tmp_path):
    build(tmp_path / "alone", SMALL, workers=1)
    assert bytes_of(tmp_path / "alone") == bytes_of(small)


def test_layout(small):
    scored = labels(small)
    expected = [
        f"{photograph.name}_{scale}_{method.number:02d}.png"
        for photograph, scale, method in product(SMALL.photographs, SMALL.scales, SMALL.methods)
    ]
    assert list(scored) == expected
    assert sorted(path.name for path in (small / "super-resolved_images").iterdir()) == sorted(
        expected
    )
    assert [path.name for path in sorted((small / "source_images").iterdir())] == [
        "img01.png",
        "img02.png",
    ]


def test_the_tables_say_what_the_names_mean(small):
    assert [row["id"] for row in table(small / "methods.csv")] == ["01", "03", "08", "11"]
    references = table(small / "references.csv")
    assert [row["photograph"] for row in references] == ["astronaut.png", "chelsea.png"]
    measures = {row["name"]: row for row in table(small / "measures.csv")}
    assert measures["img01_2_01.png"]["strength"] == ""
    assert 0.2 <= float(measures["img01_2_11.png"]["strength"]) <= 0.9
    assert {name: float(row["pseudo_mos"]) for name, row in measures.items()} == labels(small)


def test_the_readme_is_plain_about_the_scores(small):
    text = (small / "README.txt").read_text(encoding="utf-8")
    assert "PSEUDO-MOS, NOT HUMAN" in text
    assert "MS-SSIM" in text
    assert "16 super-resolved images: 2 references, scales 2, 4, 4 methods" in text
    for photograph in SMALL.photographs:
        assert photograph.source in text


def test_scores_are_those_of_the_stored_pixels(small):
    for name, mos in labels(small).items():
        image = np.asarray(Image.open(small / "super-resolved_images" / name))
        original = np.asarray(Image.open(small / "source_images" / f"{name[:5]}.png"))
        at_2, at_4 = (
            measure(original, to_bytes(enlarge(to_unit(to_bytes(reduce(to_unit(original), s))), s)))
            for s in (2, 4)
        )
        assert pseudo_mos(measure(original, image), Yardstick(at_2, at_4)) == mos


def test_better_images_score_higher(small):
    scored = labels(small)
    for ref in ("img01", "img02"):
        for scale in (2, 4):
            nearest, bicubic, learned = (
                scored[f"{ref}_{scale}_{m}.png"] for m in ("01", "03", "08")
            )
            assert nearest < bicubic < learned
        for method in ("01", "03", "08", "11"):
            assert scored[f"{ref}_2_{method}.png"] > scored[f"{ref}_4_{method}.png"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, RuntimeError("defect")])
def test_an_interrupted_build_leaves_nothing(tmp_path, monkeypatch, interruption):
    calls = []

    def failing(reference, image):
        calls.append(image)
        if len(calls) == 7:  # four make the yardsticks
            raise interruption
        return measure(reference, image)

    monkeypatch.setattr(recipe, "measure", failing)
    with pytest.raises((KeyboardInterrupt, RuntimeError)):
        build(tmp_path / "demo", SMALL, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_one_photograph_is_not_enough(tmp_path):
    with pytest.raises(DataError, match="at least 2"):
        build(tmp_path / "demo", Recipe(PHOTOGRAPHS[:1]))


def small_ensure(monkeypatch, home):
    monkeypatch.setattr(recipe, "Recipe", lambda: SMALL)
    return ensure(home)


def test_ensure_builds_once(tmp_path, monkeypatch):
    folder = small_ensure(monkeypatch, tmp_path)
    assert folder == tmp_path / f"demo-{recipe.recipe_digest()}"
    monkeypatch.setattr(recipe, "build", lambda *_: pytest.fail("built again"))
    assert ensure(tmp_path) == folder


def test_ensure_asks_the_environment_for_its_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(recipe, "build", lambda folder, _: folder.mkdir())
    assert ensure().parent == tmp_path / "home"


def test_ensure_removes_what_a_killed_build_left(tmp_path, monkeypatch):
    abandoned = tmp_path / f".demo-{recipe.recipe_digest()}-x1y2"
    abandoned.mkdir()
    (abandoned / "half.png").touch()
    small_ensure(monkeypatch, tmp_path)
    assert not abandoned.exists()


def test_a_home_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="HMTNET_HOME"):
        ensure(tmp_path / "file")


def test_the_digest_follows_the_versions(monkeypatch):
    before = recipe.recipe_digest()
    assert re.fullmatch("[0-9a-f]{12}", before)
    monkeypatch.setattr(recipe, "version", lambda _: "0")
    assert recipe.recipe_digest() != before


def test_two_processes_at_once_end_with_one_good_folder(small, tmp_path):
    # A script without a __main__ guard, as people write them.
    script = """
import sys
from pathlib import Path
from hmtnet.data.demo import Recipe, ensure, recipe
from hmtnet.data.demo.methods import METHODS
from hmtnet.data.demo.photographs import PHOTOGRAPHS
methods = (METHODS[0], METHODS[2], METHODS[7], METHODS[10])
recipe.Recipe = lambda: Recipe(PHOTOGRAPHS[:2], (2, 4), methods)
print(ensure(Path(sys.argv[1])))
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=120)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert printed[0] == printed[1]
    assert bytes_of(Path(printed[0])) == bytes_of(small)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [Path(printed[0]).name]


def test_the_whole_set(demo_root):
    scored = labels(demo_root)
    parts = np.array([NAME.fullmatch(name).groups() for name in scored])
    mos = np.array(list(scored.values()))
    assert len(mos) == 12 * 3 * 12
    assert len(set(mos)) > 420
    assert mos.min() >= 0.0
    assert mos.max() <= 1.0
    counts, _ = np.histogram(mos, bins=5, range=(0.0, 1.0))
    assert counts.min() > 40  # spread over the whole range

    def unseen(columns):
        """Predict every image by the mean of its like among all other references."""
        same = np.all(parts[:, None, columns] == parts[None, :, columns], axis=2)
        same &= parts[:, None, 0] != parts[None, :, 0]
        return spearmanr(same @ mos / same.sum(axis=1), mos).statistic

    # What the demo is for: labels explain much, the scale much less, and pixels are needed for all.
    label_only, scale_only = unseen([1, 2]), unseen([1])
    assert 0.75 < label_only < 0.93
    assert 0.4 < scale_only < 0.7
    cells = {tuple(part[1:]) for part in parts}
    spread = [mos[(parts[:, 1:] == cell).all(axis=1)].std() for cell in cells]
    assert np.mean(spread) > 0.08
