"""Folders of files, spoilt and laid out on the disk."""

import random
from contextlib import suppress
from pathlib import Path

from tests.fuzz.mutations import NAMES, Edits, Sample, spoilt

Laid = dict[str, bytes | Path]
"""What lies in a folder: bytes of files, targets of links."""


def spoilt_folder(folder: dict[str, Sample], edits: Edits, elsewhere: Path) -> Laid | None:
    """Return a folder after some edits of its files or their names; None if one has no form.

    Args:
        folder: Valid files by path.
        edits: What is done.
        elsewhere: A folder outside, which links lead to.
    """
    files: dict[str, Sample | Path] = dict(folder)
    inside: dict[str, list[int]] = {}
    for seed in edits:
        draw = random.Random(seed)
        told = [path for path, sample in folder.items() if sample.document]
        if draw.random() < 0.75:
            inside.setdefault(draw.choice(told), []).append(draw.getrandbits(32))
            continue
        path = draw.choice(told if draw.random() < 0.3 else list(folder))
        if path not in files:
            continue
        match draw.randrange(6):
            case 0:
                del files[path]
            case 1:
                files[path.upper()] = files.pop(path)
            case 2:
                files[_renamed(path, draw)] = files.pop(path)
            case 3:
                files[_renamed(path, draw)] = files[path]
            case 4:
                files[f"{path}/inner"] = files.pop(path)
            case 5:
                files[path] = draw.choice((elsewhere, elsewhere / "canary", Path("..")))
    laid: Laid = {}
    for path, content in files.items():
        if isinstance(content, Path):
            laid[path] = content
            continue
        own = tuple(inside.get(path, ()))
        data = spoilt(content, own) if own else content.data
        if data is None:
            return None
        laid[path] = data
    return laid


def _renamed(path: str, draw: random.Random) -> str:
    folder, _, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    # A lone surrogate stands for a byte that is no UTF-8, as Python has it in names of files.
    odd = draw.choice(NAMES).translate({ord("/"): "_", 0: "_", 0xD800: "\udcff"})
    new = draw.choice((f"{stem}{odd}{dot}{suffix}", f"{stem}.{odd}", f"{odd}{name}", f"{stem}.png"))
    return (Path(folder) / (new[-200:] if new.strip(".") else "odd")).as_posix()


def lay_out(root: Path, laid: Laid) -> None:
    """Write a folder; what no file system can hold is left out."""
    root.mkdir(parents=True)
    for path, content in laid.items():
        with suppress(OSError):  # a name too long, a folder where a file is
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                (root / path).symlink_to(content)
            else:
                (root / path).write_bytes(content)
