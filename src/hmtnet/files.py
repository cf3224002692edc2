"""Files that appear whole or not at all, their digests; CSV, JSON and Markdown that do no harm."""

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hmtnet.errors import printable

OFFLINE = "HMTNET_OFFLINE"
"""The environment variable that forbids to fetch files; empty and ``0`` do not."""

_MOST_VALUES = 100_000  # in a file of settings
_MOST_DIGITS = 300  # of a whole number; beyond some more, Python has no float for it


@contextmanager
def written_aside(path: Path, durable: bool = False) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; rename it to ``path`` when the block succeeds.

    A reader therefore sees the old file or the new one, never a part. If the block raises, ``path``
    is untouched and the partial file is removed.

    Args:
        path: The file to write. Its folder is made if it does not exist.
        durable: Wait until file and name are on the disk, so that also a machine that loses power
            leaves the old file or the new one.

    Yields:
        A temporary path in the same folder, with the same suffix.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        # mkstemp makes private files; a result is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        aside.chmod(0o666 & ~umask)
        if durable:
            _flush(aside)
        aside.replace(path)
        if durable and os.name != "nt":  # where folders cannot be opened
            _flush(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def clear_partial(folder: Path) -> None:
    """Remove what processes that were killed while they wrote have left in a folder.

    Nobody else may write there meanwhile.
    """
    for partial in folder.glob(".*-*"):
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Wait until a file's content, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str, durable: bool = False) -> None:
    """Write UTF-8 text to ``path``, whole or not at all; see `written_aside`.

    A file that holds this text already is left alone, so what was written can be shown again from
    where nothing may be written.

    A byte of a file's name that is no UTF-8 comes to Python as half a character. It is written as
    an escape, which JSON reads as that half again.
    """
    data = text.encode("utf-8", "backslashreplace")
    if not durable and _holds(path, data):
        return
    with written_aside(path, durable) as aside:
        aside.write_bytes(data)


def _holds(path: Path, data: bytes) -> bool:
    try:
        return Path(path).read_bytes() == data
    except OSError:
        return False


def read_json(path: Path, encoding: str = "utf-8") -> Any:
    """Read a JSON file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON text in this encoding, or as `parse_json` says.
    """
    return parse_json(path.read_text(encoding=encoding))


def parse_json(text: str) -> Any:
    """Return what JSON text says.

    Raises:
        ValueError: It is no JSON, is nested too deeply for Python, or has a number that no
            calculation can take.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"it has a number of {len(digits)} digits")
    return int(digits)


def plain_yaml(text: str) -> Any:
    """Return what YAML of text, numbers, lists and mappings says.

    Raises:
        ValueError: It is no such YAML: it has tags, or repeats itself by anchors until nobody can
            hold it (a few lines can stand for billions).
    """
    import yaml

    try:
        value = yaml.safe_load(text)
        left = _MOST_VALUES
        heap = [value]
        while heap:
            inner = heap.pop()
            if isinstance(inner, (dict, list)):
                left -= len(inner)
                if left < 0:
                    raise ValueError(f"it stands for more than {_MOST_VALUES} values")
                heap += inner.values() if isinstance(inner, dict) else inner
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from None
    return value


# A spreadsheet program runs a cell that starts so, unless a quotation mark stands before it.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def csv_text(
    header: Iterable[object], rows: Iterable[Iterable[object]], for_people: bool = False
) -> str:
    """Return a table as CSV text, with a line feed behind each row.

    Args:
        header: The columns' names.
        rows: Their cells; None is an empty one.
        for_people: Whether it will be opened in a spreadsheet program: text that one would run is
            made ``harmless``. What hmtnet reads back stays exact instead.
    """
    lines: list[str] = []
    # With these line ends it quotes either character, so that no cell can end a row.
    writer = csv.writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    for row in (header, *rows):
        writer.writerow(map(harmless, row) if for_people else row)
    return "".join(line.removesuffix("\r\n") + "\n" for line in lines)


def harmless(cell: object) -> object:
    """Return a cell that no spreadsheet program runs as a formula; numbers stay what they are.

    >>> harmless("=1+1"), harmless("-1.png"), harmless("-1"), harmless(-1)
    ("'=1+1", "'-1.png", '-1', -1)
    """
    if isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


# What Markdown takes for markup; of the second kind not every reader knows a backslash before it.
_MARKUP = re.compile(r"[\\`*_{}\[\]#~$]")
_NAMED = str.maketrans({"<": "&lt;", ">": "&gt;", "&": "&amp;", "|": "&#124;"})


def in_markdown(text: str) -> str:
    r"""Return Markdown that shows a text as it is, on one line.

    >>> print(in_markdown("a|b <script>"))
    a&#124;b &lt;script&gt;
    """
    shown = printable(" ".join(text.split()))
    return _MARKUP.sub(r"\\\g<0>", shown).translate(_NAMED)


def as_it_was(cell: str) -> str:
    """Return what ``harmless`` has made a cell of.

    >>> as_it_was("'=1+1"), as_it_was("it's"), as_it_was("-1")
    ('=1+1', "it's", '-1')
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_table(
    path: Path, header: Iterable[object], rows: Iterable[Iterable[object]], for_people: bool = False
) -> None:
    """Write a table as CSV to ``path``, whole or not at all; see ``csv_text``."""
    write_text(path, csv_text(header, rows, for_people))


@contextmanager
def built_aside(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside ``folder``; rename it to ``folder`` when the block succeeds.

    If another process has built ``folder`` meanwhile, theirs stays and ours is removed.

    Args:
        folder: The folder to build.

    Yields:
        An empty temporary folder in the same parent.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield aside
        aside.chmod(0o755)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def is_offline() -> bool:
    """Whether ``HMTNET_OFFLINE`` forbids to fetch any file."""
    return os.environ.get(OFFLINE, "") not in ("", "0")


def is_file(path: Path) -> bool:
    """Whether this is a file; no file has a name that is too long, which ``Path`` would raise."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises


def is_there(path: Path) -> bool:
    """Whether this is a file or a folder; see ``is_file``."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises


def is_folder(path: Path) -> bool:
    """Whether this is a folder; see ``is_file``."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_text(text: str, length: int = 64) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of UTF-8 text."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]


def size_words(count: int) -> str:
    """Write a number of bytes for people.

    >>> size_words(1_234_567_890), size_words(12_345_678), size_words(4096)
    ('1.2 GB', '12.3 MB', '4 kB')
    """
    if count >= 10**9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.1f} MB" if count >= 10**5 else f"{count / 1e3:.0f} kB"
