"""`hmtnet data list | verify | split | export`, on real files."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from hmtnet.cli.main import BAD_INPUT
from hmtnet.data import readers


@pytest.fixture
def root(tiny_root, tmp_path):
    """A copy of the tiny dataset, to be spoilt."""
    return shutil.copytree(tiny_root, tmp_path / "qads")


@pytest.fixture
def on(root):
    """The words that name the tiny dataset."""
    return ("data=qads", "data.name=mine", f"data.root={root}")


def test_list_names_every_reader_and_where_its_folder_is(hmtnet, root, monkeypatch):
    monkeypatch.setenv("HMTNET_DATA", str(root.parent))
    out = hmtnet("data", "list").out
    for name in readers.readers():
        assert any(line.split()[0] == name for line in out.splitlines() if line), name
    document = json.loads(hmtnet("data", "list", "format=json").out)
    assert [entry["reader"] for entry in document] == sorted(readers.readers())
    qads = next(entry for entry in document if entry["reader"] == "qads")
    assert (qads["images"], qads["range"], qads["root"]) == (980, [0.0, 1.0], str(root))
    assert all(
        entry["obtained"] for entry in document if entry["reader"] not in ("table", "synthesized")
    )


def test_list_takes_nothing_else(hmtnet):
    done = hmtnet("data", "list", "data=qads")
    assert done.code == BAD_INPUT and "takes format=json only" in done.err


def test_verify_a_sound_folder(hmtnet, on):
    done = hmtnet("data", "verify", *on)
    assert done.code == 0, done.err
    assert "labels: human scores, 0 to 1, 1 = best" in done.out
    assert done.out.splitlines()[-1] == "sound"


def test_a_linked_folder_of_images_is_one_line_and_can_be_allowed(hmtnet, on, root, tmp_path):
    folder = root / "super-resolved_images"
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "disk")
    refused = hmtnet("data", "export", *on)
    assert refused.code == BAD_INPUT and refused.err.count("\n") == 1
    assert f"is a link to '{tmp_path / 'disk'}'. To allow links, set data.links=true" in refused.err
    assert hmtnet("data", "export", *on, "data.links=true").code == 0
    assert "leaves the dataset's folder" not in hmtnet("data", "verify", *on, "data.links=true").out
    assert hmtnet("data", "verify", *on, "data.links=true").code == 0


def test_a_content_that_fills_most_of_a_subset_is_told(hmtnet, on, root, tmp_path):
    done = hmtnet("data", "split", *on, f"output={tmp_path / 'a.json'}")
    assert "show one content" in done.err
    assert "of the" in done.err and "Check the column or the names" in done.err


def test_verify_a_faulty_folder(hmtnet, on, root):
    victim = root / "super-resolved_images/img03_2_01.png"
    victim.write_bytes(victim.read_bytes()[:90])
    done = hmtnet("data", "verify", *on)
    assert done.code == BAD_INPUT and "✗ fault: Image" in done.out
    assert done.out.splitlines()[-1].startswith("NOT SOUND")
    done = hmtnet("data", "verify", *on, "format=json")
    document = json.loads(done.out)
    assert done.code == BAD_INPUT and not document["sound"]
    (fault,) = (f["text"] for f in document["findings"] if f["level"] == "fault")
    assert str(victim) in fault


def test_verify_compares_with_what_is_known(hmtnet, root):
    done = hmtnet("data", "verify", "data=qads", f"data.root={root}")
    assert done.code == BAD_INPUT
    assert "images: found 24, the dataset has 980" in done.out


def test_verify_draws_repeated_scenes(hmtnet, make_photos, tmp_path):
    words = (
        *("data=table", f"data.root={make_photos}", "data.range=[0,1]", "data.direction=higher"),
        "data.label_kind=human",
    )
    sheet = tmp_path / "scenes.png"
    done = hmtnet("data", "verify", *words, f"output={sheet}")
    assert done.code == 0 and "show one of 1 scenes again" in done.out, done.err
    assert min(Image.open(sheet).size) > 50
    done = hmtnet("data", "split", *words, f"output={tmp_path / 's.json'}", "format=json")
    assert json.loads(done.out)["subsets"][0]["contents"] <= 3


@pytest.fixture
def make_photos(tmp_path):
    """Four photographs of which two are one scene, and a table."""
    from skimage import data

    folder = tmp_path / "photos"
    folder.mkdir()
    shots = {"a": data.astronaut(), "b": data.coffee(), "c": data.chelsea()}
    shots["d"] = shots["a"][8:-8, 8:-8]
    for name, pixels in shots.items():
        Image.fromarray(pixels).resize((256, 192)).save(folder / f"{name}.png")
    rows = "".join(f"{name}.png,0.{i + 1}\n" for i, name in enumerate(shots))
    (folder / "mos.csv").write_text("image,mos\n" + rows)
    return folder


def test_verify_with_nothing_to_draw(hmtnet, on, tmp_path):
    done = hmtnet("data", "verify", *on, f"output={tmp_path / 'scenes.png'}")
    assert done.code == BAD_INPUT and "Nothing to draw" in done.err


def test_a_split_is_written_and_used_again(hmtnet, on, tmp_path):
    path, again = tmp_path / "split.json", tmp_path / "again.json"
    done = hmtnet("data", "split", *on, "split=scale", "seed=4", f"output={path}")
    assert done.code == 0 and "by protocol 'scale': scale-x4-s4-" in done.out, done.err
    made = json.loads(path.read_text())
    words = ("split=file", f"split.file={path}", "format=json", f"output={again}")
    document = json.loads(hmtnet("data", "split", *on, *words).out)
    assert document["id"] == made["id"] and again.read_text() == path.read_text()
    sizes = [subset["images"] for subset in document["subsets"]]
    assert sizes == [len(made[name]) for name in ("train", "val", "test")]
    assert document["left_out"] == 24 - sum(sizes)
    for overlap in document["overlaps"]:
        assert (overlap["images"], overlap["contents"], overlap["methods"]) == (0, 0, 2)
        assert overlap["scales"] == (1 if overlap["subsets"] == "train and val" else 0)


def test_split_lies_under_a_telling_name(hmtnet, on, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "test" in hmtnet("data", "split", *on).out
    (path,) = tmp_path.glob("mine-content-s0-*.json")
    assert json.loads(path.read_text())["dataset"] == "mine"


@pytest.fixture
def theirs(tmp_path, root):
    """Another dataset, which shows one of the tiny dataset's references and five others."""
    other = make_other(tmp_path / "other")
    shutil.copy(root / "source_images/img02.png", other / "source_images/img05.png")
    return ("data@other=qads", "other.name=theirs", f"other.root={other}", "split=cross")


