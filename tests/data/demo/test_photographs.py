from dataclasses import replace

import numpy as np
import pytest

from hmtnet.data.demo.photographs import PHOTOGRAPHS, SIDE, TEXTURE, reference
from hmtnet.errors import DataError


def test_twelve_references_from_twelve_photographs():
    assert [each.number for each in PHOTOGRAPHS] == list(range(1, 13))
    scenes = {each.file.replace("_right", "_left") for each in (*PHOTOGRAPHS, TEXTURE)}
    assert len(scenes) == 13  # no photograph and no stereo pair twice, the texture's included
    assert sum(each.colour for each in PHOTOGRAPHS) >= 8


@pytest.mark.parametrize("photograph", [*PHOTOGRAPHS, TEXTURE], ids=lambda each: each.file)
def test_references_are_whole_and_sharp(photograph):
    pixels = reference(photograph)
    assert pixels.shape == (SIDE, SIDE, 3)
    assert pixels.dtype == np.uint8
    grey = np.array_equal(pixels[..., 0], pixels[..., 1])
    assert grey is not photograph.colour
    assert np.abs(np.diff(pixels[..., 1].astype(int), axis=0)).mean() > 2  # there is detail to lose


def test_a_missing_photograph_says_what_to_do():
    with pytest.raises(DataError, match=r"nowhere\.png.*reinstall"):
        reference(replace(PHOTOGRAPHS[0], file="nowhere.png"))
