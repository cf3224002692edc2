import io
import logging
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmtnet.data.images import ImageStore, decode, size_of
from hmtnet.data.manifest import Manifest
from hmtnet.data.memory import free_memory
from hmtnet.data.record import Record
from hmtnet.errors import DataError, ResourceError, SettingsError

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".tif", ".TIFF", ".webp"])
def test_lossless_containers_give_the_same_pixels(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == ".webp" else {}))
    found = decode(path)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, RGB)
    assert not found.flags.writeable


def test_grey_bilevel_and_palette_become_rgb(tmp_path):
    grey = Image.fromarray(RGB[..., 0])
    for name, image in {"grey": grey, "bilevel": grey.convert("1")}.items():
        image.save(tmp_path / f"{name}.png")
        expected = np.repeat(np.asarray(image.convert("L"))[..., None], 3, 2)
        np.testing.assert_array_equal(decode(tmp_path / f"{name}.png"), expected)
    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "palette.png")
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decode(tmp_path / "palette.png"), expected)


def test_cmyk_jpeg_becomes_rgb(tmp_path):
    flat = Image.new("RGB", (16, 16), (200, 100, 50)).convert("CMYK")
    flat.save(tmp_path / "a.jpg", quality=100)
    found = decode(tmp_path / "a.jpg")
    assert found.shape == (16, 16, 3)
    np.testing.assert_allclose(found.mean((0, 1)), [200, 100, 50], atol=3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opaque_alpha_is_dropped_and_other_alpha_refused(tmp_path, mode):
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / "opaque.png")
    expected = np.asarray(Image.fromarray(RGB).convert(mode[:-1]).convert("RGB"))
    np.testing.assert_array_equal(decode(tmp_path / "opaque.png"), expected)
    image.putpixel((0, 0), (*image.getpixel((0, 0))[:-1], 254))
    image.save(tmp_path / "clear.png")
    with pytest.raises(DataError, match=r"clear\.png' is transparent.*254 of 255"):
        decode(tmp_path / "clear.png")


def test_a_transparent_palette_entry_is_refused(tmp_path):
    Image.fromarray(RGB).quantize(4).save(tmp_path / "a.png", transparency=0)
    with pytest.raises(DataError, match="transparent"):
        decode(tmp_path / "a.png")


def png(width, height, depth, colour, rows):
    """Write a PNG by hand: Pillow cannot write 16-bit RGB."""

    def chunk(kind, body):
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_a_lack_of_memory_is_no_damage_of_the_image(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(2, 1, 8, 2, bytes(7)))

    def no_lock(*_):
        raise RuntimeError("can't allocate read lock")  # as a stream does under `ulimit -v`

    Image.init()  # else it would be registered anew
    monkeypatch.setitem(Image.OPEN, "PNG", (no_lock, None))
    with pytest.raises(ResourceError, match="Memory ran out"):
        decode(tmp_path / "a.png")


@pytest.mark.filterwarnings("error")
def test_absurd_dimensions_are_refused_before_decoding(tmp_path):
    for side in (10_001, 60_000):  # Pillow itself warns of the first and refuses the second
        (tmp_path / "bomb.png").write_bytes(png(side, side, 8, 2, b""))
        with pytest.raises(DataError, match=r"bomb\.png' claims .* at most 100 megapixels"):
            decode(tmp_path / "bomb.png")


@pytest.mark.filterwarnings("error")
def test_the_limit_is_a_setting_and_pillow_says_nothing_of_it(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(png(20_000, 15_000, 8, 2, b""))
    monkeypatch.setenv("HMTNET_MAX_MEGAPIXELS", "301")
    assert size_of(tmp_path / "a.png") == (20_000, 15_000)
    for wrong in ("many", "0", "nan"):
        monkeypatch.setenv("HMTNET_MAX_MEGAPIXELS", wrong)
        with pytest.raises(SettingsError, match=f"HMTNET_MAX_MEGAPIXELS='{wrong}'"):
            size_of(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp", ".jpg"])
def test_truncated_images_are_refused(tmp_path, suffix):
    stream = io.BytesIO()
    big = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(big).save(stream, Image.registered_extensions()[suffix])
    whole = stream.getvalue()
    path = tmp_path / f"a{suffix}"
    for length in (10, len(whole) // 2, len(whole) * 9 // 10):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=f"a\\{suffix}' cannot be decoded"):
            decode(path)


def test_what_is_no_image_is_described(tmp_path):
    (tmp_path / "page.png").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"has 22 bytes and starts with b'<html>"):
        decode(tmp_path / "page.png")
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(DataError, match="it is empty"):
        decode(tmp_path / "empty.png")
    (tmp_path / "lfs.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid 1")
    with pytest.raises(DataError, match="Git LFS pointer"):
        decode(tmp_path / "lfs.png")
    with pytest.raises(DataError, match="does not exist"):
        decode(tmp_path / "absent.png")
    with pytest.raises(DataError, match="is a folder"):
        decode(tmp_path)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(b"?")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.png' cannot be decoded .* Permission denied"):
        decode(tmp_path / "a.png")


def test_orientation_of_cameras_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[274] = 6  # "rotate by 90 degrees to view"
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), RGB)


@pytest.fixture
def manifest(tmp_path, noise):
    for i in range(3):
        noise(tmp_path / f"{i}.png", i)
    noise(tmp_path / "ref.png", 9)
    refs = ["ref.png", "ref.png", None]
    records = [Record(image=f"{i}.png", mos=0.5, reference_image=refs[i]) for i in range(3)]
    return Manifest.create(
        "set", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
    )