def make_other(root):
    rng = np.random.default_rng(7)
    names = [f"img{r:02d}_2_01.png" for r in range(1, 7)]
    for place in [f"super-resolved_images/{n}" for n in names] + [
        f"source_images/{n[:5]}.png" for n in names
    ]:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.kron(rng.integers(0, 255, (32, 32, 3)), np.ones((2, 2, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(root / place)
    lines = "".join(f"0.{i + 2} {name}\n" for i, name in enumerate(names))
    (root / "mos_with_names.txt").write_text(lines)
    return root


def test_split_over_two_datasets(hmtnet, on, theirs, tmp_path):
    path = tmp_path / "s.json"
    done = hmtnet("data", "split", *on, *theirs, "format=json", f"output={path}")
    document = json.loads(done.out)
    train, val, test = (subset["images"] for subset in document["subsets"])
    assert (train + val, test, document["left_out"]) == (20, 6, 4)
    assert all(name.startswith("theirs/") for name in json.loads(path.read_text())["test"])


def test_two_datasets_that_show_the_same(hmtnet, on, root, tmp_path):
    other = shutil.copytree(root, tmp_path / "copy")
    words = ("data@other=qads", "other.name=copy", f"other.root={other}", "split=cross")
    done = hmtnet("data", "split", *on, *words, f"output={tmp_path / 's.json'}")
    assert done.code == BAD_INPUT and "needs at least 2 contents" in done.err


def test_export_to_standard_output_and_to_a_file(hmtnet, on, tmp_path):
    out = hmtnet("data", "export", *on).out
    assert out.startswith("image,mos,reference,method,scale,") and out.count("\n") == 25
    done = hmtnet("data", "export", *on, f"output={tmp_path / 'all.csv'}")
    assert (tmp_path / "all.csv").read_text() == out and "24 images" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verfy"], "Did you mean 'verify'?"),
        (["verify", "data=qad"], "qads"),
        (["verify", "data=qads", "data.root=nowhere"], "looked for nowhere"),
        (["split", "split=published"], "needs the table that stores the splits"),
        (["split", "data=table"], "data.root"),
    ],
)
def test_bad_input(hmtnet, words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HMTNET_DATA", raising=False)
    done = hmtnet("data", *words)
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert message in done.err and "Traceback" not in done.err
    assert not list(tmp_path.iterdir())


def test_usage(hmtnet):
    assert hmtnet("data", "--help").out.startswith("usage: hmtnet data list")
    done = hmtnet("data")
    assert done.code == BAD_INPUT and done.err.startswith("usage: hmtnet data list")


@pytest.mark.parametrize("body", ["raise SystemExit(3)", "1 / 0", "import nowhere_to_be_found"])
def test_a_broken_package_breaks_its_own_line_alone(hmtnet, tmp_path, monkeypatch, body):
    (tmp_path / "broken_reader.py").write_text(body)
    info = tmp_path / "broken-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[hmtnet.datasets]\nodd = broken_reader:READER\n")
    monkeypatch.syspath_prepend(tmp_path)
    done = hmtnet("data", "list")
    assert done.code == 0 and "qads" in done.out
    assert "'odd' (broken_reader:READER)" in done.err and "Traceback" not in done.err


def test_an_output_that_cannot_be_written_is_one_message(hmtnet, on, tmp_path):
    (tmp_path / "file").touch()  # a folder that root may not write into either
    done = hmtnet("data", "export", *on, f"output={tmp_path / 'file' / 'all.csv'}")
    assert done.code == BAD_INPUT and "cannot be written" in done.err
    assert "Traceback" not in done.err
