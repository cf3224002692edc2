"""Valid documents, spoilt: what a damaged disk, a careless edit or an attacker makes of a file."""

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hypothesis import strategies as st

Edits = tuple[int, ...]
"""One seed per edit, so that hypothesis finds the fewest that do harm."""

EDITS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4).map(tuple)


@dataclass(frozen=True, eq=False)
class Sample:
    """A valid file.

    Attributes:
        document: What it says: nested dicts and lists of text, numbers and bytes.
        pack: Writes a document; may raise anything for one that cannot be written.
    """

    document: Any
    pack: Callable[[Any], bytes]

    @cached_property
    def data(self) -> bytes:
        """The file."""
        return self.pack(self.document)


def raw(data: bytes) -> Sample:
    """Return a file of which nothing is known but its bytes."""
    return Sample(data, bytes)


def as_json(document: Any) -> Sample:
    """Return a file of JSON."""
    return Sample(document, lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))


def as_lines(rows: Sequence[Sequence[Any]], separator: str = ",") -> Sample:
    """Return a file of lines with a separator between their cells."""

    def pack(value: Any) -> bytes:
        lines = (separator.join(map(str, row)) for row in value)
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")

    return Sample([list(row) for row in rows], pack)


def spoilt(sample: Sample, edits: Edits) -> bytes | None:
    """Return the file after some edits of what it says or of its bytes; None if it has no form."""
    document = sample.document
    late = []
    for seed in edits:
        draw = random.Random(seed)
        if isinstance(document, bytes) or draw.random() < 0.3:
            late.append(draw)
        else:
            document = _edited(document, draw)
    try:
        data = sample.pack(document)
    except Exception:  # a writer refuses what is no document of its kind
        return None
    for draw in late:
        data = _bytes_edited(data, draw)
    return data


NAMES = (
    *("", " ", ".", "..", "/", "a/b", "../../canary", "/canary", "C:\\canary", "~/canary"),
    *(
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1e-999",
        "0x10",
        "1_0",
        "９",
        "-1",
        "=1+1",
        "+1",
        "@a",
        "\tb",
    ),
    *("a\0b", "a\rb", "a\nb", "\ud800", "\u202e", "é", "e\u0301", "İ", "ß", "😀", "\x1b[2J"),
    *("<script>", "${oc.env:HOME}", "{0.__class__}", "%s%n", "x" * 300, "9" * 5000, '"', "'", "#"),
    *("true", "null", "None", "[", "{", "!!python/object", "__proto__", ",", ";", "\t", "\ufeff"),
)
_NUMBERS = (0, -1, 1, 2, 2**31, 2**63, -(2**63), 2**64, 10**400, 0.5, -0.0, 1e308, 5e-324, 1e-9)
_ODD = (None, True, False, [], {}, [[]], {"": {}}, [None], float("nan"), float("inf"))


def _value(draw: random.Random) -> Any:
    kind = draw.randrange(6)
    if kind < 2:
        return draw.choice(NAMES)
    if kind == 2:
        return draw.choice(_NUMBERS)
    if kind == 3:
        return draw.choice(_ODD)
    if kind == 4:
        return draw.uniform(-10, 10) * 10 ** draw.randrange(-3, 12)
    nested: Any = draw.choice(NAMES)
    for _ in range(draw.choice((1, 2, 50, 600))):
        nested = [nested] if draw.random() < 0.5 else {"a": nested}
    return nested


def _edited(document: Any, draw: random.Random) -> Any:
    """Return a copy with one place changed; places deep inside are as likely as shallow ones."""
    if not isinstance(document, (dict, list)) or not document or draw.random() < 0.15:
        return _replaced(document, draw)
    copy: Any = document.copy()
    key = draw.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    other = draw.choice(list(copy) if isinstance(copy, dict) else range(len(copy)))
    match draw.randrange(12):
        case 0:
            del copy[key]
        case 1:
            copy[key], copy[other] = copy[other], copy[key]
        case 2 if isinstance(copy, list):
            copy[key:key] = [copy[other]] * draw.choice((1, 2, 30))
        case 2:
            copy[_named(draw)] = copy[other]
        case 3 if isinstance(copy, dict):
            copy[_named(draw)] = copy.pop(key)
        case _:
            copy[key] = _edited(copy[key], draw)
    return copy


def _named(draw: random.Random) -> str:
    return draw.choice(NAMES)


def _replaced(value: Any, draw: random.Random) -> Any:
    if isinstance(value, bytes) and draw.random() < 0.9:
        return _bytes_edited(value, draw)
    if isinstance(value, str) and draw.random() < 0.4:
        place = draw.randrange(len(value) + 1)
        return value[:place] + draw.choice(NAMES) + value[place + draw.randrange(3) :]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and draw.random() < 0.4:
        return draw.choice((-value, value + 1, value - 1, value * 1000, value // 3, str(value)))
    return _value(draw)


def _bytes_edited(data: bytes, draw: random.Random) -> bytes:
    size = len(data)
    place = draw.randrange(size + 1)
    # Headers decide more than what follows them.
    if draw.random() < 0.4:
        place = min(place, draw.choice((8, 64, 600)))
    length = min(size - place, draw.choice((1, 2, 4, 16, 200)))
    new = bytearray(data)
    match draw.randrange(8):
        case 0:
            del new[place:]
        case 1:
            del new[place : place + length]
        case 2:
            new[place:place] = draw.randbytes(length)
        case 3:
            new[place:place] = data[place : place + length] * draw.choice((1, 2, 40))
        case 4:
            form = draw.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            most = 2 ** (8 * struct.calcsize(form))
            number = draw.choice((0, 1, most - 1, most // 2, most // 2 - 1, draw.randrange(most)))
            new[place : place + struct.calcsize(form)] = struct.pack(form, number)
        case 5:
            text = draw.choice(NAMES).encode("utf-8", "surrogatepass")
            new[place : place + draw.randrange(3)] = text
        case _:
            for _ in range(draw.choice((1, 1, 3, 10))):
                if new:
                    new[draw.randrange(len(new))] ^= 1 << draw.randrange(8)
    return bytes(new)
