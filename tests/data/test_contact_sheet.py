import numpy as np
from PIL import Image

from hmtnet.data.contact_sheet import COLUMNS, THUMBNAIL, contact_sheet


def colours(path):
    with Image.open(path) as sheet:
        return sheet.size, {
            tuple(int(v) for v in c) for c in np.unique(np.asarray(sheet).reshape(-1, 3), axis=0)
        }


def save(tmp_path, colour, name, size=(200, 100)):
    path = tmp_path / name
    Image.new("RGB", size, colour).save(path)
    return path


def test_groups_are_shown_and_single_images_are_not(tmp_path):
    red, green, blue = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    paths = [save(tmp_path, c, f"{i}.png") for i, c in enumerate([red, blue, red, green, green])]
    file = tmp_path / "new" / "sheet.png"
    assert contact_sheet(paths, ["r", "b", "r", "g", "g"], file) == 2
    (width, height), seen = colours(file)
    assert {red, green} <= seen and blue not in seen
    assert width > 2 * THUMBNAIL and 2 * THUMBNAIL < height < 3 * THUMBNAIL
    assert [path.name for path in file.parent.iterdir()] == ["sheet.png"]


def test_the_largest_groups_come_first_and_the_rest_is_counted(tmp_path):
    red, green = (200, 0, 0), (0, 200, 0)
    paths = [save(tmp_path, c, f"{i}.png") for i, c in enumerate([red, red, green, green, green])]
    assert contact_sheet(paths, ["a", "a", "b", "b", "b"], tmp_path / "sheet.png", limit=1) == 2
    _, seen = colours(tmp_path / "sheet.png")
    assert green in seen and red not in seen


def test_a_large_group_goes_on_below(tmp_path):
    paths = [save(tmp_path, (0, 200, 0), "a.png")] * (COLUMNS + 1)
    contact_sheet(paths, ["a"] * len(paths), tmp_path / "sheet.png")
    (width, height), _ = colours(tmp_path / "sheet.png")
    assert height > 2 * THUMBNAIL and width < (COLUMNS + 1) * (THUMBNAIL + 4) + 40


def test_damaged_images_leave_a_mark(tmp_path):
    good = save(tmp_path, (0, 200, 0), "a.png")
    (tmp_path / "b.png").write_bytes(good.read_bytes()[:60])
    paths = [good, tmp_path / "b.png", tmp_path / "missing.png"]
    assert contact_sheet(paths, ["a"] * 3, tmp_path / "sheet.png") == 1
    assert (220, 120, 120) in colours(tmp_path / "sheet.png")[1]


def test_no_group_is_an_empty_sheet(tmp_path):
    assert contact_sheet([], [], tmp_path / "sheet.png") == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 0
