import torch

from hmtnet.models.ahiq.head import ComparingHead


def make():
    return ComparingHead(inputs=10, embedding=4, widths=(8, 6, 5))


def test_differences_come_first_then_either_image():
    head = make()
    distorted, reference = torch.randn(2, 10, 3, 3), torch.randn(2, 10, 3, 3)
    found = head.differences(torch.cat([distorted, reference]))
    d, r = head.embed(distorted), head.embed(reference)
    torch.testing.assert_close(found, torch.cat([d - r, d, r], 1))


def test_the_score_is_the_mean_over_places_weighted_by_their_weights():
    judged = make()(torch.randn(6, 10, 4, 4))
    assert judged.map.shape == judged.weight.shape == (3, 1, 4, 4)
    assert ((judged.weight > 0) & (judged.weight < 1)).all()
    for i in range(3):
        weights = judged.weight[i].flatten() / judged.weight[i].sum()
        expected = (weights * judged.map[i].flatten()).sum()
        torch.testing.assert_close(judged.score[i], expected)


def test_a_place_without_weight_does_not_count():
    head = make().eval()
    features = torch.randn(2, 10, 4, 4)
    torch.nn.init.constant_(head.weight.bias, -200.0)  # every sigmoid is 0 in float32
    judged = head(features)
    assert judged.score.isfinite().all() and not judged.weight.any()


def test_it_starts_at_the_middle_of_the_scale():
    head = make()
    torch.nn.init.zeros_(head.score.weight)
    torch.testing.assert_close(head(torch.randn(4, 10, 3, 3)).score, torch.full((2,), 0.5))


def test_there_are_two_activations_and_none_before_the_score():
    layers = [type(layer).__name__ for layer in make().compare]
    assert layers == ["Conv2d", "ReLU", "Conv2d", "Conv2d", "ReLU"]
    head = make()
    torch.nn.init.constant_(head.score.bias, -3.0)
    assert (head(torch.randn(4, 10, 3, 3)).score < 0).all()
