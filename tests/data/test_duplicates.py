from pathlib import Path

import numpy as np
import pytest
import skimage
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageFilter

from hmtnet.data import duplicates
from hmtnet.data.cache import cache_file
from hmtnet.data.duplicates import (
    ALIKE,
    Pair,
    _trusted,
    alike,
    content_groups,
    members,
    near_duplicates,
)
from hmtnet.files import digest_file

PHOTOGRAPHS = ["astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png"]


def photograph(name):
    return Image.open(Path(skimage.__file__).parent / "data" / name).convert("RGB").reduce(2)


def cut(image, left, top, right, bottom):
    """Cut off parts of the width and height."""
    w, h = image.size
    return image.crop(
        (round(left * w), round(top * h), round(w - right * w), round(h - bottom * h))
    )


VERSIONS = {
    "resized": lambda image: image.resize((130, 100), Image.Resampling.LANCZOS),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.4),
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.35),
    "grey": lambda image: image.convert("L"),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(3)),
    "shifted": lambda image: cut(image, 0.02, 0.02, 0, 0),
    "cropped": lambda image: cut(image, 0.03, 0.03, 0.03, 0.03),
    "cropped at one side": lambda image: cut(image, 0, 0.06, 0, 0),
}


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))


@pytest.fixture
def save(tmp_path):
    def save(image, name, **options):
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        image.save(path, **options)
        return path

    return save


@pytest.fixture
def album(save):
    """Five photographs, each in all versions: paths, and the photograph that each shows."""
    paths, shown = [], []
    for name in PHOTOGRAPHS:
        image, stem = photograph(name), name.split(".")[0]
        paths.append(save(image, f"{stem}.png"))
        paths.append(save(image, f"{stem} recoded.jpg", quality=20))
        paths += [save(make(image), f"{stem} {what}.png") for what, make in VERSIONS.items()]
        shown += [stem] * (2 + len(VERSIONS))
    return paths, shown


def digests_of(paths):
    return [digest_file(path)[:16] for path in paths]


def partition(keys):
    return sorted(sorted(i for i, key in enumerate(keys) if key == one) for one in set(keys))


def test_versions_of_a_photograph_are_one_group_and_photographs_are_several(album):
    paths, shown = album
    groups = content_groups(paths, digests_of(paths))
    assert partition(groups) == partition(shown)


@pytest.mark.parametrize("what", VERSIONS)
def test_every_version_is_a_pair_with_its_photograph(save, what):
    paths = []
    for name in PHOTOGRAPHS:
        image = photograph(name)
        paths += [save(image, f"{name}.png"), save(VERSIONS[what](image), f"{name}.b.png")]
    pairs = near_duplicates(paths, digests_of(paths))
    assert [(p.first, p.second) for p in pairs] == [(i, i + 1) for i in range(0, len(paths), 2)]
    assert all(ALIKE <= p.correlation <= 1 for p in pairs)


def test_a_key_is_the_smallest_digest_whatever_the_order_and_the_folder(album, tmp_path):
    paths, _ = album
    digests = digests_of(paths)
    groups = content_groups(paths, digests)
    for key, i in ((key, groups.index(key)) for key in set(groups)):
        assert key == min(d for d, g in zip(digests, groups, strict=True) if g == groups[i])
    order = np.random.default_rng(1).permutation(len(paths))
    cache_file("duplicates", "").rename(tmp_path / "aside")  # computed anew, not recalled
    (tmp_path / "images").rename(tmp_path / "moved")
    moved = [tmp_path / "moved" / paths[i].name for i in order]
    assert content_groups(moved, [digests[i] for i in order]) == tuple(groups[i] for i in order)


def test_exact_copies_are_pairs_with_the_first_of_them(save):
    image = photograph("coffee.png")
    paths = [save(image, f"{name}.png") for name in "abc"]
    paths.insert(1, save(ImageEnhance.Brightness(image).enhance(1.2), "d.png"))
    pairs = near_duplicates(paths, digests_of(paths))
    assert [(p.first, p.second) for p in pairs] == [(0, 1), (0, 2), (0, 3)]
    assert pairs[0].correlation < 1 and pairs[1].correlation == pairs[2].correlation == 1
    assert len(set(content_groups(paths, digests_of(paths)))) == 1


def test_a_search_is_kept(album):
    paths, _ = album
    digests = digests_of(paths)
    pairs, groups = near_duplicates(paths, digests), content_groups(paths, digests)
    for path in paths:
        path.unlink()
    assert near_duplicates(paths, digests) == pairs
    assert content_groups(paths, digests) == groups
    order = range(len(paths) - 1, -1, -1)
    assert content_groups([paths[i] for i in order], [digests[i] for i in order]) == groups[::-1]


