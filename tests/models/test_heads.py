import torch

from hmtnet.models.heads import NormalisedRegressor, Regressor


def test_a_regressor_starts_amid_the_scale_and_is_linear():
    head = Regressor(3)
    assert torch.equal(head(torch.zeros(2, 3)), torch.full((2,), 0.5))
    x = torch.rand(4, 3)
    torch.testing.assert_close(head(x), x @ head.weight[0] + 0.5)


def test_half_precision_does_not_tie_its_scores():
    head = Regressor(1)
    torch.nn.init.ones_(head.weight)
    near = torch.tensor([[0.2500], [0.2501]])
    with torch.autocast("cpu", torch.bfloat16):
        assert head(near).unique().numel() == 2 and head(near).dtype == torch.float32


def test_features_of_any_size_start_near_the_middle_and_a_step_moves_little():
    torch.manual_seed(0)
    x = 1000 * torch.randn(64, 320) + 50
    head = NormalisedRegressor(320)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    first = head(x)
    assert (first - 0.5).abs().mean() < 0.15
    first.sub(torch.rand(64)).abs().mean().backward()
    optimizer.step()
    # A step of 1e-3 of every weight at once, along a vector of length √320: at most 0.32.
    assert 0 < (head(x) - first).abs().max() < 0.33


def test_a_score_depends_on_the_vector_alone_and_not_on_its_scale():
    head = NormalisedRegressor(4)
    torch.nn.init.normal_(head.linear.weight)
    x = torch.randn(32, 4)
    known = (x - x.mean(1, keepdim=True)) / x.std(1, correction=0, keepdim=True)
    expected = 0.5 + known @ head.linear.weight[0]
    torch.testing.assert_close(head(x), expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(head(100 * x), head(x), atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(head(x[:1]), head(x)[:1])
