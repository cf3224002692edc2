"""MFEN by the command line: both stages, and a DAN that another dataset has taught."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.models.mfen import DAN, MFEN
from hmtnet.models.mfen.task import DANTask, MFENTask, TypedTask
from hmtnet.scoring.restore import restore
from hmtnet.scoring.scorer import Scorer

EPOCHS = ("system.dan.epochs=2", "system.quality.epochs=2")
SMALL = ("system.quality.network.hfen_widths=[8,8,8,8]", "system.quality.network.features=16")


@pytest.fixture(scope="module")
def words(one_stage):
    return lambda runs, *more: one_stage("mfen", runs, *EPOCHS, *SMALL, *more)


@pytest.fixture(scope="module")
def trained(hmtnet, words, tmp_path_factory):
    """The folder of runs of a finished chain, and its run directories by stage."""
    runs = tmp_path_factory.mktemp("mfen") / "runs"
    done = hmtnet(*words(runs))
    assert done.code == 0, done.err
    return runs, {name: next(runs.glob(f"qads/*/{name}-*")) for name in ("dan", "quality")}


def test_both_stages_leave_what_every_stage_leaves(trained):
    _, paths = trained
    for name, path in paths.items():
        meta = store.read_meta(path)
        assert (meta["system"], meta["stage"]) == ("mfen", name)
        assert meta["grade_accuracy"] is None and np.isfinite(meta["val_srcc"])
        found = prediction_files.read(path / "predictions.csv")
        assert [len(found.select(part)) for part in ("train", "val", "test")] == [16, 4, 4]
        assert found.probabilities.shape == (24, 0)
    upstream = store.read_meta(paths["quality"])["upstream"]
    assert upstream["dan"]["key"] == store.read_meta(paths["dan"])["key"]
    costs = store.read_meta(paths["quality"])["cost"]
    assert costs["trained_parameters"] < costs["parameters"]
    assert not any(n.startswith("dan.") for n in store.load(paths["quality"]).tensors)


def test_type_scores_are_those_of_the_training_images(trained):
    _, paths = trained
    meta = store.read_meta(paths["dan"])
    train = prediction_files.read(paths["dan"] / "predictions.csv").select("train")
    kinds = list(zip(train.method, train.scale, strict=True))
    low, high = meta["dataset"]["mos_range"]
    means = [
        np.mean([m for m, k in zip(train.mos, kinds, strict=True) if k == kind])
        for kind in {*kinds}
    ]
    assert len(means) == 4
    expected = (np.sort(means) - low) / (high - low)
    found = store.load(paths["dan"]).tensors["type_mos"]
    np.testing.assert_allclose(np.sort(found), expected, atol=1e-6)
    # What a DAN says is a mean of these.
    assert low + (high - low) * expected[0] <= train.score.min()
    assert train.score.max() <= low + (high - low) * expected[-1]


@pytest.mark.parametrize(("name", "kind"), [("dan", DAN), ("quality", MFEN)])
def test_what_is_restored_scores_as_predicted(trained, scores_of, name, kind):
    path = trained[1][name]
    restored = restore(path)
    assert isinstance(restored.network, kind)
    found = prediction_files.read(path / "predictions.csv")
    for image, score in zip(found.image, found.score, strict=True):
        assert scores_of(restored, image) == pytest.approx(score, abs=1e-6)


def test_what_is_restored_knows_its_types(trained):
    dan, mfen = (restore(trained[1][name]).network for name in ("dan", "quality"))
    assert torch.equal(dan.type_mos, store.load(trained[1]["dan"]).tensors["type_mos"])
    assert mfen.types.out_features == 4
    weights = store.load(trained[1]["dan"]).tensors
    assert all(torch.equal(mfen.dan.state_dict()[k], v) for k, v in weights.items())


def test_tiles_are_judged_however_they_are_grouped(trained, tiny_root):
    image = tiny_root / prediction_files.read(trained[1]["quality"] / "predictions.csv").image[0]
    scores = [
        Scorer(trained[1]["quality"], device="cpu", batch_tiles=n)(image, maps=maps).score
        for n, maps in ((1, False), (16, True))
    ]
    assert scores[0] == pytest.approx(scores[1], abs=1e-5)


@pytest.mark.full
def test_killed_in_either_stage_it_resumes_to_the_same_bits(hmtnet, words, trained, tmp_path):
    class Killed(BaseException):
        pass

    def killed_in_epoch_2_of(task):
        def training_step(self, batch, batch_index):
            if self.current_epoch == 1 and isinstance(self, task):
                raise Killed
            return true(self, batch, batch_index)

        true = TypedTask.training_step
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(TypedTask, "training_step", training_step)
            with pytest.raises(Killed):
                hmtnet(*words(tmp_path))

    killed_in_epoch_2_of(DANTask)
    killed_in_epoch_2_of(MFENTask)
    done = hmtnet(*words(tmp_path))
    assert done.code == 0, done.err
    assert "dan: reused" in done.err and "quality: resuming" in done.err
    for name in ("dan", "quality"):
        (path,) = tmp_path.glob(f"qads/*/{name}-*")
        assert store.read_meta(path)["cost"]["epochs_timed"] == 1
        ours, theirs = store.load(path).tensors, store.load(trained[1][name]).tensors
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], tensor) for key, tensor in theirs.items())


@pytest.mark.parametrize("switch", ["network.hfen=false", "loss.types=0"])
def test_a_switch_trains_the_second_stage_anew_and_the_first_not(
    hmtnet, words, trained, tmp_path, switch
):
    runs = shutil.copytree(trained[0], tmp_path / "runs")
    done = hmtnet(*words(runs, f"system.quality.{switch}", "system.quality.epochs=1"))
    assert done.code == 0 and "dan: training" not in done.err, done.err
    assert len(list(runs.glob("qads/*/quality-*"))) == 2


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A dataset in the layout of BIQ2021, which knows no distortion types: 12 images."""
    root = tmp_path_factory.mktemp("photographs") / "biq2021"
    (root / "Images").mkdir(parents=True)
    rng = np.random.default_rng(7)
    lines = {"Train": [], "Test": []}
    for i in range(12):
        noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
        name = f"ss{i // 4 + 1:02d} ({i + 1}).jpg"
        noise.filter(ImageFilter.GaussianBlur(0.15 * i)).save(root / "Images" / name, quality=95)
        lines["Train" if i % 4 else "Test"].append(f"{name},{1 - i / 12:.4f},,")
    for subset, rows in lines.items():
        text = "\r\n".join(["Image Name,MOS,,", *rows, ""])
        (root / f"{subset} (Images and MOS).csv").write_bytes(text.encode())
    return root


