"""A whole small set: deterministic, resumable, readable, and whole or not at all."""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmtnet.data.readers import read_dataset
from hmtnet.errors import DataError, SettingsError
from hmtnet.synthesis import pseudo_mos, worker
from hmtnet.synthesis.build import build


def bytes_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


@pytest.mark.full
def test_a_set_is_the_same_by_one_process_and_by_two_and_can_be_read(settings, tmp_path):
    built = build(settings())
    assert len(built.rows) == built.made == 9 and built.left_out == built.missing == {}
    two = build(settings(output=str(tmp_path / "two"), processes=2))
    assert bytes_of(tmp_path / "set") == bytes_of(tmp_path / "two") and two.digest == built.digest
    other = build(settings(output=str(tmp_path / "other"), seed=1))
    assert other.digest != built.digest

    for reader in ("synthesized", "qads"):
        words = {"label_kind": "pseudo"} if reader == "qads" else {}
        found = read_dataset(reader, root=str(tmp_path / "set"), **words)
        assert (len(found), found.label_kind, found.mos_range) == (9, "pseudo", (0.0, 1.0))
        assert len(set(found.content)) == 3 and all(r.reference_image for r in found.records)
    again = worker.FORMULAS["fidelity"]
    for row in built.rows:
        pictures = [
            np.asarray(Image.open(tmp_path / "set" / name))
            for name in (
                f"super-resolved_images/{row['image']}",
                f"source_images/{row['reference']}.png",
            )
        ]
        assert pictures[0].shape == pictures[1].shape == (176, 176, 3)
        assert row["mos"] == pytest.approx(again(*pictures), abs=1e-6)


def test_what_is_finished_is_not_made_again(settings, tmp_path):
    whole, folder = bytes_of(build(settings()).folder), tmp_path / "set"
    assert build(settings()).made == 0
    log, images = folder / "images.jsonl", sorted((folder / worker.IMAGES).iterdir())
    images[0].unlink()
    kept = images[1].stat().st_mtime_ns
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:-1]) + "\n" + lines[-1][:40])  # killed in the middle of a line
    (folder / worker.IMAGES / ".img01-half.png").write_bytes(b"half")
    assert build(settings()).made == 2
    assert bytes_of(folder) == whole and images[1].stat().st_mtime_ns == kept
    # A damaged image, a damaged line and an edited score are made again too.
    images[0].write_bytes(images[0].read_bytes()[:-20])
    first, second, third, *rest = log.read_bytes().splitlines()
    edited = {**json.loads(third), "reference": "img99"}
    log.write_bytes(b"\n".join([first, b"\xfb" + second, json.dumps(edited).encode(), *rest]))
    assert build(settings()).made == 3
    assert bytes_of(folder) == whole and images[1].stat().st_mtime_ns == kept


def test_another_recipe_or_another_folder_is_refused_and_nothing_is_changed(settings, tmp_path):
    before = bytes_of(build(settings()).folder)
    with pytest.raises(DataError, match=r"another recipe: settings\.seed 0 → 5"):
        build(settings(seed=5))
    (tmp_path / "photos" / "cup.png").unlink()
    with pytest.raises(DataError, match=r"photographs\.cup\.png"):
        build(settings())
    assert bytes_of(tmp_path / "set") == before
    with pytest.raises(DataError, match="is not empty"):
        build(settings(output=str(tmp_path / "photos")))
    (tmp_path / "set" / "recipe.json").write_text("{}")
    with pytest.raises(DataError, match="is no recipe"):
        build(settings())


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"methods": ("bicubik",)}, "Did you mean 'bicubic'"),
        ({"images": 40}, "make 10 pairs"),
        ({"photos": "nowhere"}, "is no folder"),
        ({"weights": ("nothing.pth",)}, "nothing.pth|spandrel"),
        ({"side": 400}, r"None of the 3 photographs .* smaller than a crop of 400×400"),
    ],
)
def test_bad_settings_leave_nothing(settings, tmp_path, fields, told):
    with pytest.raises((SettingsError, DataError), match=told):
        build(settings(**fields))
    assert not (tmp_path / "set").exists()


