"""A stage as a loss: the live score, and a gradient that is right."""

import numpy as np
import pytest
import torch

from hmtnet.errors import SettingsError
from hmtnet.models.plain.network import PlainStageSettings
from hmtnet.scoring.scorer import Scorer


def tensor(*images):
    return torch.stack([torch.from_numpy(image).permute(2, 0, 1) / 255 for image in images])


@pytest.mark.parametrize("size", [(150, 230), (40, 96)])
def test_it_is_one_minus_the_live_score_of_each_image(joint, noise, size):
    scorer = Scorer(joint()[0], "cpu")
    images = [noise(*size, seed=seed) for seed in range(2)]
    expected = [1 - scorer(image, maps=False).unit_score for image in images]
    losses = scorer.as_loss("none")(tensor(*images))
    assert abs(expected[0] - expected[1]) > 1e-3
    np.testing.assert_allclose(losses, expected, atol=2e-6)
    assert float(scorer.as_loss()(tensor(*images))) == pytest.approx(np.mean(expected), abs=2e-6)


def test_lower_is_better_whatever_the_direction_of_the_scores(leave, noise):
    dmos = {"label_kind": "human", "mos_range": [10, 90], "higher_is_better": False}
    scorer = Scorer(leave(PlainStageSettings(), "plain", "plain", dmos)[0], "cpu")
    verdict = scorer(noise(96, 96))
    assert float(scorer.as_loss()(tensor(noise(96, 96)))) == pytest.approx(
        (verdict.score - 10) / 80, abs=1e-6
    )


@pytest.mark.parametrize("texture", ["residual", "mscn"])
def test_the_gradient_of_all_perspectives_is_that_of_finite_differences(
    joint, noise, monkeypatch, texture
):
    folder, _ = joint(
        perspectives=("pixels", "texture", "gradient", "saliency"), texture=texture, pool="saliency"
    )
    loss = Scorer(folder, "cpu").as_loss().double()
    image = tensor(noise(24, 30)).double()  # mirrored outwards to a tile
    # Saliency is held fixed, and what a network brings to float32 stays in float64 here.
    saliency = loss.network.crops_of(image, loss._crops).saliency
    monkeypatch.setattr(
        "hmtnet.models.quality.saliency_of_list", lambda images, operator: [saliency[0]]
    )
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    image.requires_grad_()
    assert torch.autograd.gradcheck(loss, (image,), fast_mode=True)
    loss(image).backward()
    assert image.grad.abs().sum() > 0


def test_the_network_stays_frozen_and_in_evaluation_mode(joint, noise):
    scorer = Scorer(joint()[0], "cpu")
    module = torch.nn.ModuleDict({"quality": scorer.as_loss()}).train()
    loss = module["quality"]
    assert loss.training and not any(part.training for part in loss.network.modules())
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    image = tensor(noise(96, 96)).requires_grad_()
    loss(image).backward()
    assert image.grad.isfinite().all()
    assert not any(parameter.requires_grad for parameter in loss.parameters())
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.requires_grad for parameter in scorer.restored.network.parameters())


def test_a_step_along_the_gradient_lowers_it(joint, noise):
    loss = Scorer(joint()[0], "cpu").as_loss()
    image = tensor(noise(100, 130)).mul(0.5).add(0.25).requires_grad_()
    before = loss(image)
    before.backward()
    with torch.no_grad():
        assert float(loss(image - 0.002 * image.grad.sign())) < float(before)


def test_pixels_that_a_screen_would_clip_are_worth_nothing(joint, noise):
    loss = Scorer(joint()[0], "cpu").as_loss()
    image = tensor(noise(96, 96)) * 3 - 1
    assert float(loss(image)) == float(loss(image.clamp(0, 1)))


def test_a_reference_is_compared_where_the_stage_does_so(spread, noise):
    loss = Scorer(spread("paired")[0], "cpu").as_loss()
    image, other = tensor(noise(96, 96)), tensor(noise(96, 96, seed=1))
    assert float(loss(image, image)) == 0 and float(loss(image, other)) > 0.05
    with pytest.raises(SettingsError, match="compares images with their references"):
        loss(image)
    with pytest.raises(SettingsError, match="'alone' judges images without references"):
        Scorer(spread("alone")[0], "cpu").as_loss()(image, other)


def test_bad_input_is_refused(joint, leave, noise):
    scorer = Scorer(joint()[0], "cpu")
    with pytest.raises(ValueError, match="Divide uint8 pixels by 255"):
        scorer.as_loss()(tensor(noise(96, 96)).mul(255).byte())
    with pytest.raises(ValueError, match="Add the batch dimension"):
        scorer.as_loss()(tensor(noise(96, 96))[0])
    with pytest.raises(SettingsError, match="'mean' or 'none', found 'sum'"):
        scorer.as_loss("sum")