@pytest.fixture(scope="module")
def on_photographs(hmtnet, words, photographs):
    """Train on the dataset without types."""

    def train(runs, *more):
        data = ["data=biq2021", f"data.root={photographs}", "split=image", "system.grades.count=4"]
        return hmtnet(*words(runs, *data, "system.quality.epochs=1", *more))

    return train


def test_a_dan_from_another_dataset_serves_where_types_are_unknown(
    on_photographs, trained, tmp_path, photographs
):
    dan = trained[1]["dan"]
    done = on_photographs(tmp_path, f"upstream.dan={dan}", "stages=[quality]", "format=json")
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("biq2021/*/quality-*")
    assert json.loads(done.out)["runs"] == {"quality": str(path)}
    meta = store.read_meta(path)
    assert meta["upstream"]["dan"]["key"] == store.read_meta(dan)["key"]
    assert "types.bias" not in store.load(path).tensors
    # Its grades are its own, in number and edges: a DAN knows none.
    assert len(meta["grades"]["edges_unit"]) == 3
    assert [seen["fingerprint"] for seen in meta["seen"]["upstream"]] == [
        store.read_meta(dan)["dataset"]["fingerprint"]
    ]
    restored = restore(path)
    assert restored.network.types is None and restored.network.dan.types.out_features == 4
    found = prediction_files.read(path / "predictions.csv")
    score = Scorer(path, device="cpu")(photographs / found.image[0]).score
    assert score == pytest.approx(found.score[0], abs=1e-5)


def test_a_dan_cannot_learn_where_types_are_unknown(on_photographs, tmp_path):
    done = on_photographs(tmp_path)
    assert (done.code, done.out) == (BAD_INPUT, "")
    for part in ("Stage 'dan' of system 'mfen'", "method or scale", "upstream.dan=<"):
        assert part in done.err
    assert not tmp_path.joinpath("biq2021").exists()


def test_without_a_dan_nothing_is_asked_of_the_dataset(on_photographs, tmp_path):
    done = on_photographs(tmp_path, "stages=[quality]", "system.quality.network.dan=false")
    assert done.code == 0, done.err
    done = on_photographs(tmp_path, "stages=[quality]")
    assert done.code == BAD_INPUT and "Stage 'quality' needs a DAN" in done.err


def test_a_dan_that_has_seen_the_test_images_is_refused(hmtnet, words, trained, tmp_path):
    more = [f"upstream.dan={trained[1]['dan']}", "stages=[quality]", "split.seed=1"]
    done = hmtnet(*words(tmp_path, *more))
    assert done.code == BAD_INPUT and "Upstream stage 'dan' trained on" in done.err
