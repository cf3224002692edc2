import os
import time

import pytest

from hmtnet.data import digests
from hmtnet.data.cache import cache_file
from hmtnet.data.digests import digest_images
from hmtnet.errors import DataError
from hmtnet.files import digest_file

NAMES = ["a.png", "sub/b.png"]
TICK = digests.COARSEST_TICK


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A home of this test's own, and a file system whose clock ticks fast enough for it."""
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(digests, "COARSEST_TICK", 0)
    return tmp_path / "home"


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "set"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    settle()
    return root


def settle():
    """Wait until a change now has another time than those before."""
    time.sleep(0.03)


def expected(root, names=NAMES):
    return {name: digest_file(root / name)[:16] for name in names}


@pytest.fixture
def read(monkeypatch):
    """The names of the files that were read."""
    names = []

    def spy(path):
        names.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(digests, "digest_file", spy)
    return names


def test_a_file_is_read_once(root, read):
    assert digest_images(root, NAMES) == expected(root)
    assert sorted(read) == ["a.png", "b.png"]
    assert digest_images(root, [*NAMES, *NAMES]) == expected(root)
    assert digest_images(root, NAMES[:1]) == expected(root, NAMES[:1])
    assert len(read) == 2


def test_what_other_readers_of_the_folder_digested_stays(root, read):
    digest_images(root, NAMES[:1])
    digest_images(root, NAMES[1:])
    digest_images(root, NAMES)
    assert len(read) == 2


def test_two_folders_do_not_share_digests(root, tmp_path):
    digest_images(root, NAMES)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.png").write_bytes(b"another")
    assert digest_images(other, ["a.png"]) == expected(other, ["a.png"])


def test_a_link_to_the_folder_finds_its_digests(root, tmp_path, read):
    digest_images(root, NAMES)
    (tmp_path / "link").symlink_to(root)
    assert digest_images(tmp_path / "link", NAMES) == expected(root)
    assert len(read) == 2


def test_a_changed_file_is_read_again(root):
    digest_images(root, NAMES)
    (root / "a.png").write_bytes(b"longer than before")
    assert digest_images(root, NAMES) == expected(root)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not note when a file's facts changed")
def test_a_change_hidden_by_size_and_time_is_seen(root):
    digest_images(root, NAMES)
    path = root / "a.png"
    before = path.stat()
    settle()
    path.write_bytes(b"A.PNG")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert digest_images(root, NAMES) == expected(root)


