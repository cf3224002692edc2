import pytest
import torch

from hmtnet.models.sfen.fusion import PerspectiveFusion


@pytest.fixture
def maps():
    return torch.rand(4, 3, 8, 6, 6)


def test_at_first_all_perspectives_count_alike(maps):
    fused, attention = PerspectiveFusion(8, "mean")(maps, None)
    torch.testing.assert_close(attention, torch.full((4, 3), 1 / 3))
    torch.testing.assert_close(fused, maps.mean((1, 3, 4)))


def test_attention_weights_the_perspectives_and_sums_to_one(maps):
    fusion = PerspectiveFusion(8, "mean")
    torch.nn.init.normal_(fusion.relevance.weight, std=5)
    fused, attention = fusion(maps, None)
    torch.testing.assert_close(attention.sum(1), torch.ones(4))
    pooled = maps.mean((3, 4))
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
    torch.testing.assert_close(fused, expected.mean(1))


def test_uniform_saliency_is_the_plain_mean(maps):
    salient, _ = PerspectiveFusion(8, "saliency")(maps, torch.ones(4, 1, 12, 12))
    plain, _ = PerspectiveFusion(8, "mean")(maps, None)
    torch.testing.assert_close(salient, plain)


def test_no_salient_place_is_the_plain_mean_too(maps):
    salient, _ = PerspectiveFusion(8, "saliency")(maps, torch.zeros(4, 1, 12, 12))
    torch.testing.assert_close(salient, maps.mean((1, 3, 4)))


def test_a_map_finer_than_the_saliency_is_fine(maps):
    fused, _ = PerspectiveFusion(8, "saliency")(maps, torch.rand(4, 1, 3, 3))
    assert fused.shape == (4, 8) and fused.isfinite().all()
