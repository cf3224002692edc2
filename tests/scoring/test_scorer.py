import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.data.crops import pad_to
from hmtnet.errors import ArtifactError, DataError, SettingsError
from hmtnet.models.hmtnet.settings import SFENStageSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.plain.network import PlainStageSettings
from hmtnet.scoring.scorer import Scorer

STAGES = ["grading", "sfen", "joint"]


@pytest.fixture
def images(tiny_root):
    return sorted((tiny_root / "super-resolved_images").iterdir())


def with_grid(grid, size=48):
    return lambda document: document["settings"]["crops"].update(grid=grid, size=size)


def everything(verdict):
    """All numbers of a verdict, as bytes."""
    maps = [verdict.maps[name].tobytes() for name in sorted(verdict.maps)]
    return (verdict.score.hex(), verdict.probabilities.tobytes(), *maps)


@pytest.mark.parametrize("stage", STAGES)
def test_the_numbers_of_predictions_csv(finished, tiny_root, stage):
    folder = finished.stages[stage]
    scorer = Scorer(folder, device="cpu")
    expected = prediction_files.read(folder / "predictions.csv")
    assert len(expected) == 24
    for row, name in enumerate(expected.image):
        verdict = scorer(tiny_root / name)
        # Not the same bits: there, images are judged several at a time.
        assert verdict.score == pytest.approx(expected.score[row], abs=1e-6)
        assert verdict.grade == expected.grade[row] + 1
        np.testing.assert_allclose(verdict.probabilities, expected.probabilities[row], atol=1e-6)
        assert verdict.grades == 3 and verdict.layout.corners == ((8, 8),)


def test_a_capped_stage_is_said_to_be_one(changed, finished, caplog):
    assert not Scorer(finished.stages["sfen"], "cpu").capped and not caplog.records
    folder = changed("sfen", lambda document: document.update(debug={"batches": 2, "epochs": 1}))
    assert Scorer(folder, "cpu").capped
    assert "capped by trainer.debug, so its scores mean nothing" in caplog.text


@pytest.mark.parametrize("stage", STAGES)
def test_one_tile_is_what_the_network_says_to_the_last_bit(finished, images, stage, assess):
    scorer = Scorer(finished.stages[stage], "cpu")
    for path in images:
        tensor = torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1)
        whole = assess(scorer.restored.network, tensor, scorer.restored.settings.crops)
        verdict = scorer(path)
        assert verdict.unit_score == float(whole.unit_score)
        np.testing.assert_array_equal(verdict.probabilities, whole.log_grades[0].double().exp())


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("batch_tiles", [1, 4, 64])
def test_many_tiles_are_what_the_whole_network_says(changed, noise, stage, batch_tiles, assess):
    scorer = Scorer(changed(stage, with_grid("cover")), "cpu", batch_tiles)
    image = noise(130, 200)
    verdict = scorer(image)
    assert len(verdict.layout.corners) == 15
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    whole = assess(scorer.restored.network, tensor, scorer.restored.settings.crops)
    assert verdict.unit_score == pytest.approx(float(whole.unit_score), abs=1e-6)
    np.testing.assert_allclose(verdict.probabilities, whole.log_grades[0].exp(), atol=1e-6)


@pytest.mark.parametrize(
    "changes",
    [
        {"prior": "film"},
        {"prior": "concat", "pool": "saliency"},
        {"prior": "concat", "prior_source": "out_of_fold"},
        {"prior": "none", "saliency": "sdsp", "pool": "mean"},
    ],
)
def test_every_guidance_is_what_the_whole_network_says(joint, noise, changes, assess):
    folder, network = joint(**changes)
    scorer = Scorer(folder, "cpu", batch_tiles=2)
    image = noise(150, 200)
    whole = assess(
        network, torch.from_numpy(image).permute(2, 0, 1), scorer.restored.settings.crops
    )
    assert scorer(image).unit_score == pytest.approx(float(whole.unit_score), abs=1e-6)


def test_a_plain_network_is_asked_group_by_group(leave, noise, assess):
    folder, network = leave(PlainStageSettings(), "plain", "plain")
    scorer, seen = Scorer(folder, "cpu", batch_tiles=2), []
    backbone = scorer.restored.network.backbone
    backbone.register_forward_hook(lambda module, inputs, outputs: seen.append(len(inputs[0])))
    image = noise(150, 250)
    whole = assess(
        network, torch.from_numpy(image).permute(2, 0, 1), scorer.restored.settings.crops
    )
    assert scorer(image).unit_score == pytest.approx(float(whole.unit_score), abs=1e-6)
    assert seen == [2, 2, 2]


