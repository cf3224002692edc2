"""Which images a set has: methods that share a low-resolution image, and some of them alike."""

from collections import defaultdict

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hmtnet.data.demo.pixels import to_bytes, to_unit
from hmtnet.synthesis.methods import Enlargement, Toolbox
from hmtnet.synthesis.photographs import Photograph
from hmtnet.synthesis.plan import plan, references_of
from hmtnet.synthesis.settings import SynthesisSettings

CRISP = ("blend", "sharpened", "repeated", "softened")
SOFT = ("bicubic", "lanczos", "bilinear", "nearest", "edge-directed", "over-smoothed")


def planned(**fields):
    settings = SynthesisSettings(
        photos="", output="", methods=(*CRISP, *SOFT), scales=(2.0, 3.0, 4.0), **fields
    )
    photographs = [Photograph(f"{n}.png", f"{n:016x}", n) for n in range(1, 9)]
    toolbox = Toolbox(chosen=settings.methods)
    found = defaultdict(list)
    for image in plan(settings, references_of(photographs, 1), toolbox):
        found[image.reference.name].append(image)
    return list(found.values())


@pytest.mark.parametrize("images, per_scale", [(8, 4), (7, 3), (5, 1), (30, 10), (3, 9)])
def test_methods_share_a_low_resolution_image(images, per_scale):
    for of_one in planned(images=images, per_scale=per_scale):
        assert len({image.name for image in of_one}) == len(of_one) == images
        scales = defaultdict(list)
        for image in of_one:
            scales[image.scale].append(image)
        assert all(len({i.degradation for i in same}) == 1 for same in scales.values())
        if images <= 3 * per_scale:
            assert max(map(len, scales.values())) == min(per_scale, images)


def test_another_scale_or_reference_has_another_low_resolution_image():
    drawn = {(i.reference.name, i.scale): i.degradation for r in planned(clean=0.0) for i in r}
    assert len(set(drawn.values())) == len(drawn) > 8


def test_at_every_second_scale_the_crisp_methods_come_first():
    methods = [
        [image.enlargement.method for image in of_one] for of_one in planned(images=8, per_scale=4)
    ]
    assert all(set(names[4:]) == set(CRISP) for names in methods)
    assert any(set(names[:4]) & set(SOFT) for names in methods)


def test_softened_is_a_slight_blur_of_what_it_is_made_of():
    low = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    part = Enlargement("bicubic")
    toolbox = Toolbox(chosen=CRISP[-1:])
    plain = toolbox.super_resolve(part, low, 40, others=None)
    soft = toolbox.super_resolve(
        Enlargement("softened", strength=0.5, parts=(part,)), low, 40, others=None
    )
    expected = [gaussian_filter(to_unit(plain)[..., c], 0.5, mode="reflect") for c in range(3)]
    assert np.array_equal(soft, to_bytes(np.stack(expected, axis=-1)))
    assert 0 < np.abs(soft.astype(float) - plain).mean() < 20
