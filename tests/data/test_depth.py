"""Files of more than 8 bits, made here: Pillow writes few of them, and reads most wrongly."""

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hmtnet.data.images import decode
from hmtnet.errors import DataError

GREY16 = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16


def saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(bits, numbers=1, planar=1):
    """Write an uncompressed 2×2 RGB TIFF by hand."""
    plane = 2 * 2 * bits // 8
    tags = ImageFileDirectory_v2()
    tags[256], tags[257], tags[258], tags[259], tags[262] = 2, 2, (bits,) * 3, 1, 2
    tags[277], tags[278], tags[284], tags[339] = 3, 2, planar, (numbers,) * 3
    strips = 3 if planar == 2 else 1
    tags[273] = tuple(8 + plane * i for i in range(strips))
    tags[279] = (3 * plane // strips,) * strips
    stream = io.BytesIO()
    stream.write(b"II*\0" + struct.pack("<I", 8 + 3 * plane) + bytes(3 * plane))
    tags.save(stream)
    return stream.getvalue()


def png16():
    def chunk(kind, body):
        sum_ = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", sum_)

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(b"\0" + bytes(range(12))))
    return b"\x89PNG\r\n\x1a\n" + head + rows + chunk(b"IEND", b"")


def avif(bits):
    """Write the boxes of an AVIF as far as its depth, or of its like as far as its brand."""

    def box(kind, body):
        return struct.pack(">I4s", 8 + len(body), kind) + body

    flags = {8: 0, 10: 0x40, 12: 0x60}[bits]
    av1 = box(b"av1C", bytes([0x81, 0, flags | 0x0C, 0]))
    inner = box(b"iprp", box(b"ipco", box(b"ispe", bytes(12)) + av1))
    return box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(4) + inner)


SGI = b"\x01\xda\0\x02\0\x03" + struct.pack(">HHH", 2, 2, 3)
DEEP = {
    "rgb.png": (png16(), "PNG and stores 16 bits"),
    "grey.png": (saved(Image.fromarray(GREY16), "PNG"), "PNG and stores 16 bits"),
    "chunky.tif": (tiff(16), "TIFF and stores 16 bits"),
    "planar.tif": (tiff(16, planar=2), "TIFF and stores 16 bits"),
    "float.tif": (tiff(32, numbers=3), "TIFF and stores 32-bit floating-point numbers"),
    "signed.tif": (tiff(8, numbers=2), "TIFF and stores numbers with a sign"),
    "grey.jp2": (saved(Image.fromarray(GREY16), "JPEG2000"), "JPEG2000 and stores 16 bits"),
    "bare.j2k": (
        saved(Image.fromarray(GREY16), "JPEG2000", no_jp2=True),
        "JPEG2000 and stores 16 bits",
    ),
    "ten.avif": (avif(10), "AVIF and stores 10 bits"),
    "twelve.avif": (avif(12), "AVIF and stores 12 bits"),
    "a.ppm": (b"P6 # made by hand\n2 1\n1023\n" + bytes(12), "PPM and stores 10 bits"),
    "a.pfm": (b"PF\n1 1\n-1.0\n" + bytes(12), "PPM and stores 32-bit floating-point"),
    "a.sgi": (SGI + bytes(600), "SGI and stores 16 bits"),
    "a.jpg": (b"\xff\xd8\xff\xc1\0\x11\x0c" + bytes(14), "JPEG and stores 12 bits"),
    "a.hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4), "Radiance HDR"),
    "a.heic": (b"\0\0\0\x18ftypheic" + bytes(12), "HEIC"),
    "a.exr": (b"v/1\x01" + bytes(12), "OpenEXR"),
    "a.tga": (saved(Image.new("RGB", (4, 4)), "TGA"), "TGA; expected one of PNG, BMP"),
}


@pytest.mark.parametrize("name", DEEP)
def test_what_is_not_of_8_bits_is_refused_by_its_format_with_how_to_convert(tmp_path, name):
    content, told = DEEP[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        decode(tmp_path / name)
    assert f"{name}' is of the format {told}" in str(error.value)
    assert "8-bit PNG" in str(error.value) and "anew" not in str(error.value)


KINDS = ["PNG", "BMP", "TIFF", "JPEG", "WEBP", "GIF", "PPM", "JPEG2000", "SGI"]


@pytest.mark.parametrize("kind", [*KINDS, *["AVIF"] * features.check("avif")])
def test_8_bits_are_read_from_every_container(tmp_path, kind):
    grey = np.linspace(20, 230, 64).astype(np.uint8)
    image = Image.fromarray(np.repeat(np.tile(grey, (64, 1))[..., None], 3, 2))
    (tmp_path / "a").write_bytes(saved(image, kind))
    assert np.abs(decode(tmp_path / "a").astype(int) - np.asarray(image)).mean() < 3


def test_jpeg_2000_without_a_code_stream_is_damaged(tmp_path):
    (tmp_path / "a.jp2").write_bytes(saved(Image.new("RGB", (8, 8)), "JPEG2000")[:60])
    with pytest.raises(DataError, match=r"cannot be decoded \(no code stream"):
        decode(tmp_path / "a.jp2")


@pytest.mark.skipif("HMTNET_DATA" not in os.environ, reason="needs the larger files")
def test_the_larger_files_are_refused():
    folder = Path(os.environ["HMTNET_DATA"]) / "cases"
    for path in folder.glob("*.*"):
        if path.suffix in {".avif", ".jp2", ".ppm", ".sgi", ".tif"}:
            with pytest.raises(DataError, match="expected whole numbers of at most 8 bits"):
                decode(path)