def test_the_size_of_groups_does_not_show(changed, noise):
    folder, image = changed("joint", with_grid("cover")), noise(200, 200)
    verdicts = [Scorer(folder, "cpu", batch_tiles=n)(image) for n in (1, 3, 7, 25)]
    for other in verdicts[1:]:
        assert other.score == pytest.approx(verdicts[0].score, abs=1e-6)
        for name, found in other.maps.items():
            np.testing.assert_allclose(found, verdicts[0].maps[name], atol=1e-4)


def test_no_forward_sees_more_tiles_than_it_may(changed, noise):
    scorer = Scorer(changed("joint", with_grid("cover")), "cpu", batch_tiles=4)
    seen = []
    encoder = scorer.restored.network.grading.encoder
    encoder.register_forward_hook(lambda module, inputs, outputs: seen.append(len(inputs[0])))
    scorer(noise(130, 200))
    assert seen == [4, 4, 4, 3]


def test_twenty_runs_give_the_same_bytes(changed, noise):
    scorer = Scorer(changed("joint", with_grid("cover")), "cpu")
    image = noise(100, 140)
    assert len({everything(scorer(image)) for _ in range(20)}) == 1


def test_maps_change_no_number(finished, images):
    scorer = Scorer(finished.stages["joint"], "cpu")
    bare = scorer(images[0], maps=False)
    assert bare.maps == {} and bare.perspectives == ()
    assert bare.score == scorer(images[0]).score


def test_whatever_is_called_an_image(finished, images):
    scorer = Scorer(str(finished.stages["joint"]), "cpu")
    with Image.open(images[0]) as opened:
        pillow = opened.convert("RGB")
    array = np.asarray(pillow)
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1)
    kinds = [images[0], str(images[0]), pillow, array, tensor, tensor.contiguous()]
    assert len({everything(scorer(kind)) for kind in kinds}) == 1


def test_what_was_given_is_left_alone(finished, noise):
    image = noise(64, 64)
    before = image.copy()
    Scorer(finished.stages["joint"], "cpu")(image)
    np.testing.assert_array_equal(image, before)


def test_many_is_lazy_and_keeps_the_order(finished, images):
    scorer = Scorer(finished.stages["joint"], "cpu")
    asked = []

    def paths():
        for path in images[:3]:
            asked.append(path)
            yield path

    found = scorer.many(paths())
    assert asked == []
    first, verdict = next(found)
    assert asked == [first] == images[:1]
    assert verdict.score == scorer(first).score and verdict.maps == {}
    assert [path for path, _ in found] == images[1:3]


def test_many_goes_on_after_a_bad_file_and_tells_which(finished, images, tmp_path, caplog):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    found = list(Scorer(finished.stages["joint"], "cpu").many([images[0], bad, images[1]]))
    assert [path for path, _ in found] == images[:2]
    assert "not scored" in caplog.text and str(bad) in caplog.text


def test_a_list_of_images_of_any_sizes_is_judged_one_by_one(changed, noise):
    scorer = Scorer(changed("joint", with_grid("cover")), "cpu")
    images = [noise(60, 100), noise(130, 50, seed=1), noise(20, 20, seed=2)]
    found = scorer(images, maps=False)
    assert [verdict.score for verdict in found] == [scorer(image, False).score for image in images]
    with pytest.raises(SettingsError, match="with a list of images"):
        scorer(images, reference=images[0])


def test_half_precision_says_about_the_same(joint, noise):
    folder, image = joint()[0], noise(100, 130)
    exact, half = (Scorer(folder, "cpu", half=half)(image).unit_score for half in (False, True))
    assert exact != half and half == pytest.approx(exact, abs=0.05)


def test_a_network_without_a_finite_score_is_refused(joint, noise):
    folder = joint()[0]
    found = store.load(folder)
    huge = {n: t.fill_(3e38) if n.endswith("weight") else t for n, t in found.tensors.items()}
    store.save(folder, huge, found.meta)
    with pytest.raises(
        DataError, match=r"no finite score of the image: its weights are too large\.$"
    ):
        Scorer(folder, "cpu")(noise(60, 60))


def test_the_spread_over_tiles(joint, noise):
    # Without saliency, which is of the whole image, equal tiles are judged alike.
    scorer = Scorer(joint(perspectives=("pixels", "gradient"))[0], "cpu")
    size = scorer.restored.settings.crops.size
    image = noise(size, 2 * size)
    both = [scorer(np.ascontiguousarray(image[:, :size])), scorer(image)]
    assert both[0].tile_spread is None and both[1].tile_spread > 1e-4
    assert scorer(np.tile(image[:, :size], (1, 2, 1))).tile_spread == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_an_interval_is_in_the_unit_of_the_dataset(changed, images, higher_is_better):
    def told(document):
        document["calibration"] = {"coverage": 0.9, "half_width": 0.125, "images": 99}
        document["dataset"].update(mos_range=[10, 90], higher_is_better=higher_is_better)

    verdict = Scorer(changed("joint", told), "cpu")(images[0])
    expected = np.clip([verdict.score - 10, verdict.score + 10], 10, 90)
    assert verdict.interval == pytest.approx(expected)
    low, high = verdict.interval
    assert f"90 % interval {low:.4g} to {high:.4g}" in str(verdict)


