import itertools
import re

import pytest
import torch

from hmtnet.data.crops import Crops, CropSettings, pad_to, tile_corners
from hmtnet.models.quality import Prediction, QualityNetwork, make_crops
from hmtnet.perception import saliency


def image_of(height, width, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("operator", ["spectral_residual", "sdsp"])
def test_saliency_is_that_of_the_whole_image_cut_with_the_pixels(make_batch, operator):
    batch = make_batch(2)
    batch.corners = [[(0, 0), (16, 16)], [(3, 5)]]
    crops = make_crops(batch, 32, operator)
    assert crops.pixels.shape == (3, 3, 32, 32) and crops.saliency.shape == (3, 1, 32, 32)
    assert torch.equal(crops.pixels[1], batch.images[0][:, 16:48, 16:48] / 255)
    whole = saliency(batch.images[0][None] / 255, operator)[0]
    torch.testing.assert_close(crops.saliency[1], whole[:, 16:48, 16:48])


def test_without_an_operator_no_saliency_is_computed(make_batch):
    crops = make_crops(make_batch(2), 48, None)
    assert crops.saliency is None and crops.images == 2


def test_looking_passes_references_on(make_batch):
    batch = make_batch(2)
    batch.references = [255 - image for image in batch.images]
    crops = make_crops(batch, 48, None)
    torch.testing.assert_close(crops.reference, 1 - crops.pixels)


# (40, 100): smaller than the crop one way; (20, 9): much smaller both ways.
@pytest.mark.parametrize("shape", [(48, 48), (70, 130), (40, 100), (20, 9)])
@pytest.mark.parametrize("grid", ["cover", 1])
def test_an_image_is_seen_through_its_tiles(make_hmtnet, shape, grid, assess):
    network = make_hmtnet().eval()
    image = image_of(*shape)
    settings = CropSettings(size=48, grid=grid)
    prediction = assess(network, image, settings)

    padded = pad_to(image, 48) / 255
    corners = tile_corners(*padded.shape[1:], settings)
    whole = saliency(padded[None], "spectral_residual")[0]

    def tiles(source):
        return torch.stack([source[:, t : t + 48, left : left + 48] for t, left in corners])

    one_image = torch.zeros(len(corners), dtype=torch.long)
    with torch.no_grad():
        expected = network(Crops(tiles(padded), one_image, 1, tiles(whole)))
    torch.testing.assert_close(prediction.unit_score, expected.unit_score)
    torch.testing.assert_close(prediction.log_grades, expected.log_grades)
    assert prediction.unit_score.shape == (1,)
    assert prediction.maps["grade_weight"].shape[0] == len(corners)


def test_judging_leaves_the_image_and_the_network_as_they_are(make_sfen, assess):
    network = make_sfen(prior="none").eval()
    image = image_of(30, 50)
    before = image.clone()
    first = assess(network, image, CropSettings(size=48))
    second = assess(network, image, CropSettings(size=48))
    assert torch.equal(image, before) and torch.equal(first.unit_score, second.unit_score)
    assert not first.unit_score.requires_grad


@pytest.mark.parametrize("shape", [(64, 64, 3), (3, 64, 64), (1, 1, 64, 64), (0, 3, 64, 64)])
def test_what_is_no_batch_of_rgb_images_is_refused(make_sfen, shape):
    found = re.escape(str(shape))
    with pytest.raises(ValueError, match=r"Expected RGB images \(B, 3, H, W\), found " + found):
        make_sfen()(torch.zeros(shape))


class Distance(QualityNetwork):
    """One less the mean distance to the reference."""

    needs_reference = True
    by_crop = True

    def forward(self, crops):
        distance = (crops.pixels - crops.reference).abs().mean((1, 2, 3))
        return Prediction(unit_score=crops.mean_by_image(1 - distance))


def test_a_reference_is_looked_at_through_the_same_tiles(assess):
    image = image_of(70, 100)
    settings = CropSettings(size=48)
    assert assess(Distance(), image, settings, image).unit_score == 1
    moved = image.clone()
    moved[:, 50:] = 255 - moved[:, 50:]  # lies in the lower tiles alone
    whole = (image[:, 22:] / 255 - moved[:, 22:] / 255).abs()
    low = [whole[:, :, left : left + 48].mean() for left in (0, 26, 52)]
    found = assess(Distance(), image, settings, moved).unit_score
    torch.testing.assert_close(found, 1 - torch.stack(low).mean()[None] / 2)


@pytest.mark.parametrize("shape", [(47, 100), (20, 9)])
def test_a_small_reference_is_padded_as_its_image_and_another_size_refused(shape, assess):
    image, settings = image_of(*shape), CropSettings(size=48)
    assert assess(Distance(), image, settings, image).unit_score == 1
    with pytest.raises(ValueError, match="Expected references of the images' sizes"):
        assess(Distance(), image, settings, image_of(shape[0] + 1, shape[1]))


def test_when_references_are_looked_at(make_sfen):
    network = make_sfen()
    assert network.reference_use == "none"
    network.learns_from_reference = True
    assert network.reference_use == "training"
    network.needs_reference = True
    assert network.reference_use == "always"


def test_a_network_predicts_nothing_by_itself():
    with pytest.raises(NotImplementedError):
        QualityNetwork()(None)


def test_the_own_state_is_the_whole_state(make_grading):
    network = make_grading()
    own, whole = network.own_state(), network.state_dict()
    assert own.keys() == whole.keys() and all(torch.equal(own[k], whole[k]) for k in own)


BUILDERS = ["grading", "sfen", "hmtnet"]


@pytest.fixture
def make(make_grading, make_sfen, make_hmtnet):
    return {"grading": make_grading, "sfen": make_sfen, "hmtnet": make_hmtnet}


@pytest.mark.parametrize("name", BUILDERS)
def test_an_images_score_does_not_depend_on_the_batch(make, name, make_crops):
    network = make[name]().eval()
    together = make_crops((2, 1, 3))
    with torch.no_grad():
        scores = network(together).unit_score
        for i in range(3):
            mine = together.image == i
            alone = Crops(
                together.pixels[mine],
                torch.zeros(int(mine.sum())).long(),
                1,
                together.saliency[mine],
            )
            torch.testing.assert_close(network(alone).unit_score[0], scores[i], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", BUILDERS)
def test_no_gradient_leaks_from_one_image_to_another(make, name, make_crops):
    crops = make_crops((2, 1, 3))
    crops.pixels.requires_grad_()
    make[name]().eval()(crops).unit_score[1].backward()
    touched = crops.pixels.grad.flatten(1).abs().sum(1) > 0
    assert touched.tolist() == [False, False, True, False, False, False]


PRIORS = ("mixture", "film", "concat", "none")


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("name", "prior"), [("grading", None), *itertools.product(("sfen", "hmtnet"), PRIORS)]
)
def test_under_bfloat16_scores_are_float32_and_gradients_finite(
    make, name, prior, training, make_crops
):
    options = {} if prior is None else {"prior": prior, "pool": "saliency"}
    network = make[name](**options).train(training)
    crops = make_crops((1,) * 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = network(crops)
    assert prediction.unit_score.dtype == torch.float32
    # Half precision would leave its zeros behind the eighth binary digit.
    assert not torch.equal(prediction.unit_score, prediction.unit_score.bfloat16().float())
    if prediction.log_grades is not None:
        assert prediction.log_grades.dtype == torch.float32
        torch.testing.assert_close(prediction.log_grades.exp().sum(1), torch.ones(6))
    prediction.unit_score.square().sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients and all(g.isfinite().all() for g in gradients)
    with torch.no_grad():
        exact = network.eval()(crops).unit_score
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        near = network(crops).unit_score
    assert (near - exact).abs().max() < 0.02