@pytest.mark.parametrize("cache", ["memory", "none", "auto"])
@pytest.mark.parametrize("references", [True, False])
def test_store_gives_the_rows_pixels(manifest, noise, tmp_path, cache, references):
    store = ImageStore(manifest, [0, 2], cache)
    if references:
        store.keep_references([0, 2])
    assert len(store) == 2
    np.testing.assert_array_equal(store[0], noise(tmp_path / "again.png", 0))
    np.testing.assert_array_equal(store[2], noise(tmp_path / "again.png", 2))
    np.testing.assert_array_equal(store.reference(0), noise(tmp_path / "again.png", 9))
    with pytest.raises(DataError, match=r"2\.png' of dataset 'set' has no reference image"):
        store.reference(2)


def test_memory_decodes_once_and_shares_references(manifest, caplog):
    caplog.set_level(logging.INFO, "hmtnet")
    store = ImageStore(manifest, range(3), "memory")
    store.keep_references(range(3))
    assert caplog.messages.count("decoding set") == 2
    store.keep_references(range(3))  # it has them
    assert caplog.messages.count("decoding set") == 2
    assert store[0] is store[0]
    assert store.reference(0) is store.reference(1)
    for path in manifest.root.glob("*.png"):
        path.unlink()
    assert store[1].shape == (6, 8, 3)
    with pytest.raises(DataError, match="does not exist"):
        _ = ImageStore(manifest, range(3), "none")[1]


@pytest.fixture
def make_huge(tmp_path):
    """Make a dataset of so many images that claim 243 MB each, and one reference of theirs all."""

    def make(count):
        for name in (*range(count), "ref"):
            (tmp_path / f"{name}.ppm").write_bytes(b"P6 9000 9000 255\n")
        records = [
            Record(image=f"{i}.ppm", mos=0.5, reference_image="ref.ppm") for i in range(count)
        ]
        return Manifest.create(
            "huge", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
        )

    return make


def test_memory_is_refused_before_anything_is_decoded_where_there_is_too_little(make_huge):
    count = 2 * free_memory()[0] // 243_000_000 + 4
    huge = make_huge(count)
    with pytest.raises(SettingsError) as error:
        ImageStore(huge, range(count), "memory")
    assert re.search(
        rf"the images of dataset 'huge' \({count}\) need {count * 0.243:.1f} GB of memory, and "
        r"[\d.]+ GB are .*\. Set data\.cache=none",
        str(error.value),
    )
    # There is room for a quarter of them, but not in each of four processes.
    with pytest.raises(SettingsError, match=r"data\.cache=memory cannot keep"):
        ImageStore(huge, range(count // 4), "memory", copies=4)


def test_auto_keeps_images_where_there_is_room_and_says_why(manifest, caplog):
    caplog.set_level(logging.INFO, "hmtnet")
    store = ImageStore(manifest, range(3), copies=10**12)  # in so many processes there is none
    assert "data.cache=auto: the images of dataset 'set' (3) need" in caplog.text
    assert "more than half, so each is decoded when it is used" in caplog.text
    assert store[0] is not store[0]
    caplog.clear()
    store = ImageStore(manifest, range(3))
    store.keep_references([0])
    assert store[0] is store[0] and store.reference(0) is store.reference(1)
    told = [text.partition(",")[0] for text in caplog.messages if text.startswith("data.")]
    assert told == [
        "data.cache=auto: the images of dataset 'set' (3) need 0 kB of memory",
        "data.cache=auto: the reference images of dataset 'set' (1) need 0 kB of memory",
    ]


@pytest.mark.parametrize("cache", ["memory", "none"])
def test_all_unreadable_images_are_listed_at_once(manifest, cache):
    (manifest.root / "0.png").write_bytes(b"broken")
    (manifest.root / "2.png").unlink()
    with pytest.raises(DataError, match=r"2 of 3 images cannot be used: .*0\.png.*2\.png"):
        ImageStore(manifest, range(3), cache)
    with pytest.raises(DataError, match=r"^Image '.*0\.png' cannot be decoded"):
        ImageStore(manifest, [0, 1], cache)


def test_a_pair_is_cut_to_what_both_show(tmp_path, noise):
    whole = noise(tmp_path / "ref.png", 9, (11, 10))
    for name, size in (("a.png", (8, 10)), ("b.png", (8, 6))):
        noise(tmp_path / name, 1, size)
    records = [
        Record(image=name, mos=0.5, scale=3, reference_image="ref.png")
        for name in ("a.png", "b.png")
    ]
    manifest = Manifest.create(
        "set", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
    )
    store = ImageStore(manifest, [0, 1])
    image, reference = store.pair(0)
    assert image.shape == reference.shape == (10, 8, 3)
    np.testing.assert_array_equal(reference, whole[:, :8])
    with pytest.raises(DataError, match=r"'b\.png' measures 8×6 pixels and its reference 11×10"):
        store.pair(1)


def test_the_size_stands_in_the_header(tmp_path, noise):
    noise(tmp_path / "a.png", 0, (8, 6))
    assert size_of(tmp_path / "a.png") == (8, 6)
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:60])  # a header, and no pixels
    assert size_of(tmp_path / "cut.png") == (8, 6)
    (tmp_path / "b.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"b\.png' cannot be decoded"):
        size_of(tmp_path / "b.png")
    with pytest.raises(DataError, match="does not exist"):
        size_of(tmp_path / "c.png")
