"""The pseudo-MOS of preference: what people like more scores higher, and damage never pays."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
from PIL import Image, ImageFilter

from hmtnet.errors import DataError
from hmtnet.synthesis.pseudo_mos import FORMULA, Preference, preference

pytest.importorskip("piq")

# Means over 24 photographs of E, D and Z, and people's means, as benchmarks/pseudo_mos.py has them.
PEOPLE = {
    "source": ((0.0, 0.0, 0.0), 3.50),
    "Real-ESRGAN x2": ((0.2280, 0.4688, 0.0001), 3.69),
    "Real-ESRGAN x4": ((-0.1101, 0.7571, 0.0002), 3.16),
    "waifu2x x2": ((-0.2350, 0.2676, 0.0), 3.31),
    "waifu2x x4": ((-0.7963, 0.5885, 0.0), 2.54),
    "lanczos x2": ((-0.4443, 0.2785, 0.0), 2.90),
    "lanczos x4": ((-1.3186, 0.6006, 0.0), 2.02),
}


@pytest.fixture(scope="module")
def judge():
    return Preference()


@pytest.fixture(scope="module")
def photo():
    """A photograph with edges, fur and blur, 144 pixels a side."""
    with Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png") as image:
        return image.convert("RGB").crop((80, 20, 368, 308)).resize((144, 144))


def tensor(image):
    return torch.tensor(np.array(image)).permute(2, 0, 1)[None] / 255.0


def blurred(photo, radius):
    return photo.filter(ImageFilter.GaussianBlur(radius))


def noisy(photo, deviation):
    noise = np.random.default_rng(0).standard_normal((*photo.size, 3))
    pixels = np.clip(np.rint(np.array(photo) + deviation * noise), 0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def compressed(photo, quality):
    stream = io.BytesIO()
    photo.save(stream, "JPEG", quality=quality)
    return Image.open(stream).convert("RGB")


def sharpened(photo, percent):
    return photo.filter(ImageFilter.UnsharpMask(1, percent, 0))


def enlarged(photo, kernel, scale=4):
    small = photo.resize([side // scale for side in photo.size], Image.Resampling.BICUBIC)
    return small.resize(photo.size, kernel)


def test_the_formula_gives_what_people_gave():
    terms = torch.tensor([terms for terms, _ in PEOPLE.values()])
    given = 1 + 4 * FORMULA.score(terms).double().numpy()
    people = np.array([mean for _, mean in PEOPLE.values()])
    assert np.abs(given - people).max() < 0.2
    assert given[1] > given[0], "people put Real-ESRGAN above the photograph itself"
    same, other = np.triu_indices(len(people), 1)
    apart = np.abs(people[same] - people[other]) > 0.25  # what the fit can tell apart
    agree = np.sign(given[same] - given[other]) == np.sign(people[same] - people[other])
    assert agree[apart].all()


@pytest.mark.parametrize(
    ("damage", "strengths"),
    [
        (blurred, (0.5, 1, 2, 4, 8)),
        (noisy, (10, 20, 40, 80)),
        (compressed, (60, 30, 15, 5)),
        (sharpened, (300, 600, 1200)),
    ],
)
def test_more_damage_scores_lower(judge, photo, damage, strengths):
    images = torch.cat([tensor(damage(photo, strength)) for strength in strengths])
    scores = judge(images, tensor(photo).expand_as(images))
    own = judge(tensor(photo), tensor(photo))
    assert (scores.diff() < 0).all(), scores
    assert scores[1] < own.item(), "only mild damage may go unpunished"
    assert scores[-1] < own.item() - 0.1


def test_a_little_sharper_than_the_reference_is_liked_and_softer_is_not(judge, photo):
    soft, own, crisp = (
        judge(tensor(image), tensor(photo)).item()
        for image in (blurred(photo, 0.5), photo, sharpened(photo, 40))
    )
    assert soft < own < crisp


def test_blocks_and_noise_are_no_sharpness(judge, photo):
    steps = enlarged(photo, Image.Resampling.NEAREST)
    gain, _, _ = judge.terms(tensor(steps), tensor(photo))[0].tolist()
    assert gain < -0.3
    gain, _, spurious = judge.terms(tensor(noisy(photo, 20)), tensor(photo))[0].tolist()
    assert gain < 0.3
    assert spurious > 0


def test_a_reference_has_nothing_to_be_told_of(judge, photo):
    own = tensor(photo)
    assert judge.terms(own, own)[0].tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    flat = torch.full((1, 3, 64, 64), 0.5)
    assert judge.terms(flat, flat)[0].tolist() == pytest.approx([0, 0, 0], abs=1e-3)


def test_scores_know_no_neighbours_and_repeat(judge, photo):
    images = torch.cat([tensor(blurred(photo, 1)), tensor(noisy(photo, 10))])
    references = tensor(photo).expand_as(images)
    together = judge(images, references)
    assert together.shape == (2,)
    assert together.dtype == torch.float32
    alone = [judge(images[i : i + 1], references[i : i + 1]).item() for i in (1, 0)]
    assert together.tolist() == alone[::-1]
    pixels = np.array(blurred(photo, 1))
    assert preference(pixels, np.array(photo)) == alone[1]


@pytest.mark.parametrize(
    ("image", "reference", "told"),
    [
        (torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 60), "one shape"),
        (torch.rand(1, 3, 24, 64), torch.rand(1, 3, 24, 64), "at least 32"),
        (torch.full((1, 3, 64, 64), torch.nan), torch.rand(1, 3, 64, 64), "NaN"),
        (255 * torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), "out of range"),
    ],
)
def test_what_is_no_pair_is_refused(judge, image, reference, told):
    with pytest.raises(DataError, match=told):
        judge(image, reference)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_scores_alike(judge, photo):
    image, reference = tensor(blurred(photo, 1)), tensor(photo)
    there = Preference("cuda")(image, reference)
    assert there.cpu().item() == pytest.approx(judge(image, reference).item(), abs=1e-3)
