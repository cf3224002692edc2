import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import structural_similarity

from hmtnet.errors import DataError
from hmtnet.metrics.fidelity import gmsd, haarpsi, luma, ms_ssim, ssim

MEASURES = {"ssim": ssim, "ms_ssim": ms_ssim, "gmsd": gmsd, "haarpsi": haarpsi}
BEST = {"ssim": 1.0, "ms_ssim": 1.0, "gmsd": 0.0, "haarpsi": 1.0}


@pytest.fixture(scope="module")
def scene():
    """Smooth shapes and texture, (192, 192), so that blur and noise both have something to harm."""
    draw = np.random.default_rng(7)
    smooth = ndimage.gaussian_filter(draw.normal(size=(192, 192)), 6)
    fine = ndimage.gaussian_filter(draw.normal(size=(192, 192)), 1)
    mixed = smooth / smooth.std() + 0.5 * fine / fine.std()
    return (mixed - mixed.min()) / (mixed.max() - mixed.min())


def worse(name, value):
    """A distance that grows from 0 as the measure gets worse."""
    return abs(value - BEST[name])


@pytest.mark.parametrize("name", MEASURES)
def test_identical_images_give_the_best_value(name, scene):
    assert MEASURES[name](scene, scene) == pytest.approx(BEST[name], abs=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_symmetry(name, scene):
    noisy = np.clip(scene + np.random.default_rng(0).normal(0, 0.1, scene.shape), 0, 1)
    measure = MEASURES[name]
    assert measure(scene, noisy) == pytest.approx(measure(noisy, scene), abs=1e-12)


@pytest.mark.parametrize("name", MEASURES)
def test_more_blur_is_worse(name, scene):
    distances = [
        worse(name, MEASURES[name](scene, ndimage.gaussian_filter(scene, sigma)))
        for sigma in (0.5, 1.0, 2.0, 4.0)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0] > 0


@pytest.mark.parametrize("name", MEASURES)
def test_more_noise_is_worse(name, scene):
    noise = np.random.default_rng(1).normal(size=scene.shape)
    distances = [
        worse(name, MEASURES[name](scene, scene + level * noise))
        for level in (0.01, 0.03, 0.1, 0.3)
    ]
    assert distances == sorted(distances)
    assert distances[-1] > 2 * distances[0] > 0


@given(seed=st.integers(0, 2**16), contrast=st.floats(0.05, 1.0))
@settings(max_examples=15, deadline=None)
def test_measures_keep_their_range(seed, contrast):
    draw = np.random.default_rng(seed)
    first, second = (0.5 + contrast * (draw.random((2, 176, 176)) - 0.5)).clip(0, 1)
    assert -1 <= ssim(first, second) < 1
    assert 0 <= ms_ssim(first, second) < 1
    assert 0 < gmsd(first, second) <= 0.5
    assert 0 <= haarpsi(first, second) < 1


def test_ssim_agrees_with_scikit_image(scene):
    noisy = np.clip(scene + np.random.default_rng(2).normal(0, 0.05, scene.shape), 0, 1)
    theirs = structural_similarity(
        scene, noisy, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
    )
    assert ssim(scene, noisy) == pytest.approx(theirs, abs=1e-9)


def test_ssim_of_two_flat_images_is_the_luminance_term():
    c1 = 0.01**2
    expected = (2 * 0.2 * 0.8 + c1) / (0.2**2 + 0.8**2 + c1)
    assert ssim(np.full((16, 16), 0.2), np.full((16, 16), 0.8)) == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_of_two_flat_images_is_the_luminance_term_to_its_weight():
    c1 = 0.01**2
    expected = ((2 * 0.2 * 0.8 + c1) / (0.2**2 + 0.8**2 + c1)) ** 0.1333
    flat = np.full((176, 176), 0.2), np.full((176, 176), 0.8)
    assert ms_ssim(*flat) == pytest.approx(expected, abs=1e-6)


def test_ms_ssim_takes_a_negative_structure_as_zero(scene):
    assert ms_ssim(scene, 1.0 - scene) == 0.0


def test_gmsd_by_hand():
    # A ramp of 0.1 per pixel: Prewitt / 3 spans two pixels with weight 1, so the gradient is 0.2;
    # against a flat image the similarity is c / (0.2² + c) on the ramp, and 1 beyond it.
    c = 170 / 255**2
    ramp = np.tile(np.minimum(np.arange(8), 4) * 0.1, (6, 1))
    flat = np.zeros((6, 8))
    # Columns 1–3 see 0.2, column 4 (the bend) 0.1, columns 5–6 nothing; 0 and 7 are left out.
    similar = [c / (0.2**2 + c)] * 3 + [c / (0.1**2 + c)] + [1.0] * 2
    assert gmsd(flat, ramp, halve=False) == pytest.approx(np.std(similar), abs=1e-12)


def test_gmsd_halves_by_averaging():
    coarse = np.random.default_rng(3).random((2, 12, 12))
    fine = np.kron(coarse, np.ones((2, 2)))
    assert gmsd(*fine) == pytest.approx(gmsd(*coarse, halve=False), abs=1e-12)


def test_gmsd_does_not_see_a_change_of_brightness(scene):
    assert gmsd(scene, scene + 0.1) == pytest.approx(0.0, abs=1e-12)


def test_haarpsi_by_hand():
    # A bright column on black, so tall that the image's ends hardly count. A horizontal Haar filter
    # of size 2, 4 or 8 answers 255 wherever it touches the column, i.e. at 2, 4 or 8 positions, and
    # nowhere else; vertical differences vanish. The 8 positions carry equal weight.
    c, alpha = 30.0**2, 4.2
    apart = c / (255.0**2 + c)
    similarities = [apart] * 2 + [(1 + apart) / 2] * 2 + [1.0] * 4
    mean = np.mean([1 / (1 + np.exp(-alpha * each)) for each in similarities])
    expected = (np.log(mean / (1 - mean)) / alpha) ** 2
    black = np.zeros((4000, 32))
    column = black.copy()
    column[:, 16] = 1.0
    assert haarpsi(black, column, halve=False) == pytest.approx(expected, abs=1e-3)


def test_haarpsi_of_two_flat_images_without_any_response():
    assert haarpsi(np.zeros((32, 32)), np.zeros((32, 32))) == 1.0


@pytest.mark.parametrize("name", ["gmsd", "haarpsi"])
def test_full_size_sees_what_halving_hides(name, scene):
    stripes = 0.1 * np.tile([1, -1, -1, 1], 48)  # every 2 × 2 block averages to nothing
    striped = scene + stripes
    assert MEASURES[name](scene, striped) == pytest.approx(BEST[name], abs=1e-9)
    assert worse(name, MEASURES[name](scene, striped, halve=False)) > 0.1


def test_luma_weighs_the_channels():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
    np.testing.assert_allclose(luma(pixels), [[0.299, 0.587, 0.114, 1.0]], atol=1e-12)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_luma_wants_8_bit_rgb(image):
    with pytest.raises(DataError, match="uint8"):
        luma(image)


@pytest.mark.parametrize("name", MEASURES)
def test_bad_input_is_named(name):
    measure, good = MEASURES[name], np.zeros((192, 192))
    with pytest.raises(DataError, match="one shape"):
        measure(good, good[:, :-1])
    with pytest.raises(DataError, match="one shape"):
        measure(good[..., None], good[..., None])
    with pytest.raises(DataError, match="at least"):
        measure(good[:5], good[:5])
    with pytest.raises(DataError, match="finite"):
        measure(good, np.full_like(good, np.nan))
