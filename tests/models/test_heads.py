import torch

from hmtnet.models.heads import Regressor


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