def test_the_unit_of_the_dataset(changed, finished, images):
    def dmos(document):
        document["dataset"].update(mos_range=[10, 90], higher_is_better=False, label_kind="pseudo")

    verdict = Scorer(changed("joint", dmos), "cpu")(images[0])
    unit = Scorer(finished.stages["joint"], "cpu")(images[0]).unit_score
    assert verdict.unit_score == unit and verdict.score == 90 - 80 * unit
    assert verdict.label == "pseudo-MOS" and verdict.mos_range == (10, 90)
    assert f"predicted pseudo-MOS {verdict.score:.4g} (10 to 90, 10 is best)" in str(verdict)
    assert f"grade {verdict.grade} of 3" in str(verdict)


def test_a_network_without_grades(leave, noise, assess):
    settings = SFENStageSettings(extractor="weights", network=SFENSettings(levels=2, prior="none"))
    folder, network = leave(settings, stage="sfen")
    image = noise(100, 100)
    verdict = Scorer(folder, "cpu")(image)
    whole = assess(network, torch.from_numpy(image).permute(2, 0, 1), settings.crops)
    assert verdict.unit_score == pytest.approx(float(whole.unit_score), abs=1e-6)
    assert verdict.grade is None and verdict.grades == 0 and "grade" not in str(verdict)
    assert verdict.label == "MOS" and str(verdict).endswith("(1 to 5, 5 is best)")


@pytest.mark.parametrize(("height", "width"), [(20, 31), (20, 100), (5, 5), (1, 1)])
def test_a_small_image_is_mirrored_outwards_and_says_so(changed, noise, height, width):
    scorer = Scorer(changed("joint", with_grid("cover")), "cpu")
    image = noise(height, width)
    verdict, padded = scorer(image), scorer(pad_to(torch.from_numpy(image).permute(2, 0, 1), 48))
    assert verdict.score == padded.score
    assert verdict.layout.padded and not padded.layout.padded
    assert verdict.layout.corners[0] == (-((48 - height) // 2), min(0, -((48 - width) // 2)))
    assert f"mirrored outwards to {max(48, width)} × 48 pixels" in str(verdict)
    assert "mirrored" not in str(padded)


def test_crops_that_know_of_each_other_are_seen_together(spread, noise, assess):
    folder, network = spread("alone")
    image = noise(100, 300)
    image[:, :96] //= 2
    scorer = Scorer(folder, "cpu", batch_tiles=2)
    whole = assess(
        network, torch.from_numpy(image).permute(2, 0, 1), scorer.restored.settings.crops
    )
    assert float(whole.unit_score) > 0.26  # the tiles differ
    assert scorer(image).unit_score == pytest.approx(float(whole.unit_score), abs=1e-6)
    assert scorer(image).maps == {}


@pytest.mark.parametrize("shape", [(100, 300), (40, 120), (20, 30)])
def test_a_reference_is_looked_at_through_the_same_tiles(spread, noise, tmp_path, shape, assess):
    folder, network = spread("paired")
    image, reference = noise(*shape), noise(*shape, seed=1)
    scorer = Scorer(folder, "cpu", batch_tiles=2)
    crops = scorer.restored.settings.crops
    first, second = (torch.from_numpy(array).permute(2, 0, 1) for array in (image, reference))
    whole = assess(network, first, crops, second)
    found = scorer(image, reference=reference).unit_score
    assert found == pytest.approx(float(whole.unit_score), abs=1e-6) and found < 0.9
    assert scorer(image, reference=image).unit_score == 1
    assert scorer.restored.network.most <= 2
    for name, array in (("image.png", image), ("reference.png", reference)):
        Image.fromarray(array).save(tmp_path / name)
    files = (tmp_path / "image.png", tmp_path / "reference.png")
    assert scorer(files[0], maps=False, reference=files[1]).unit_score == found


def test_a_reference_one_pixel_larger_is_cut_and_another_size_refused(spread, noise, tmp_path):
    scorer = Scorer(spread("paired")[0], "cpu")
    whole = noise(101, 120)
    verdict = scorer(whole[:100, :119], reference=whole)
    assert verdict.unit_score == 1 and (verdict.layout.height, verdict.layout.width) == (100, 119)
    assert scorer(whole, reference=whole[:100]).layout.height == 100
    path = tmp_path / "mine.png"
    Image.fromarray(whole[:99]).save(path)
    with pytest.raises(DataError, match=r"mine\.png' measures 120×99 .* reference 120×101.* by 1 "):
        scorer(path, reference=whole)
    with pytest.raises(DataError, match="Expected a uint8 RGB array"):
        scorer(whole, reference=whole / 255)


def test_a_reference_may_be_larger_by_the_scale_factor_as_in_training(spread, noise):
    scorer = Scorer(spread("paired")[0], "cpu")
    whole = noise(103, 121)
    verdict = scorer(whole[:100, :120], reference=whole, scale=4)
    assert verdict.unit_score == 1 and (verdict.layout.height, verdict.layout.width) == (100, 120)
    with pytest.raises(DataError, match=r"by 2\.5 at most \(its scale factor\)"):
        scorer(whole[:100], reference=whole, scale=2.5)
    with pytest.raises(SettingsError, match="at least 1 beside a reference, found scale=0"):
        scorer(whole, reference=whole, scale=0)
    with pytest.raises(SettingsError, match="found scale=4 and no reference"):
        Scorer(spread("alone")[0], "cpu")(whole, scale=4)


def test_a_reference_is_asked_for_and_not_taken_in_vain(spread, noise, tmp_path):
    image = noise(100, 100)
    with pytest.raises(SettingsError, match=r"'paired' compares .* and none is given.*reference=…"):
        Scorer(spread("paired")[0], "cpu")(image)
    with pytest.raises(SettingsError, match="'alone' judges images without a reference"):
        Scorer(spread("alone")[0], "cpu")(image, reference=image)
    Image.fromarray(image).save(tmp_path / "a.png")
    with pytest.raises(SettingsError, match="none is given"):
        next(Scorer(spread("paired")[0], "cpu").many([tmp_path / "a.png"]))


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("labelled", "reads the true grade"),
        ("mixed", "by the grades of another one"),
    ],
)
def test_networks_that_cannot_judge_an_image_alone_are_refused(spread, stage, message):
    with pytest.raises(ArtifactError, match=f"'{stage}' in .*{message}.*hmtnet evaluate"):
        Scorer(spread(stage)[0])