def test_two_files_that_changed_places_are_seen(root):
    (root / "c.png").write_bytes(b"c.png")
    times = (root / "a.png").stat()
    os.utime(root / "c.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    settle()
    names = ["a.png", "c.png"]
    digest_images(root, names)
    (root / "a.png").rename(root / "aside")
    (root / "c.png").rename(root / "a.png")
    (root / "aside").rename(root / "c.png")
    found = digest_images(root, names)
    assert found == expected(root, names)


def test_a_file_changed_just_now_is_not_trusted_later(root, read, monkeypatch):
    monkeypatch.setattr(digests, "COARSEST_TICK", TICK)
    (root / "a.png").touch()
    digest_images(root, NAMES)
    assert not list(cache_file("digests", "").glob("*"))
    digest_images(root, NAMES)
    assert sorted(read) == sorted(["a.png", "b.png"] * 2)


def test_a_file_that_changes_while_it_is_read_is_not_kept(root, monkeypatch):
    def slow(path):
        found = digest_file(path)
        path.write_bytes(path.read_bytes() + b"more")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(digests, "digest_file", slow)
        digest_images(root, NAMES)
    assert digest_images(root, NAMES) == expected(root)


@pytest.mark.parametrize("damage", ["", "{", "[1]", '{"digest": "x", "value": {"a.png": 1}}'])
def test_a_damaged_cache_is_made_anew(root, read, damage):
    digest_images(root, NAMES)
    (file,) = cache_file("digests", "").glob("*.json")
    file.write_text(damage, encoding="utf-8")
    assert digest_images(root, NAMES) == expected(root)
    assert digest_images(root, NAMES) == expected(root)
    assert len(read) == 4


def test_entries_of_another_form_are_left_out(root, home):
    digest_images(root, NAMES)
    (file,) = cache_file("digests", "").glob("*.json")
    status = list(digests._status(root, "a.png"))
    for entry in ([status, "00"], [status, 7], [status[:3], "0" * 16], status, None, "x"):
        digests.remember("digests", file.name, {"a.png": entry})
        assert digest_images(root, NAMES) == expected(root)


def test_a_home_that_cannot_be_written_costs_only_time(root, home, read):
    home.touch()
    for _ in range(2):
        assert digest_images(root, NAMES) == expected(root)
    assert len(read) == 4


def test_a_removed_file_is_missed_though_its_digest_is_known(root):
    digest_images(root, NAMES)
    (root / "a.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 .*a\.png"):
        digest_images(root, NAMES)


@pytest.fixture
def outside(tmp_path, root):
    """Names that leave the root, each in its own way; the file behind each exists."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "s.png").write_bytes(b"s")
    (root / "folder").symlink_to(secret)
    (root / "file.png").symlink_to(secret / "s.png")
    (root / "broken.png").symlink_to(secret / "none.png")
    (root / "sub" / "up").symlink_to("../..")
    return {
        "dots": "../secret/s.png",
        "dots inside": "sub/../../secret/s.png",
        "absolute": str(secret / "s.png"),
        "linked folder": "folder/s.png",
        "linked file": "file.png",
        "broken link": "broken.png",
        "link upwards": "sub/up/secret/s.png",
        "only dots": "..",
        "folder behind a link": "folder/..",
    }


WAYS = ["dots", "dots inside", "absolute", "linked folder", "linked file", "broken link"]


@pytest.mark.parametrize("way", [*WAYS, "link upwards", "only dots", "folder behind a link"])
def test_a_name_that_leaves_the_root_is_refused(root, outside, way):
    with pytest.raises(DataError, match="1 image paths leave"):
        digest_images(root, [*NAMES, outside[way]])


def test_links_that_stay_inside_are_followed(root):
    (root / "link.png").symlink_to("sub/b.png")
    (root / "links").symlink_to("sub")
    names = ["link.png", "links/b.png", "sub/../a.png", str(root / "a.png")]
    assert digest_images(root, names) == expected(root, names)


def test_a_link_that_is_turned_to_another_file_is_seen(root):
    (root / "link.png").symlink_to("a.png")
    first = digest_images(root, ["link.png"])
    (root / "link.png").unlink()
    (root / "link.png").symlink_to("sub/b.png")
    assert digest_images(root, ["link.png"]) == expected(root, ["link.png"]) != first


def test_ten_thousand_known_files_take_a_moment(tmp_path):
    root = tmp_path / "large"
    names = [f"{i % 10}/{i}.png" for i in range(10_000)]
    for folder in range(10):
        (root / str(folder)).mkdir(parents=True)
    for name in names:
        (root / name).write_text(name)
    settle()
    first = digest_images(root, names)
    begin = time.process_time()
    assert digest_images(root, names) == first
    assert time.process_time() - begin < 1.5  # 0.2 s of one core


def test_a_linked_folder_is_one_line_that_names_link_and_target(root, tmp_path):
    (tmp_path / "disk").mkdir()
    (root / "images").symlink_to(tmp_path / "disk")
    names = [f"images/{i}.png" for i in range(9)]
    with pytest.raises(DataError) as error:
        digest_images(root, names)
    told = str(error.value)
    assert f"'images' in it is a link to '{tmp_path / 'disk'}'" in told
    assert "set data.links=true" in told
    assert told.startswith("9 image paths") and "images/0.png" not in told


def test_links_may_be_allowed_and_other_ways_out_stay_closed(root, tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/0.png").write_text("0")
    (root / "images").symlink_to(tmp_path / "disk")
    assert digest_images(root, ["images/0.png"], links=True)
    for name in ("../disk/0.png", str(tmp_path / "disk/0.png")):
        with pytest.raises(DataError, match="1 image paths leave"):
            digest_images(root, [name], links=True)
