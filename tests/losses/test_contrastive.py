import math

import pytest
import torch
from torch.autograd import gradcheck

from hmtnet.losses import supervised_contrastive

TEMPERATURE = 0.1


def unit(*shape, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=generator, dtype=dtype)
    return torch.nn.functional.normalize(x, dim=1)


def by_hand(z, keys, image, temperature=TEMPERATURE, scores=None, sigma=None):
    """The formula of the docstring, in loops over Python numbers."""
    z, keys, image = z.tolist(), keys.tolist(), image.tolist()
    dot = [[sum(a * b for a, b in zip(x, y, strict=True)) / temperature for y in z] for x in z]
    losses = []
    for i in range(len(z)):
        others = [j for j in range(len(z)) if image[j] != image[i]]
        positives = [j for j in others if keys[j] == keys[i]]
        if not positives:
            continue
        total = sum(math.exp(dot[i][j]) for j in others)
        raw = [
            1.0 if scores is None else math.exp(-abs(scores[i] - scores[j]) / sigma)
            for j in positives
        ]
        losses.append(
            -sum(
                w / sum(raw) * (dot[i][j] - math.log(total))
                for w, j in zip(raw, positives, strict=True)
            )
        )
    return sum(losses) / len(losses)


KEYS = torch.tensor([0, 0, 0, 1, 1, 2, 0, 0, 3, 1])
IMAGE = torch.tensor([0, 0, 1, 2, 3, 4, 5, 5, 6, 2])
SCORES = torch.tensor([0.1, 0.1, 0.3, 0.9, 0.7, 0.5, 0.2, 0.2, 0.95, 0.9], dtype=torch.float64)


def test_value_by_hand():
    """Three images, one crop each, of which two share a key: one term each for two anchors."""
    z = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    # 0 → 1: similarities 0.6, 0;  1 → 0: 0.6, 0.8;  2 has no positive.
    first = math.log(1 + math.exp((0 - 0.6) / TEMPERATURE))
    second = math.log(1 + math.exp((0.8 - 0.6) / TEMPERATURE))
    loss = supervised_contrastive(z, torch.tensor([5, 5, 7]), torch.tensor([1, 2, 3]))
    assert loss.item() == pytest.approx((first + second) / 2, abs=1e-6)


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_formula(weighted, temperature):
    extra = {"scores": SCORES, "sigma": 0.2} if weighted else {}
    z = unit(10, 4)
    found = supervised_contrastive(z, KEYS, IMAGE, temperature=temperature, **extra)
    plain = {"scores": SCORES.tolist(), "sigma": 0.2} if weighted else {}
    assert found.item() == pytest.approx(by_hand(z, KEYS, IMAGE, temperature, **plain), abs=1e-9)


def test_crops_of_the_same_image_play_no_part():
    """Moving one crop of an image changes nothing in the terms of its other crops."""
    z = unit(4, 3)
    keys, image = torch.tensor([0, 0, 0, 1]), torch.tensor([8, 8, 9, 7])
    z.requires_grad_()
    anchors = supervised_contrastive(z, keys, image)
    # Only 0, 1, 2 have positives. 0 and 1 are of one image, so their dot product is nowhere.
    z0, z1, z2, z3 = z
    nearby = [[z0, z2, [z3]], [z1, z2, [z3]], [z2, z0, [z1, z3]], [z2, z1, [z0, z3]]]
    terms = []
    for anchor, positive, rest in nearby:
        shares = torch.stack([anchor @ positive, *(anchor @ other for other in rest)]) / TEMPERATURE
        terms.append(-shares.log_softmax(0)[0])
    expected = (terms[0] + terms[1] + (terms[2] + terms[3]) / 2) / 3
    torch.testing.assert_close(anchors, expected)


def test_equal_scores_weigh_equally_and_near_ones_more():
    z = unit(10, 4)
    plain = supervised_contrastive(z, KEYS, IMAGE)
    same = supervised_contrastive(z, KEYS, IMAGE, scores=torch.ones(10), sigma=0.2)
    wide = supervised_contrastive(z, KEYS, IMAGE, scores=SCORES, sigma=1e9)
    torch.testing.assert_close(same, plain)
    torch.testing.assert_close(wide, plain)
    # Anchor 0 has a near positive (1) that it resembles and a far one (2) that it does not.
    z = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    keys, image = torch.zeros(3, dtype=torch.long), torch.arange(3)
    scores = torch.tensor([0.1, 0.2, 0.9])
    near = supervised_contrastive(z, keys, image, scores=scores, sigma=0.01)
    far = supervised_contrastive(z, keys, image, scores=scores[[0, 2, 1]], sigma=0.01)
    assert near < far


