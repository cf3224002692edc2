"""What every reader needs: find the dataset's folder, list it, and decode label files."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from hmtnet.data.settings import DataSettings
from hmtnet.errors import DataError, listed, nearest
from hmtnet.files import is_folder, is_there

DATA_VARIABLE = "HMTNET_DATA"

# Containers that hold pixels without loss; others would change the quality that was scored.
LOSSLESS = (".bmp", ".png", ".tif", ".tiff", ".webp")


def find_root(settings: DataSettings, obtained: str = "") -> Path:
    """Find the dataset's folder.

    ``data.root`` may be absolute; a relative one is looked for below ``$HMTNET_DATA``, then below
    the working directory; without ``data.root`` the folder is ``$HMTNET_DATA/<dataset's name>``.

    Args:
        settings: Names the root, or leaves it out.
        obtained: One sentence on where the dataset is obtained.

    Raises:
        DataError: No such folder; the message lists what was tried and what lies beside it.
    """
    home = os.environ.get(DATA_VARIABLE)
    tried = []
    if home:
        # Joining an absolute root yields that root.
        tried.append(Path(home).expanduser() / (settings.root or settings.dataset))
    if settings.root is not None:
        tried.append(Path(settings.root).expanduser())
    for path in tried:
        if is_folder(path):
            return path
    advice = "set data.root to its folder" + (
        f", or correct {DATA_VARIABLE} (now '{home}')." if home else f", or set {DATA_VARIABLE}."
    )
    looked = f"looked for {listed(dict.fromkeys(tried))}" if tried else "no folder is known"
    raise DataError(
        f"Dataset '{settings.dataset}' not found: {looked}.{_neighbours(tried)} To use it, {advice}"
        + (f" {obtained}" if obtained else "")
    )


def whereabouts(name: str) -> Path | None:
    """Return the folder of this name below ``$HMTNET_DATA``, None where there is none."""
    home = os.environ.get(DATA_VARIABLE)
    path = Path(home).expanduser() / name if home else None
    return path if path is not None and is_folder(path) else None


def is_clutter(name: str) -> bool:
    """Whether an entry is hidden, or what a Mac leaves beside the real files."""
    return name.startswith(".") or name == "__MACOSX"


def same(name: str) -> str:
    """Return what spellings of one name share: letter case and composed accents do not count."""
    return unicodedata.normalize("NFC", name).casefold()


def spelled(folder: Path, parts: Sequence[str]) -> Path | None:
    """Return the only entry whose path below a folder is spelled like these parts, None without."""
    for part in parts:
        if not is_folder(folder):
            return None
        if is_there(folder / part):
            folder = folder / part
            continue
        found = [entry.name for entry in folder.iterdir() if same(entry.name) == same(part)]
        if len(found) != 1:
            return None
        folder = folder / found[0]
    return folder


def child(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first entry of ``folder`` with one of these names, in any letter case."""
    entries = {same(entry.name): entry for entry in sorted(folder.iterdir(), reverse=True)}
    return next((entries[same(name)] for name in names if same(name) in entries), None)


def contents(folder: Path) -> str:
    """Say what a folder holds, for a message."""
    names = sorted(e.name + "/" * e.is_dir() for e in folder.iterdir() if not is_clutter(e.name))
    return f"'{folder}' holds {listed(names, 8)}" if names else f"'{folder}' is empty"


def decode_text(path: Path) -> str:
    """Read a label file whatever wrote it: UTF-8 or UTF-16 with or without a mark, or Latin-1.

    Latin-1 accepts any bytes; names that it reads wrongly fail later, as labels without an image.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"The label file '{path}' cannot be read: {error.strerror}.") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _neighbours(tried: Iterable[Path]) -> str:
    """Say what lies where a missing folder was expected; the nearest name first."""
    for path in tried:
        if is_folder(path.parent):
            folders = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
            hint = nearest(path.name, folders)
            guess = hint if "mean" in hint else ""
            return f" {contents(path.parent)[0].upper()}{contents(path.parent)[1:]}.{guess}"
    return ""