def test_a_kept_search_does_not_answer_for_other_images(save):
    paths = [save(photograph(name), f"{name}.png") for name in PHOTOGRAPHS[:2]]
    assert near_duplicates(paths, digests_of(paths)) == ()
    save(photograph(PHOTOGRAPHS[0]).rotate(1), paths[1].name)
    assert len(near_duplicates(paths, digests_of(paths))) == 1


@pytest.mark.parametrize("value", [None, {}, [[0, 1]], [[1, 0, 0.9]], [[0, 9, 0.9]], [[0, 1, "x"]]])
def test_a_cache_of_another_form_is_made_anew(save, value):
    image = photograph("camera.png")
    paths = [save(image, "a.png"), save(image, "b.jpg")]
    pairs = near_duplicates(paths, digests_of(paths))
    (file,) = cache_file("duplicates", "").glob("*.json")
    duplicates.remember("duplicates", file.name, value)
    assert near_duplicates(paths, digests_of(paths)) == pairs != ()


def test_a_damaged_image_is_alone_and_looked_at_again(save, caplog):
    image = photograph("chelsea.png")
    paths = [save(image, "a.png"), save(image, "b.jpg"), save(image, "c.jpg", quality=60)]
    digests = digests_of(paths)  # as if c was readable when it was digested
    whole = paths[2].read_bytes()
    paths[2].write_bytes(whole[:100])
    groups = content_groups(paths, digests)
    assert groups[0] == groups[1] != groups[2] == digests[2]
    assert "c.jpg" in caplog.text
    paths[2].write_bytes(whole)
    assert len(set(content_groups(paths, digests))) == 1


def test_flat_images_are_alone(save):
    rng = np.random.default_rng(0)
    paths = []
    for i in range(12):  # skies: a smooth gradient, a little noise
        x, y = np.meshgrid(np.linspace(-1, 1, 160), np.linspace(-1, 1, 120))
        sky = 170 + 40 * rng.uniform(-1, 1) * x + 40 * rng.uniform(0.5, 1) * y
        sky = sky[..., None] + rng.normal(0, 2, (120, 160, 3))
        paths.append(save(Image.fromarray(sky.clip(0, 255).astype(np.uint8)), f"sky{i}.jpg"))
    paths += [save(Image.new("RGB", (64, 48), (g, g, g)), f"flat{g}.png") for g in (0, 128, 255)]
    assert near_duplicates(paths, digests_of(paths)) == ()


def test_no_image_and_one_image(save):
    assert near_duplicates([], []) == () and content_groups([], []) == ()
    path = save(photograph("camera.png"), "a.png")
    assert near_duplicates([path], ["d"]) == () and content_groups([path], ["d"]) == ("d",)


def test_one_digest_a_path_is_expected():
    with pytest.raises(ValueError, match="zip"):
        near_duplicates([Path("a.png")], [])


def triangle(a, b, c, value):
    return [Pair(a, b, value), Pair(a, c, value), Pair(b, c, value)]


def test_one_weak_pair_does_not_make_one_group_of_two():
    pairs = [*triangle(0, 1, 2, 0.9), *triangle(3, 4, 5, 0.9)]
    assert _trusted([*pairs, Pair(2, 3, 0.55)], 6) == pairs
    sure = [*pairs, Pair(2, 3, 0.65)]
    assert _trusted(sure, 6) == sure


def test_a_weak_pair_counts_where_a_third_image_or_nothing_else_speaks():
    confirmed = [*triangle(0, 1, 2, 0.55), Pair(2, 3, 0.9)]
    assert _trusted(confirmed, 4) == confirmed
    lonely = [Pair(0, 1, 0.9), Pair(1, 2, 0.55)]
    assert _trusted(lonely, 3) == lonely
    assert _trusted([], 3) == []


@given(st.lists(st.sampled_from("abcd"), max_size=12))
def test_members_are_the_groups_of_two_or_more(groups):
    found = list(members(groups))
    assert all(len({groups[i] for i in rows}) == 1 < len(rows) for rows in found)
    assert sum(map(len, found)) == sum(groups.count(g) > 1 for g in groups)
    assert [len(rows) for rows in found] == sorted((len(rows) for rows in found), reverse=True)


def test_a_scene_of_another_set_is_recognised_and_another_scene_is_not():
    rng = np.random.default_rng(0)
    scenes = rng.normal(size=(5, 24, 24)).astype(np.float32)
    other = rng.normal(size=(3, 24, 24)).astype(np.float32)
    other[1] = np.roll(scenes[4], (1, 2), axis=(0, 1)) + 0.1 * other[0]
    assert alike(other, scenes) == [1]
    assert alike(other, scenes[:0]) == [] == alike(other[:0], scenes)
