"""What a door is that is fuzzed, and files that several doors take."""

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import Sample

Folder = dict[str, Sample]


@dataclass(frozen=True)
class Target:
    """A door that something of somebody else's comes in by.

    Attributes:
        name: What comes in.
        variants: Valid folders of files; each input is one of them, spoilt.
        read: Reads a folder; may raise hmtnet's own errors and nothing else.
        files_only: Whether names of files are left as they are.
        allowed: Audit events that reading may raise.
    """

    name: str
    variants: Sequence[Folder]
    read: Callable[[Path], object]
    files_only: bool = False
    allowed: tuple[str, ...] = ()

    @classmethod
    def of_file(
        cls,
        name: str,
        file: str,
        samples: Sequence[Sample],
        read: Callable[[Path], object],
        **more: Any,
    ) -> "Target":
        """Return the door of one file, which ``read`` is given the path of."""
        variants = [{file: sample} for sample in samples]
        return cls(name, variants, lambda root: read(root / file), files_only=True, **more)


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def zipped(data: bytes) -> Sample:
    """Return a zip archive by its parts, so that an edit does not only spoil a checksum."""

    def pack(document: Any) -> bytes:
        def write(stream: io.BytesIO) -> None:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in document.items():
                    archive.writestr(name, content)

        return written(write)

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return Sample({name: archive.read(name) for name in archive.namelist()}, pack)
