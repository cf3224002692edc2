import numpy as np
import pytest
import torch
from PIL import Image

from hmtnet.errors import DataError
from hmtnet.scoring.pixels import read_rgb


def test_whatever_is_called_an_image_has_the_same_pixels(noise, tmp_path):
    image, path = noise(20, 30), tmp_path / "a.png"
    Image.fromarray(image).save(path)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    for kind in (path, str(path), Image.fromarray(image), image, tensor, tensor.contiguous()):
        found = read_rgb(kind)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, image)


def test_a_grey_file_is_converted_as_a_datasets_are(tmp_path):
    Image.new("L", (30, 20), 77).save(tmp_path / "grey.png")
    assert (read_rgb(tmp_path / "grey.png") == np.full((20, 30, 3), 77)).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((60, 60), np.uint8), r"array \(H, W, 3\), found uint8 of shape \(60, 60\)"),
        (np.zeros((3, 60, 60), np.uint8), "channels last"),
        (np.zeros((60, 60, 4), np.uint8), r"found uint8 of shape \(60, 60, 4\)"),
        (np.zeros((2, 60, 60, 3), np.uint8), "one by one"),
        (np.zeros((0, 60, 3), np.uint8), "no pixels"),
        (np.zeros((60, 60, 3)), "found float64.*Multiply values of"),
        (torch.zeros(60, 60, 3, dtype=torch.uint8), r"tensor \(3, H, W\), found torch.uint8"),
        (torch.zeros(3, 60, 60), "found torch.float32.*Multiply values of"),
        (Image.new("L", (60, 60)), "mode 'RGB', found 'L'"),
        (Image.new("RGBA", (60, 60)), "mode 'RGB', found 'RGBA'"),
        (None, "found NoneType"),
        ("nowhere.png", "'nowhere.png' does not exist"),
    ],
)
def test_what_is_no_rgb_image_is_refused(image, message):
    with pytest.raises(DataError, match=message):
        read_rgb(image)


def test_a_damaged_file_is_named(noise, tmp_path):
    path = tmp_path / "half.png"
    Image.fromarray(noise(60, 60)).save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"half\.png"):
        read_rgb(path)
    with Image.open(path) as opened, pytest.raises(DataError, match="cannot be decoded"):
        read_rgb(opened)


def test_a_folder_is_told_of_many(tmp_path):
    with pytest.raises(DataError, match=r"found the folder '.*'\. Give it to many\(\)"):
        read_rgb(tmp_path)