def test_photographs_that_do_not_serve_are_named(settings, photos, tmp_path):
    with Image.open(photos / "cat.png") as cat, Image.open(photos / "cup.png") as cup:
        (tmp_path / "test_set").mkdir()
        cat.crop((4, 2, 264, 198)).save(tmp_path / "test_set" / "reference.jpg", quality=90)
        cup.crop((0, 0, 100, 100)).save(photos / "small.png")
    shutil.copy(photos / "cup.png", photos / "twin.png")
    (photos / "damaged.png").write_bytes((photos / "cup.png").read_bytes()[:3000])
    (photos / "text.png").write_text("no image")
    Image.new("RGB", (300, 300), (90, 120, 200)).save(photos / "wall.png")
    built = build(settings(exclude=(str(tmp_path / "test_set"),)))
    reasons = {
        "cat.png": "reference.jpg shows",
        "small.png": "100×100 pixels, smaller than",
        "twin.png": "a copy of cup.png",
        "text.png": "cannot be decoded|is no image|not an image|format",
    }
    for name, reason in reasons.items():
        assert any(word in built.left_out[name] for word in reason.split("|")), built.left_out
    crops = [reason for name, reason in built.left_out.items() if name.startswith("img")]
    assert any("wall.png shows no detail" in reason for reason in crops)
    assert any("damaged.png" in reason for reason in crops)
    photographs = {row["photograph"] for row in built.rows}
    assert photographs == {"cup.png", "deep/sky.png"}
    told = json.loads((built.folder / "recipe.json").read_text())["made"]
    assert told["left_out"] == built.left_out


def test_crops_of_one_photograph_are_one_content(settings, tmp_path, caplog):
    build(settings(crops=2, images=1))
    caplog.clear()
    found = read_dataset("synthesized", root=str(tmp_path / "set"))
    assert len({r.reference_image for r in found.records}) == 6 and len(set(found.content)) == 3
    assert not caplog.records  # such as of images without a label


def test_one_photograph_does_without_methods_that_know_others(settings, photos):
    for name in ("cup.png", "deep/sky.png"):
        (photos / name).unlink()
    built = build(settings())
    assert set(built.missing) == {"hallucinated", "learned-filters"} and len(built.rows) == 3


def test_the_command_tells_what_there_is(hmtnet, settings, photos, tmp_path):
    words = (f"photos={photos}", f"output={tmp_path / 'set'}", "side=176", "images=1")
    done = hmtnet("synthesize", *words, "methods=[bicubic]", "scales=[2]", "formula=fidelity")
    assert done.code == 0 and "3 images of 3 references, 1 SR methods" in done.out
    assert "pseudo-MOS by 'fidelity', not human" in done.out and "digest: " in done.out
    assert (tmp_path / "set" / "contact_sheet.png").is_file()
    refused = hmtnet("synthesize", f"photos={tmp_path / 'none'}", f"output={tmp_path / 'x'}")
    assert refused.code == 2 and "is no folder" in refused.err and not (tmp_path / "x").exists()


def test_a_formula_that_cannot_be_computed_is_told_before_any_image_is_made(
    settings, monkeypatch, tmp_path
):
    monkeypatch.setitem(sys.modules, "piq", None)  # as where it is not installed
    pseudo_mos._piq.cache_clear()
    with pytest.raises(SettingsError, match=r"needs piq, which is not installed"):
        build(settings(formula="preference"))
    assert not (tmp_path / "set").exists()


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks for processes in /proc")
@pytest.mark.full
def test_processes_end_with_a_parent_that_is_killed(photos, tmp_path, hmtnet_process):
    words = ("synthesize", f"photos={photos}", f"output={tmp_path / 'set'}", "side=176")
    parent = hmtnet_process(*words, "images=8", "crops=9", "processes=2", "formula=fidelity")
    until = time.monotonic() + 60
    while not (workers := workers_of(parent.pid)):
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    while not list(tmp_path.glob("set/source_images/*.png")):  # they have begun to work
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while any(map(is_alive, workers)):
        assert time.monotonic() < until, "a process waits for ever"
        time.sleep(0.05)


def workers_of(pid):
    """Return the processes that a pool's parent has spawned."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    pids = children.read_text().split() if children.is_file() else []
    return [child for child in pids if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_alive(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()
