import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hmtnet.data.crops import (
    Crops,
    CropSettings,
    cut,
    pad_to,
    random_corners,
    tile_corners,
    to_unit,
)

sides = st.integers(16, 150)


@given(height=sides, width=sides, size=st.integers(16, 80))
def test_tiles_cover_the_image_and_lie_inside(height, width, size):
    height, width = max(height, size), max(width, size)
    seen = np.zeros((height, width), dtype=bool)
    corners = tile_corners(height, width, CropSettings(size=size))
    for top, left in corners:
        assert 0 <= top <= height - size and 0 <= left <= width - size
        seen[top : top + size, left : left + size] = True
    assert seen.all()
    assert len(corners) == len(set(corners)) == -(-height // size) * -(-width // size)


@given(height=sides, width=sides, grid=st.integers(1, 4))
def test_a_grid_is_never_finer_than_covering_needs(height, width, grid):
    corners = tile_corners(height, width, CropSettings(size=16, grid=grid))
    tops, lefts = ({corner[axis] for corner in corners} for axis in (0, 1))
    assert len(tops) == min(grid, -(-height // 16)) and len(lefts) == min(grid, -(-width // 16))
    # Evenly spread: as far from one border as from the other.
    assert abs(min(tops) - (height - 16 - max(tops))) <= 1


def test_an_image_of_the_crops_size_is_one_tile():
    assert tile_corners(32, 32, CropSettings(size=32)) == [(0, 0)]
    assert random_corners(32, 32, CropSettings(size=32), np.random.default_rng(0)) == [(0, 0)] * 2


def test_random_corners_are_inside_reach_every_place_and_follow_their_seed():
    settings = CropSettings(size=16, count=500)
    corners = random_corners(18, 17, settings, np.random.default_rng(3))
    assert set(corners) == {(top, left) for top in range(3) for left in range(2)}
    assert corners == random_corners(18, 17, settings, np.random.default_rng(3))
    assert corners != random_corners(18, 17, settings, np.random.default_rng(4))
    assert all(type(value) is int for corner in corners for value in corner)


@pytest.mark.parametrize("shape", [(1, 1), (3, 70), (63, 64), (5, 7), (64, 2)])
def test_padding_reaches_the_size_and_keeps_the_image(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    padded = pad_to(torch.from_numpy(image).permute(2, 0, 1), 64).permute(1, 2, 0).numpy()
    assert padded.shape == (max(64, shape[0]), max(64, shape[1]), 3) and padded.dtype == np.uint8
    top, left = (max(0, 64 - side) // 2 for side in shape)
    assert np.array_equal(padded[top : top + shape[0], left : left + shape[1]], image)
    # Only content of the image is added.
    colours = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    assert {tuple(pixel) for pixel in padded.reshape(-1, 3)} == colours


def test_padding_mirrors_at_the_border():
    row = torch.arange(4, dtype=torch.uint8).view(1, 1, 4)
    assert pad_to(row, 8)[0, 0].tolist() == [1, 0, 0, 1, 2, 3, 3, 2]


def test_a_large_image_is_not_touched():
    image = torch.zeros((3, 64, 65), dtype=torch.uint8)
    assert pad_to(image, 64) is image


def images_of(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randint(0, 256, (3, *shape), dtype=torch.uint8, generator=generator)
        for shape in shapes
    ]


def test_cutting_equals_slicing_for_pixels_saliency_and_reference_alike():
    images = images_of((40, 50), (33, 37), (64, 32))
    references = images_of((40, 50), (33, 37), (64, 32), seed=1)
    saliency = [torch.rand(1, *image.shape[1:]) for image in images]
    corners = [[(0, 0), (8, 18)], [(1, 5)], [(32, 0), (7, 0), (3, 0)]]
    crops = cut(images, corners, 32, saliency, references)
    assert crops.image.tolist() == [0, 0, 1, 2, 2, 2] and crops.images == 3
    places = [(i, *corner) for i, listed in enumerate(corners) for corner in listed]
    for n, (i, top, left) in enumerate(places):
        here = np.s_[:, top : top + 32, left : left + 32]
        assert torch.equal(crops.pixels[n], images[i][here] / 255)
        assert torch.equal(crops.reference[n], references[i][here] / 255)
        assert torch.equal(crops.saliency[n], saliency[i][here])
    assert crops.pixels.dtype == torch.float32


def test_cutting_without_extras_leaves_them_out():
    crops = cut(images_of((20, 20)), [[(0, 0)]], 16)
    assert crops.saliency is None and crops.reference is None


def test_lists_of_different_lengths_are_refused():
    images = images_of((20, 20), (20, 20))
    with pytest.raises(ValueError):
        cut(images, [[(0, 0)]], 16)
    with pytest.raises(ValueError):
        cut(images, [[(0, 0)], [(0, 0)]], 16, reference=images[:1])


@pytest.mark.parametrize("rest", [(), (5,), (2, 3, 4)])
def test_the_mean_by_image_weights_images_not_crops(rest):
    values = torch.rand(6, *rest)
    crops = Crops(torch.zeros(6, 3, 1, 1), torch.tensor([0, 1, 1, 1, 2, 2]), 3)
    expected = torch.stack([values[:1].mean(0), values[1:4].mean(0), values[4:].mean(0)])
    torch.testing.assert_close(crops.mean_by_image(values), expected)


def test_the_mean_by_image_passes_gradients_in_equal_parts():
    values = torch.rand(4, dtype=torch.float64, requires_grad=True)
    crops = Crops(torch.zeros(4, 3, 1, 1), torch.tensor([0, 1, 1, 1]), 2)
    assert torch.autograd.gradcheck(crops.mean_by_image, values)
    crops.mean_by_image(values).sum().backward()
    assert values.grad.tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1 / 3])


def test_pixels_become_unit_floats_and_floats_pass():
    assert to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx(
        [0, 0.2, 1]
    )
    floats = torch.rand(3)
    assert to_unit(floats) is floats


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 15}, "size: expected at least 16 pixels, found 15"),
        ({"count": 0}, "count: expected at least 1 crop per image, found 0"),
        ({"grid": 0}, "grid: expected 'cover' or at least 1, found 0"),
    ],
)
def test_settings_that_make_no_crops_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        CropSettings(**wrong)
