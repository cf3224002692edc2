"""Bad input: one clear message, exit code 2, and nothing half-written left behind."""

import shutil

import pytest
import torch

from hmtnet.cli.main import BAD_INPUT

IMAGE = "super-resolved_images/img03_2_01.png"


@pytest.fixture
def root(tiny_root, tmp_path):
    """A copy of the tiny dataset, to be spoilt."""
    return shutil.copytree(tiny_root, tmp_path / "qads")


@pytest.fixture
def refused(hmtnet, tiny, root, tmp_path, monkeypatch):
    """Train, expect a refusal, and return its message."""
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    before = sorted(tmp_path.rglob("*"))

    def run(*words):
        done = hmtnet(*tiny(runs, *words, root=root))
        assert (done.code, done.out) == (BAD_INPUT, ""), done.err
        messages = [line for line in done.err.splitlines() if line.startswith("hmtnet: ")]
        assert len(messages) == 1 and "Traceback" not in done.err
        assert "Error executing job" not in done.err
        assert not runs.exists() and {*tmp_path.rglob("*")} <= {*before, *root.rglob("*")}
        return messages[0]

    return run


def relabel(root, change):
    labels = root / "mos_with_names.txt"
    labels.write_text("".join(change(line) for line in labels.read_text().splitlines(True)))


def test_a_label_without_an_image(refused, root):
    (root / IMAGE).unlink()
    message = refused()
    assert "1 labels without an image (img03_2_01.png)" in message


def test_an_image_without_a_label(refused, root):
    relabel(root, lambda line: "" if "img03_2_01" in line else line)
    assert f"1 images without a label ({IMAGE})" in refused()


@pytest.mark.parametrize(
    ("mos", "message"),
    [
        ("nan", "1 malformed label lines (line 9: 'nan img03_2_01.png')"),
        ("inf", "1 malformed label lines (line 9: 'inf img03_2_01.png')"),
        ("1.5", f"1 with a MOS outside the declared range 0 to 1: {IMAGE} (1.5)"),
    ],
)
def test_a_mos_that_is_none(refused, root, mos, message):
    relabel(root, lambda line: f"{mos} img03_2_01.png\n" if "img03_2_01" in line else line)
    assert message in refused()


def test_an_image_that_cannot_be_decoded(refused, root):
    whole = (root / IMAGE).read_bytes()
    (root / IMAGE).write_bytes(whole[: len(whole) // 2])
    assert f"{IMAGE}' cannot be decoded" in refused()


def test_a_table_that_leaves_its_folder(hmtnet, tmp_path, tiny, root):
    (root / "labels.csv").write_text(f"image,mos\n../qads/{IMAGE},0.5\n{IMAGE},0.5\n")
    words = ["data=table", "data.range=[0,1]", "data.direction=higher", "data.label_kind=human"]
    done = hmtnet(*tiny(tmp_path / "runs", *words, root=root))
    assert done.code == BAD_INPUT
    assert "1 names that leave the dataset's folder (line 2" in done.err
    assert not (tmp_path / "runs").exists()


def test_one_grade_with_no_sample(refused):
    message = refused("system.grades.count=5", "system.grades.rule=width")
    assert "without a training image" in message and "system.grades.rule=quantile" in message


def test_too_many_grades(refused):
    assert "system.grades.count to 16 or less" in refused("system.grades.count=20")


def test_an_unknown_backbone(refused):
    message = refused("size.backbone.name=mobilnetv2_100")
    assert "Unknown backbone 'mobilnetv2_100'" in message
    assert "Did you mean 'mobilenetv2_100'?" in message


def test_weights_that_are_not_there(refused, tmp_path):
    words = ["size.backbone.name=mobilenetv2_100.ra_in1k", "size.crops.size=48"]
    message = refused(words[0], f"size.backbone.weights={tmp_path / 'none.pth'}")
    assert f"no file '{tmp_path / 'none.pth'}'" in message


def test_weights_of_a_later_stage_are_missed_before_the_first_one_trains(refused, tmp_path):
    backbone = "{name: mobilenetv2_100.ra_in1k, weights: none.pth, widths: [], norm: auto"
    message = refused(f"system.sfen.network.backbone={backbone}, view: auto}}")
    assert "no file 'none.pth'" in message


def test_weights_from_the_hub_without_a_network(refused, tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no-cache"))
    message = refused("size.backbone.name=mobilenetv2_050.lamb_in1k", "size.backbone.weights=hub")
    assert "HMTNET_OFFLINE=1" in message and "mobilenetv2_050.lamb_in1k" in message
    assert "size.backbone.weights=none" in message


def test_a_later_stage_that_does_not_fit_is_refused_before_the_first_one_trains(refused):
    message = refused("system.sfen.network.levels=3")
    assert message.startswith("hmtnet: system.sfen: ") and "levels" in message


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_hardware_that_is_not_there(refused):
    message = refused("trainer.accelerator=gpu")
    assert "trainer.accelerator=gpu: torch finds no GPU" in message and "trainer=auto" in message


def test_a_folder_of_runs_that_cannot_be_used(hmtnet, tiny, tmp_path):
    (tmp_path / "runs").write_text("a file")
    done = hmtnet(*tiny(tmp_path / "runs", "stages=[grading]"))
    assert done.code == BAD_INPUT and "cannot be used" in done.err
    assert (tmp_path / "runs").read_text() == "a file"


def test_a_dataset_that_is_not_there(hmtnet, tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("HMTNET_DATA", raising=False)
    done = hmtnet(*tiny(tmp_path / "runs", root=tmp_path / "qad"))
    assert done.code == BAD_INPUT and f"'{tmp_path}' is empty" in done.err


def test_an_image_smaller_than_the_crop_is_mirrored_outwards(hmtnet, tiny, tmp_path):
    done = hmtnet(*tiny(tmp_path, "size.crops.size=80", "stages=[grading]"))
    assert done.code == 0, done.err
