import pytest
import torch

from hmtnet.models.hmtnet.fusion import PerspectiveFusion


def normal(vectors):
    return torch.nn.functional.layer_norm(vectors, vectors.shape[-1:])


@pytest.fixture
def maps():
    return torch.rand(4, 3, 8, 6, 6)


def test_at_first_all_perspectives_count_alike(maps):
    fused, attention = PerspectiveFusion(8, "mean")(maps, None)
    torch.testing.assert_close(attention, torch.full((4, 3), 1 / 3))
    torch.testing.assert_close(fused, normal(maps.mean((3, 4))).mean(1))


def test_attention_weights_the_perspectives_and_sums_to_one(maps):
    fusion = PerspectiveFusion(8, "mean")
    torch.nn.init.normal_(fusion.relevance.weight, std=5)
    fused, attention = fusion(maps, None)
    torch.testing.assert_close(attention.sum(1), torch.ones(4))
    pooled = normal(maps.mean((3, 4)))
    expected = torch.stack(
        [sum(attention[n, v] * pooled[n, v] for v in range(3)) for n in range(4)]
    )
    torch.testing.assert_close(fused, expected)
    assert attention.std() > 0.01


def test_the_saliency_pool_weights_places(maps):
    fusion = PerspectiveFusion(8, "saliency")
    saliency = torch.rand(4, 1, 12, 12)
    fused, _ = fusion(maps, saliency)
    weight = saliency.unflatten(2, (6, 2)).unflatten(4, (6, 2)).mean((3, 5)) + 1e-3
    expected = (maps * weight[:, None]).sum((3, 4)) / weight.sum((2, 3))[:, None]
    torch.testing.assert_close(fused, normal(expected).mean(1), atol=1e-4, rtol=1e-4)


def test_uniform_saliency_is_the_plain_mean(maps):
    salient, _ = PerspectiveFusion(8, "saliency")(maps, torch.ones(4, 1, 12, 12))
    plain, _ = PerspectiveFusion(8, "mean")(maps, None)
    torch.testing.assert_close(salient, plain, atol=1e-4, rtol=1e-4)


def test_no_salient_place_is_the_plain_mean_too(maps):
    salient, _ = PerspectiveFusion(8, "saliency")(maps, torch.zeros(4, 1, 12, 12))
    expected = normal(maps.mean((3, 4))).mean(1)
    torch.testing.assert_close(salient, expected, atol=1e-4, rtol=1e-4)


def test_a_map_finer_than_the_saliency_is_fine(maps):
    fused, _ = PerspectiveFusion(8, "saliency")(maps, torch.rand(4, 1, 3, 3))
    assert fused.shape == (4, 8) and fused.isfinite().all()


def test_deviations_follow_the_means(maps):
    fusion = PerspectiveFusion(8, "mean_std")
    fused, attention = fusion(maps, None)
    both = torch.cat([maps.mean((3, 4)), maps.std((3, 4), correction=0)], 2)
    assert fusion.width == 16 and attention.shape == (4, 3)
    torch.testing.assert_close(fused, normal(both).mean(1), atol=1e-4, rtol=1e-4)


def test_no_perspective_drowns_another_by_its_scale(maps):
    fused, _ = PerspectiveFusion(8, "mean")(maps, None)
    loud = maps * torch.tensor([1.0, 100.0, 10.0])[None, :, None, None, None]
    torch.testing.assert_close(
        PerspectiveFusion(8, "mean")(loud, None)[0], fused, atol=0.02, rtol=0.02
    )


def test_a_flat_map_has_a_slope():
    maps = torch.ones(2, 1, 4, 3, 3, requires_grad=True)
    PerspectiveFusion(4, "mean_std")(maps, None)[0].square().sum().backward()
    assert maps.grad.isfinite().all()
