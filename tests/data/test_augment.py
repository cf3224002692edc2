import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hmtnet.data.augment import OPERATIONS, Augment
from hmtnet.errors import DataError, SettingsError

IMAGE = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
REFERENCE = 255 - IMAGE


def orientations():
    """All eight ways to lay the image down."""
    turned = [np.rot90(IMAGE, k) for k in range(4)]
    return [*turned, *(np.fliplr(image) for image in turned)]


def counts(operations, draws=600):
    augment = Augment(operations)
    ways = {way.tobytes() + bytes(way.shape): i for i, way in enumerate(orientations())}
    found = np.zeros(8, int)
    for seed in range(draws):
        image, _ = augment(IMAGE, None, seed)
        found[ways[image.tobytes() + bytes(image.shape)]] += 1
    return found


def test_pixels_are_moved_never_changed():
    # counts() fails on any result that is not one of the eight orientations.
    for operations, reached in {
        ("horizontal_flip",): [0, 4],
        ("vertical_flip",): [0, 6],
        ("quarter_turn",): [0, 1, 2, 3],
        ("horizontal_flip", "quarter_turn"): list(range(8)),
    }.items():
        found = counts(operations)
        assert np.flatnonzero(found).tolist() == reached
        np.testing.assert_allclose(found[reached] / 600, 1 / len(reached), atol=0.06)


def test_operations_are_drawn_independently():
    # One seed for all operations would let both flips happen together or not at all.
    found = counts(("horizontal_flip", "vertical_flip"))
    np.testing.assert_allclose(found[[0, 2, 4, 6]] / 600, 0.25, atol=0.06)


def test_image_and_reference_move_alike():
    augment = Augment(OPERATIONS)
    for seed in range(50):
        image, reference = augment(IMAGE, REFERENCE, seed)
        np.testing.assert_array_equal(reference, 255 - image)
        alone, none = augment(IMAGE, None, seed)
        assert none is None
        np.testing.assert_array_equal(alone, image)


def test_the_result_depends_on_the_seed_alone():
    expected = [Augment(OPERATIONS)(IMAGE, None, seed)[0].copy() for seed in range(40)]
    used = Augment(OPERATIONS)
    for seed in np.random.default_rng(0).permutation(40).tolist():
        np.random.random(3)  # noqa: NPY002 - the global state must not matter
        np.testing.assert_array_equal(used(IMAGE, None, seed)[0], expected[seed])
    copy = pickle.loads(pickle.dumps(used))
    np.testing.assert_array_equal(copy(IMAGE, None, 7)[0], expected[7])


def test_another_process_draws_the_same_and_loads_albumentations_late():
    code = (
        "import sys; import numpy as np; from hmtnet.data.augment import Augment, OPERATIONS;"
        "image = np.arange(72, dtype=np.uint8).reshape(4, 6, 3);"
        "augment = Augment(OPERATIONS);"
        "assert 'albumentations' not in sys.modules;"
        "print([augment(image, None, s)[0].tobytes().hex() for s in range(19, -1, -1)][::-1])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    augment = Augment(OPERATIONS)
    assert run.stdout.strip() == str(
        [augment(IMAGE, None, seed)[0].tobytes().hex() for seed in range(20)]
    )


def test_the_input_stays_as_it_was_also_when_it_is_read_only():
    image = IMAGE.copy()
    image.flags.writeable = False
    for seed in range(20):
        Augment(OPERATIONS)(image, None, seed)
    np.testing.assert_array_equal(image, IMAGE)


def test_no_operations_return_the_very_image():
    image, reference = Augment(())(IMAGE, REFERENCE, 0)
    assert image is IMAGE and reference is REFERENCE


@pytest.mark.parametrize("name", ["resize", "blur", "color_jitter", "noise", "jpeg"])
def test_what_changes_quality_is_refused(name):
    with pytest.raises(SettingsError, match=f"'{name}' is not allowed.*quality.*Allowed: horiz"):
        Augment(["horizontal_flip", name])


def test_a_slip_of_the_pen_gets_a_hint():
    with pytest.raises(SettingsError, match="Did you mean 'horizontal_flip'"):
        Augment(["horizontalflip"])
    with pytest.raises(SettingsError, match="more than once"):
        Augment(["quarter_turn", "quarter_turn"])


def test_sizes_must_match():
    with pytest.raises(DataError, match=r"\(4, 6, 3\) has a reference of shape \(6, 4, 3\)"):
        Augment(OPERATIONS)(IMAGE, REFERENCE.transpose(1, 0, 2), 0)


def test_threads_may_have_their_own():
    augment = [Augment(OPERATIONS) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda a: a(IMAGE, None, 5)[0].tobytes(), augment))
    assert len(set(results)) == 1
