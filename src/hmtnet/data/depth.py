"""What an image file's own header says: its container, and the depth of its pixels.

Pillow brings deeper pixels to 8 bits without a word, and not always rightly, so it is not asked.
"""

import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from hmtnet.errors import DataError

_FLOAT, _SIGNED = "floating-point numbers", "numbers with a sign"
_TIFF_BITS, _TIFF_NUMBERS = 258, 339
_CONVERT = (
    "Save it as an 8-bit PNG the way the viewers saw it, for example by `magick IN -depth 8 "
    "OUT.png`; high dynamic range needs the tone mapping that they saw."
)


def container(stream: BinaryIO, path: Path) -> str:
    """Return Pillow's name of an image file's container, if it holds whole numbers of 8 bits.

    Args:
        stream: The file, at its start.
        path: For messages.

    Raises:
        DataError: A sound image of another container, or of other pixels.
        OSError: No image of any known kind.
        ValueError: A damaged header; also ``struct.error`` and ``IndexError``.
    """
    start = stream.read(16)
    for name, (magic, read) in _CONTAINERS.items():
        if re.match(magic, start, re.DOTALL):
            found = read(stream)
            if not found:
                return name
            raise DataError(
                f"Image '{path}' is of the format {name} and stores {found}; expected "
                f"whole numbers of at most 8 bits per channel. {_CONVERT}"
            )
    others = (name for name, magic in _OTHERS.items() if re.match(magic, start, re.DOTALL))
    name = next(others, "")
    if not name:
        with Image.open(path) as image:  # raises where it is no image at all
            name = str(image.format)
    raise DataError(
        f"Image '{path}' is of the format {name}; expected one of {', '.join(_CONTAINERS)}. "
        f"{_CONVERT}"
    )


def _deep(bits: int) -> str:
    return f"{bits} bits per channel" if bits > 8 else ""


def _eight(_: BinaryIO) -> str:
    """For containers that hold no more than 8 bits."""
    return ""


def _png(stream: BinaryIO) -> str:
    stream.seek(24)  # in IHDR
    return _deep(stream.read(1)[0])


def _jpeg(stream: BinaryIO) -> str:
    stream.seek(2)
    while True:  # to the start of the frame, whose markers are C0 to CF but for three tables
        while (marker := stream.read(1)[0]) == 0xFF:
            pass
        (length,) = struct.unpack(">H", stream.read(2))
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return _deep(stream.read(1)[0])
        stream.seek(length - 2, 1)


def _tiff(stream: BinaryIO) -> str:
    stream.seek(0)
    head = stream.read(8)
    if 43 in head[2:4]:  # BigTIFF
        head += stream.read(8)
    directory = ImageFileDirectory_v2(head)
    stream.seek(directory.next)
    directory.load(stream)
    kinds = directory.get(_TIFF_NUMBERS, (1,))
    bits = max(directory.get(_TIFF_BITS, (1,)))
    if 3 in kinds:
        return f"{bits}-bit {_FLOAT}"
    return _SIGNED if 2 in kinds else _deep(bits)


def _jpeg2000(stream: BinaryIO) -> str:
    stream.seek(0)
    begin = 0
    if stream.read(2) != b"\xff\x4f":
        bodies = [body for kind, body, _ in _boxes(stream, 0, 2**63) if kind == b"jp2c"]
        if not bodies:
            raise ValueError("no code stream (box jp2c)")
        begin = bodies[0]
    stream.seek(begin + 40)  # in the marker SIZ
    (count,) = struct.unpack(">H", stream.read(2))
    channels = stream.read(3 * count)[::3]
    if any(channel & 0x80 for channel in channels):
        return _SIGNED
    return _deep(1 + max(channels))


def _avif(stream: BinaryIO) -> str:
    """Read what the decoder is told (av1C) of every picture, that of transparency included."""
    bits = []
    for kind, body, end in _inside(stream, (b"meta", b"iprp", b"ipco"), 0, 2**63):
        if kind == b"av1C" and end - body >= 4:
            stream.seek(body + 2)
            flags = stream.read(1)[0]
            bits.append((12 if flags & 0x20 else 10) if flags & 0x40 else 8)
    return _deep(max(bits)) if bits else "no AV1 picture (HEIC does not)"


def _netpbm(stream: BinaryIO) -> str:
    stream.seek(0)
    words = re.sub(rb"#[^\r\n]*", b" ", stream.read(4096)).split(maxsplit=4)
    if words[0] in (b"PF", b"Pf"):
        return f"32-bit {_FLOAT}"
    return "" if words[0] in (b"P1", b"P4") else _deep(int(words[3]).bit_length())


def _sgi(stream: BinaryIO) -> str:
    stream.seek(3)
    return _deep(8 * stream.read(1)[0])


def _boxes(stream: BinaryIO, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the body of each box of an ISO file."""
    while begin < end:
        stream.seek(begin)
        head = stream.read(8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        body = begin + 8
        if size == 1:
            (size,) = struct.unpack(">Q", stream.read(8))
            body += 8
        last = min(begin + size, end) if size else end
        if last < body:
            raise ValueError(f"a box {kind!r} of {size} bytes")
        yield kind, body, last
        begin = last


def _inside(
    stream: BinaryIO, path: tuple[bytes, ...], begin: int, end: int
) -> Iterator[tuple[bytes, int, int]]:
    """Yield the boxes in the boxes of a path."""
    for kind, body, last in _boxes(stream, begin, end):
        if not path:
            yield kind, body, last
        elif kind == path[0]:
            # Of these only 'meta' has a version and flags before its boxes.
            yield from _inside(stream, path[1:], body + 4 * (kind == b"meta"), last)


# By Pillow's name: how a file starts, and what says how it stores its pixels, if not as expected.
_CONTAINERS: dict[str, tuple[bytes, Callable[[BinaryIO], str]]] = {
    "PNG": (rb"\x89PNG\r\n\x1a\n", _png),
    "BMP": (rb"BM", _eight),
    "TIFF": (rb"II[*+]\0|MM\0[*+]", _tiff),
    "JPEG": (rb"\xff\xd8\xff", _jpeg),
    "WEBP": (rb"RIFF....WEBP", _eight),
    "GIF": (rb"GIF8[79]a", _eight),
    "PPM": (rb"P[1-6fF]\s", _netpbm),
    "JPEG2000": (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", _jpeg2000),
    "AVIF": (rb"....ftyp(avif|avis|mif1|msf1)", _avif),
    "SGI": (rb"\x01\xda", _sgi),
}
# Images that Pillow alone does not name.
_OTHERS = {
    "HEIC": rb"....ftyphe",
    "Radiance HDR": rb"#\?R",
    "OpenEXR": rb"v/1\x01",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG XR": rb"II\xbc",
}