def test_tiny_sigma_and_temperature_stay_finite():
    z = unit(10, 4, dtype=torch.float32).requires_grad_()
    loss = supervised_contrastive(z, KEYS, IMAGE, temperature=1e-3, scores=SCORES, sigma=1e-12)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(z.grad).all()


@pytest.mark.parametrize(
    ("keys", "image"),
    [
        ([0, 1, 2], [0, 1, 2]),  # all keys differ
        ([0, 0, 0], [4, 4, 4]),  # all crops of one image: not even negatives
        ([0], [0]),
        ([], []),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_without_positives_an_attached_zero(keys, image, weighted):
    z = unit(len(keys), 4).requires_grad_()
    scores = torch.rand(len(keys)) if weighted else None
    loss = supervised_contrastive(
        z,
        torch.tensor(keys, dtype=torch.long),
        torch.tensor(image, dtype=torch.long),
        scores=scores,
        sigma=0.1 if weighted else None,
    )
    assert loss.item() == 0
    loss.backward()
    assert torch.equal(z.grad, torch.zeros_like(z))


def test_perfect_clusters_give_the_least_loss():
    """Equal keys in one corner of a simplex, others as far as can be."""
    keys, image = torch.arange(3).repeat(4), torch.arange(12)
    simplex = torch.eye(3, dtype=torch.float64) - 1 / 3
    simplex = torch.nn.functional.normalize(simplex, dim=1)
    least = supervised_contrastive(simplex[keys], keys, image).item()
    # 11 others, 3 of them positive: at best the similarity is 1 to those and -1/2 to the rest.
    assert least == pytest.approx(math.log(3 + 8 * math.exp(-1.5 / TEMPERATURE)), abs=1e-6)
    for seed in range(5):
        assert supervised_contrastive(unit(12, 3, seed=seed), keys, image) > least


def test_permutation_and_rotation_and_relabelling():
    z = unit(10, 4)
    expected = supervised_contrastive(z, KEYS, IMAGE)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(1))
    rotation = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64)).Q
    for found in (
        supervised_contrastive(z[order], KEYS[order], IMAGE[order]),
        supervised_contrastive(z @ rotation, KEYS, IMAGE),
        supervised_contrastive(z, 10 - KEYS, 100 * IMAGE - 7),
    ):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weighted", [False, True])
def test_gradcheck(weighted):
    extra = {"scores": SCORES, "sigma": 0.2} if weighted else {}
    z = unit(10, 4).requires_grad_()
    assert gradcheck(lambda x: supervised_contrastive(x, KEYS, IMAGE, **extra), z)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast(dtype):
    z = unit(10, 4).to(dtype)
    exact = supervised_contrastive(z.double(), KEYS, IMAGE)
    assert supervised_contrastive(z, KEYS, IMAGE).dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = supervised_contrastive(z, KEYS, IMAGE)
    assert found.item() == pytest.approx(exact.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"embeddings": torch.zeros(2, 5, 4)}, r"shape \(N, D\); found \(2, 5, 4\)"),
        ({"keys": KEYS[:3]}, r"keys of shape \(10,\).*found \(3,\)"),
        ({"image": IMAGE[:, None]}, r"image of shape \(10,\).*found \(10, 1\)"),
        ({"temperature": 0.0}, "temperature > 0; found 0.0"),
        ({"scores": SCORES}, "found only scores"),
        ({"sigma": 0.1}, "found only sigma"),
        ({"scores": SCORES, "sigma": 0.0}, "sigma > 0"),
        ({"scores": SCORES[:4], "sigma": 0.1}, r"scores of shape \(10,\)"),
    ],
)
def test_bad_input(change, message):
    given = {"embeddings": unit(10, 4), "keys": KEYS, "image": IMAGE} | change
    with pytest.raises(ValueError, match=message):
        supervised_contrastive(**given)


def test_crops_of_another_dataset_are_neither_positive_nor_negative():
    z, among = unit(10, 4), torch.tensor([0, 0, 1, 0, 1, 0, 1, 1, 0, 0])
    found = supervised_contrastive(z, KEYS, IMAGE, among=among)
    apart, anchors = 0.0, 0
    for number in (0, 1):
        rows = among == number
        keys, image = KEYS[rows], IMAGE[rows]
        has = (keys[:, None] == keys) & (image[:, None] != image)
        count = int(has.any(1).sum())
        apart += count * supervised_contrastive(z[rows], keys, image).item()
        anchors += count
    assert anchors and found.item() == pytest.approx(apart / anchors)
    assert found.item() != pytest.approx(supervised_contrastive(z, KEYS, IMAGE).item())
