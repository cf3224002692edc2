import pytest
import torch

from hmtnet.models.hmtnet.sfen import Prior

PRIORS = ["mixture", "film", "concat", "none"]


@pytest.mark.parametrize("prior", PRIORS)
def test_the_score_is_the_sfens_guided_by_the_images_grades(make_hmtnet, make_crops, prior):
    network = make_hmtnet(prior=prior).eval()
    crops = make_crops((2, 1, 3))
    prediction = network(crops)
    grading = network.grading(crops)
    expected = network.sfen(crops, Prior(grading.log_grades, grading.embedding))
    torch.testing.assert_close(prediction.unit_score, expected.unit_score)
    torch.testing.assert_close(prediction.log_grades, grading.log_grades)
    torch.testing.assert_close(prediction.grading.unit_score, grading.unit_score)
    assert set(prediction.maps) == {*grading.maps, *expected.maps}
    assert network.saliency_operator == "spectral_residual"


def test_at_first_the_mixture_follows_the_grades(make_hmtnet, make_crops, grades):
    network = make_hmtnet().eval()
    torch.nn.init.zeros_(network.sfen.guidance.position.weight)
    torch.nn.init.zeros_(network.sfen.guidance.position.bias)
    prediction = network(make_crops((2, 1, 3)))
    torch.testing.assert_close(prediction.unit_score, prediction.grading.unit_score)


def test_a_prior_is_kept_or_replaced_image_by_image(make_hmtnet, make_crops):
    network = make_hmtnet(prior="concat").eval()
    crops = make_crops((2, 1, 3))
    informed, uninformed = network(crops).unit_score, network.sfen(crops).unit_score
    keep = torch.tensor([True, False, True])
    found = network(crops, keep_prior=keep)
    torch.testing.assert_close(found.unit_score, torch.where(keep, informed, uninformed))
    torch.testing.assert_close(network(crops, keep_prior=~keep).unit_score[1], informed[1])
    # What is reported of the grades stays what the grading network says.
    torch.testing.assert_close(found.log_grades, network(crops).log_grades)


def test_hiding_the_prior_stops_its_gradient(make_hmtnet, make_crops):
    network = make_hmtnet().eval()
    network(make_crops((2, 1)), keep_prior=torch.tensor([False, False])).unit_score.sum().backward()
    assert not any(p.grad is not None and p.grad.any() for p in network.grading.parameters())


def test_a_frozen_grading_network_never_learns(make_hmtnet, make_crops):
    network = make_hmtnet(frozen=True)
    assert network.training and not network.grading.training  # also as it is made
    before = {k: v.clone() for k, v in network.grading.state_dict().items()}
    for mode in (True, False, True):
        network.train(mode)
        assert network.sfen.training == network.training == mode
        assert not any(module.training for module in network.grading.modules())
    prediction = network(make_crops((2, 1, 3)))
    prediction.unit_score.sum().backward()
    assert not prediction.log_grades.requires_grad
    assert all(p.grad is None and not p.requires_grad for p in network.grading.parameters())
    assert any(p.grad is not None for p in network.sfen.parameters())
    after = network.grading.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items())


def test_freezing_keeps_gradients_switched_off_where_they_were(make_hmtnet, make_crops):
    network = make_hmtnet()
    with torch.no_grad():
        prediction = network(make_crops((2, 1)))
    assert not prediction.unit_score.requires_grad and not prediction.log_grades.requires_grad


def test_the_own_state_leaves_a_frozen_grading_network_out(make_hmtnet):
    frozen = make_hmtnet(frozen=True).own_state()
    assert frozen and all(name.startswith("sfen.") for name in frozen)
    network = make_hmtnet()
    assert network.own_state().keys() == network.state_dict().keys()
    assert any(name.startswith("grading.") for name in network.own_state())


def test_the_score_alone_trains_the_grading_network_too(make_hmtnet, make_crops):
    network = make_hmtnet()
    network(make_crops((2, 1, 3))).unit_score.square().sum().backward()
    encoder = dict(network.grading.encoder.named_parameters())
    assert encoder and all(p.grad is not None and p.grad.any() for p in encoder.values())
    assert network.grading.evidence.weight.grad.any()


def test_unguided_the_score_does_not_reach_the_grading_network(make_hmtnet, make_crops):
    network = make_hmtnet(prior="none")
    network(make_crops((2, 1, 3))).unit_score.square().sum().backward()
    assert not any(p.grad is not None and p.grad.any() for p in network.grading.parameters())
