import pytest

from hmtnet.errors import SettingsError
from hmtnet.models.system import build_settings, find_system


def built(**nemg):
    return build_settings(find_system("nemg"), {"name": "nemg", "nemg": nemg}).stages["nemg"]


def test_the_published_weights_are_the_defaults():
    loss = built(crops={"size": 224}).loss
    assert (loss.score, loss.mse, loss.ssim) == (1000, 50, 150)
    assert (loss.window, loss.sigma) == (11, 1.5)


@pytest.mark.parametrize(
    ("nemg", "message"),
    [
        ({"loss": {"ssim": -1}}, r"system\.nemg\.loss': ssim: expected at least 0, found -1"),
        ({"loss": {"window": 10}}, "window: expected an odd number, found 10"),
        ({"loss": {"sigma": 0}}, "sigma: expected above 0, found 0"),
        ({"network": {"shave": -1}}, "shave: expected at least 0"),
        (
            {"crops": {"size": 64}},
            r"system\.nemg': shave: 4 places at each border leave nothing of a map of 8.*"
            "more than 64 pixels, or shave below 4",
        ),
        (
            {"crops": {"size": 40}, "network": {"shave": 0}},
            "40 pixels make error maps of 10 places, smaller than the window of SSIM, 11; "
            "expected at least 41 pixels",
        ),
        ({"network": {"sensitivity": "gelu"}}, "'gelu' is not one of relu, leaky, softplus"),
        ({"network": {"semantics": []}}, "Did you mean 'semantic'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_built(nemg, message):
    with pytest.raises(SettingsError, match=message):
        built(**nemg)


def test_the_smallest_crop_that_fits_does():
    assert built(crops={"size": 65}).crops.size == 65
    assert built(crops={"size": 41}, network={"shave": 2}).crops.size == 41