@pytest.mark.parametrize("source", ["oracle", "shuffled"])
def test_priors_of_ablations_are_refused(joint, source):
    with pytest.raises(ArtifactError, match="cannot judge an image that comes alone"):
        Scorer(joint(prior_source=source)[0])


def test_an_evaluation_has_no_weights_and_says_where_they_are(
    hmtnet, finished, tiny_root, tmp_path
):
    artifact = finished.stages["joint"]
    done = hmtnet(
        *("evaluate", f"artifact={artifact}", "data=qads", f"data.root={tiny_root}"),
        *(f"runs={tmp_path / 'runs'}", "trainer=cpu", "split=content"),
    )
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("runs/*/*/*/stage.json")
    with pytest.raises(ArtifactError, match="predictions of an evaluation") as error:
        Scorer(path.parent)
    assert f"{artifact.resolve()}." in str(error.value)
    moved = tmp_path / "elsewhere" / "a" / "b" / "c" / "d"
    moved.parent.mkdir(parents=True)
    path.parent.rename(moved)
    with pytest.raises(ArtifactError, match="not there any more"):
        Scorer(moved)


def test_what_is_no_artifact_is_refused(finished, tmp_path, changed):
    with pytest.raises(ArtifactError, match="No finished stage"):
        Scorer(tmp_path)
    with pytest.raises(ArtifactError, match="is a file"):
        Scorer(finished.stages["joint"] / "stage.safetensors")
    with pytest.raises(ArtifactError, match=r"no usable 'dataset\.mos_range'"):
        Scorer(changed("joint", lambda d: d["dataset"].pop("mos_range")))


def test_settings_that_cannot_be_are_refused(finished):
    for device in ("gpu0", "cuda:99"):
        with pytest.raises(SettingsError, match=f"device: '{device}' cannot be used"):
            Scorer(finished.stages["joint"], device)
    with pytest.raises(SettingsError, match="at least 1, found 0"):
        Scorer(finished.stages["joint"], batch_tiles=0)


def test_scoring_needs_neither_lightning_nor_hydra_nor_matplotlib(finished, images):
    code = (
        "import sys, torch; torch.set_num_threads(1)\n"
        "from hmtnet.scoring.scorer import Scorer\n"
        "verdict = Scorer(sys.argv[1], 'cpu')(sys.argv[2])\n"
        "heavy = {'lightning', 'pytorch_lightning', 'hydra', 'omegaconf', 'matplotlib', 'wandb'}\n"
        "print(verdict.score.hex(), *heavy & set(sys.modules))"
    )
    folder = finished.stages["joint"]
    done = subprocess.run(
        [sys.executable, "-c", code, folder, images[0]],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.split() == [Scorer(folder, "cpu")(images[0]).score.hex()]
