from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from hmtnet.data.crops import CropSettings
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.hmtnet.grading import GradingNet
from hmtnet.models.hmtnet.settings import SFENStageSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.maps import MapStyle
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.ridge.network import RidgeNet, RidgeSettings
from hmtnet.perception import saliency_of_list, sobel
from hmtnet.scoring.judge import judge
from hmtnet.scoring.maps import (
    Canvas,
    Collector,
    expected_grade,
    window,
)
from hmtnet.scoring.pictures import verdict_picture
from hmtnet.scoring.scorer import Scorer
from hmtnet.scoring.tiles import Layout, Tiles
from hmtnet.scoring.verdict import Verdict


def tensor(image):
    return torch.from_numpy(image).permute(2, 0, 1)


@pytest.mark.parametrize("size", [16, 17, 96])
def test_the_window_is_highest_in_the_middle_and_nowhere_zero(size):
    found = window(size)
    assert found.shape == (size, size) and found.max() == 1 and found.min() > 0
    middle = slice((size - 1) // 2, size // 2 + 1)
    assert (found[middle, middle] == 1).all()
    torch.testing.assert_close(found, found.flip(0))
    torch.testing.assert_close(found, found.T)
    assert (found[size // 2].diff()[: size // 2 - 1] > 0).all()


def test_the_expected_grade_of_known_evidence():
    evidence = torch.zeros(1, 5, 1, 3)
    evidence[0, 4, 0, 1] = 100.0
    evidence[0, [0, 1], 0, 2] = 100.0
    torch.testing.assert_close(expected_grade(evidence)[0, 0, 0], torch.tensor([3.0, 5.0, 1.5]))


def test_overlapping_tiles_are_averaged_by_their_weights():
    canvas = Canvas(Layout(2, 5, 3, ((0, 0), (0, 1))))
    ones = np.ones((3, 3), np.float32)
    canvas.add((0, 0), 1 * ones, 3 * ones)
    canvas.add((0, 1), 5 * ones, ones)
    found = canvas.mean()
    np.testing.assert_array_equal(found, [[1, 2, 2, 5, np.nan]] * 2)


def test_parts_of_a_tile_beyond_the_image_are_left_out():
    canvas = Canvas(Layout(2, 1, 4, ((-1, -2),)))
    canvas.add((-1, -2), np.arange(16, dtype=np.float32).reshape(4, 4), np.ones((4, 4), np.float32))
    np.testing.assert_array_equal(canvas.mean(), [[6], [10]])


@pytest.mark.parametrize(("height", "width"), [(96, 96), (97, 200), (300, 130), (40, 200)])
def test_every_map_has_the_images_size_and_no_gap(joint, noise, height, width):
    folder, _ = joint()
    verdict = Scorer(folder, "cpu", batch_tiles=3)(noise(height, width))
    assert set(verdict.maps) == {
        *("grade_evidence", "grade_weight", "saliency", "gradient", "attention")
    }
    for name, found in verdict.maps.items():
        assert found.dtype == np.float32
        if name != "attention":
            assert found.shape == (height, width) and np.isfinite(found).all(), name
    grade = verdict.maps["grade_evidence"]
    assert 1 <= grade.min() < grade.max() <= 5
    assert verdict.maps["grade_weight"].min() > 0
    assert verdict.maps["saliency"].min() >= 0 and verdict.maps["saliency"].max() <= 1


def test_one_tile_shows_what_the_network_says_of_it(joint, noise, assess):
    folder, network = joint()
    scorer, image = Scorer(folder, "cpu"), noise(96, 96)
    maps = scorer(image).maps
    whole = assess(network, tensor(image), scorer.restored.settings.crops).maps
    np.testing.assert_allclose(
        maps["grade_evidence"], expected_grade(whole["grade_evidence"])[0, 0], rtol=1e-5
    )
    np.testing.assert_allclose(
        maps["grade_weight"], whole["grade_weight"][0, 0] * 96 * 96, rtol=1e-4
    )
    assert maps["grade_weight"].mean() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(maps["attention"], whole["attention"][0], atol=1e-6)


def test_gradient_and_saliency_are_those_of_the_whole_image(joint, noise):
    folder, network = joint()
    image = noise(150, 250)
    maps = Scorer(folder, "cpu")(image).maps
    (saliency,) = saliency_of_list([tensor(image)], network.saliency_operator)
    np.testing.assert_array_equal(maps["saliency"], saliency[0])
    magnitude = sobel(tensor(image)[None].float() / 255)[0, 2].numpy()
    # A tile's own border sees no neighbours: only the outermost places of tiles may differ.
    near = np.isclose(maps["gradient"], magnitude, atol=1e-5)
    corners = ((0, 54), (0, 77, 154))
    edges = [{c + d for c in along for d in (0, 95)} for along in corners]
    seams = np.zeros_like(near)
    seams[sorted(edges[0])] = True
    seams[:, sorted(edges[1])] = True
    assert near[~seams].all() and near.mean() > 0.95


def test_the_maps_of_a_padded_image_are_of_the_image_itself(joint, noise):
    folder, network = joint()
    image = noise(50, 200)
    maps = Scorer(folder, "cpu")(image).maps
    inside = sobel(tensor(image)[None].float() / 255)[0, 2].numpy()[1:-1, 1:30]
    np.testing.assert_allclose(maps["gradient"][1:-1, 1:30], inside, atol=1e-5)
    padded = np.pad(image, ((23, 23), (0, 0), (0, 0)), mode="symmetric")
    (saliency,) = saliency_of_list([tensor(padded.copy())], network.saliency_operator)
    np.testing.assert_array_equal(maps["saliency"], saliency[0, 23:73])


def test_where_no_tile_looks_there_is_nothing(finished, noise):
    maps = Scorer(finished.stages["joint"], "cpu")(noise(64, 80)).maps  # one tile of 48
    seen = np.zeros((64, 80), bool)
    seen[8:56, 16:64] = True
    for name in ("grade_evidence", "grade_weight", "gradient"):
        np.testing.assert_array_equal(np.isfinite(maps[name]), seen)
    assert np.isfinite(maps["saliency"]).all()


def test_attention_is_a_share_at_every_level(joint, noise):
    folder, _ = joint(levels=2)
    verdict = Scorer(folder, "cpu", batch_tiles=2)(noise(150, 250))
    attention = verdict.maps["attention"]
    assert attention.shape == (2, 3)
    np.testing.assert_allclose(attention.sum(1), 1, atol=1e-6)
    assert abs(attention[0] - attention[1]).max() > 1e-3
    assert verdict.perspectives == ("pixels", "gradient", "saliency")


def test_a_map_that_the_network_has_not_is_absent(leave, finished, noise):
    image = noise(100, 100)
    grading = Scorer(finished.stages["grading"], "cpu")(image)
    assert set(grading.maps) == {"grade_evidence", "grade_weight"}
    assert grading.perspectives == ()
    settings = SFENStageSettings(
        extractor="weights",
        network=SFENSettings(levels=2, prior="none", perspectives=("texture",)),
    )
    folder, _ = leave(settings, stage="sfen")
    verdict = Scorer(folder, "cpu")(image)
    assert set(verdict.maps) == {"attention", "texture"}
    np.testing.assert_array_equal(verdict.maps["attention"], [[1], [1]])
    assert verdict.perspectives == ("texture",)


def test_where_tiles_overlap_the_evidence_that_counts_more_wins(noise):
    tiles = Tiles(noise(48, 72), CropSettings(size=48), None, torch.device("cpu"), 2)
    ((corners, _),) = tiles.groups()
    assert corners == ((0, 0), (0, 24))
    evidence = torch.zeros(2, 2, 48, 48)
    evidence[0, 0], evidence[1, 1] = 100.0, 100.0  # grade 1 on the left, grade 2 on the right
    weight = torch.ones(2, 1, 48, 48)
    weight[0, :, :, 24:], weight[1, :, :, 24:] = 0.25, 0.25
    weight = weight / weight.sum((2, 3), keepdim=True)
    collector = Collector(GradingNet.shows, tiles)
    collector.see(corners, {"grade_evidence": evidence, "grade_weight": weight})
    maps = collector.maps()
    left, right = window(48)[20, 24:] * 0.25, window(48)[20, :24]
    expected = [*[1.0] * 24, *(1 + right / (left + right)).tolist(), *[2.0] * 24]
    np.testing.assert_allclose(maps["grade_evidence"][20], expected, rtol=1e-5)
    assert maps["grade_weight"][20, 0] == pytest.approx(1.6) and set(maps) == {
        *("grade_evidence", "grade_weight")
    }


class Contrast(QualityNetwork):
    """A network of two passes: how far each crop's brightness is from the whole image's."""

    shows: ClassVar = {
        "distance": MapStyle(kind="local", title="distance", shades="from_zero"),
        "parts": MapStyle(kind="levels", title="parts", names=("red", "green", "blue")),
    }
    most = 0  # crops seen at once

    def brightness(self, crops):
        self.most = max(self.most, len(crops.pixels))
        return crops.pixels.mean((1, 2, 3))

    def distances(self, crops, mean):
        distance = (self.brightness(crops) - mean).abs()
        maps = {
            "distance": distance.view(-1, 1, 1, 1).expand(-1, 1, 3, 3),
            "parts": crops.pixels.mean((2, 3)).unsqueeze(1),
            "undescribed": distance,
        }
        return Prediction(unit_score=crops.mean_by_image(distance), maps=maps)

    def forward(self, crops):
        mean = crops.mean_by_image(self.brightness(crops))
        return self.distances(crops, mean[crops.image])

    def in_passes(self, run_pass):
        first = run_pass(lambda crops: {"brightness": self.brightness(crops)})
        return run_pass(lambda crops: self.distances(crops, first["brightness"].float()))


def test_a_network_of_its_own_passes_and_maps_is_shown_in_bounded_memory(tmp_path, assess):
    image = np.zeros((48, 192, 3), dtype=np.uint8)
    image[:, 144:] = 204  # brightness .8; the mean over the four tiles is .2
    network, crops = Contrast(), CropSettings(size=48)
    tiles = Tiles(image, crops, None, torch.device("cpu"), 2)
    collector = Collector(network.shows, tiles)
    means = judge(network, tiles, collector.see)
    assert network.most == 2
    assert float(means["unit_score"]) == pytest.approx(0.3, abs=1e-6)
    assert float(assess(network, tensor(image), crops).unit_score) == pytest.approx(0.3, abs=1e-6)
    maps = collector.maps()
    assert list(maps) == ["distance", "parts"]
    np.testing.assert_allclose(maps["distance"][:, :144], 0.2, atol=1e-6)
    np.testing.assert_allclose(maps["distance"][:, 144:], 0.6, atol=1e-6)
    np.testing.assert_allclose(maps["parts"], [[0.2, 0.2, 0.2]], atol=1e-6)
    verdict = Verdict(
        *(0.3, 0.3, (0.0, 1.0), True, "human", None, np.zeros(0)),
        maps=maps,
        styles=collector.styles(),
        layout=tiles.layout,
    )
    assert verdict.perspectives == ("red", "green", "blue")
    verdict_picture(image, verdict, tmp_path / "with.png")
    verdict_picture(image, replace(verdict, maps={}), tmp_path / "without.png")
    sizes = [Image.open(tmp_path / name).width for name in ("with.png", "without.png")]
    assert sizes[0] - sizes[1] == pytest.approx(150 * (3.25 + 3.4), abs=2)  # a map and the bars


def test_a_map_of_another_shape_than_its_kind_is_refused():
    tiles = Tiles(np.zeros((48, 48, 3), np.uint8), CropSettings(), None, torch.device("cpu"), 2)
    collector = Collector({"mine": MapStyle(kind="local")}, tiles)
    with pytest.raises(ValueError, match=r"'mine': expected \(N, 1, h, w\) .*found \(1, 2, 3, 3\)"):
        collector.see(((0, 0),), {"mine": torch.zeros(1, 2, 3, 3)})


@pytest.mark.parametrize("group", [1, 2, 64])
def test_ridge_sees_the_deviation_over_all_crops_group_by_group(noise, group, assess):
    settings = RidgeSettings(backbone=BackboneSettings(widths=(4, 8)), levels=2)
    network, image, crops = RidgeNet(settings).eval(), noise(100, 130), CropSettings(size=48)
    torch.nn.init.normal_(network.score.weight)
    tiles = Tiles(image, crops, None, torch.device("cpu"), group)
    found = judge(network, tiles, lambda *_: None)["unit_score"]
    whole = assess(network, tensor(image), crops).unit_score
    assert float(found) == pytest.approx(float(whole), abs=1e-5)
