from pathlib import Path

import pytest

from hmtnet.errors import DataError
from hmtnet.scoring.listing import find_images

FILES = ["b.PNG", "a.jpg", "._a.jpg", ".hidden/c.png", "__MACOSX/d.png", "sub/e.webp", "notes.txt"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (*FILES, "=f.png", "g[1].png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return Path("photos")


def names(*given, **more):
    return [one.name for one in find_images(given, **more)]


def test_a_folder_gives_its_images_and_nothing_hidden(folder):
    assert names("photos") == [
        f"photos/{name}" for name in ("=f.png", "a.jpg", "b.PNG", "g[1].png", "sub/e.webp")
    ]
    assert [str(one.inner) for one in find_images(["photos/sub"])] == ["e.webp"]


def test_files_and_patterns_come_in_the_order_given_and_once(folder):
    given = ("photos/b.PNG", "photos/*.jpg", "photos/**/e.*", "photos/../photos/b.PNG")
    assert names(*given) == ["photos/b.PNG", "photos/a.jpg", "photos/sub/e.webp"]


def test_a_file_that_is_named_is_taken_whatever_its_name(folder):
    assert names("photos/notes.txt", "photos/g[1].png") == ["photos/notes.txt", "photos/g[1].png"]


def test_a_path_is_never_a_formula_and_still_leads_to_the_file(folder, monkeypatch):
    monkeypatch.chdir(folder)
    (name,) = names("=f.png")
    assert name == "./=f.png" and Path(name).is_file()


def test_pictures_that_were_written_are_no_input(folder):
    assert names("photos", passed_over=folder / "sub") == names("photos")[:-1]


def test_all_missing_paths_are_told(folder):
    with pytest.raises(DataError, match=r"2 of 3 paths .* nowhere, \*\.tiff\. Give"):
        find_images(["nowhere", "photos", "*.tiff"])


def test_a_folder_without_images_is_told(folder):
    with pytest.raises(DataError, match=r"no image in photos/__MACOSX/none"):
        (folder / "__MACOSX/none").mkdir()
        find_images(["photos/__MACOSX/none"])
