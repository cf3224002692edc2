"""Digests that say whether a finished stage can be reused: of its settings and of its sources.

Two runs share a key if they would compute the same thing. So the key covers settings and the code
that uses them, and leaves out where, how fast and for whose eyes they run.
"""

import ast
import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from hmtnet.errors import SettingsError
from hmtnet.files import digest_text
from hmtnet.settings import plain

ROOMS = ("perception", "losses", "metrics", "data", "models")

# What these modules yield (records, labels, image bytes) is in the dataset's fingerprint.
_IN_THE_FINGERPRINT = ("data.readers", "data.demo")


def digest_of(settings: object, length: int = 12) -> str:
    """Return a digest of settings that does not depend on the order of keys.

    Args:
        settings: Dataclasses, mappings, lists, tuples (equal to lists) and scalars, nested.
        length: Hexadecimal digits to return, at most 64.

    Raises:
        SettingsError: A value is of another type, or a number is not finite.

    >>> digest_of({"lr": 1e-3, "widths": (8, 16)}) == digest_of({"widths": [8, 16], "lr": 0.001})
    True
    """
    try:
        # Floats are written by repr: the shortest text that reads back to the same bits.
        text = json.dumps(plain(settings), sort_keys=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"These settings have no digest: {error}. Give finite numbers, text, booleans, None, "
            f"lists, mappings and dataclasses. Found: {settings!r}"
        ) from error
    return digest_text(text, length)


def sources_digest(
    roots: Sequence[str], package: str = "hmtnet", rooms: Sequence[str] = ROOMS
) -> str:
    """Return a digest of the source of ``roots`` and of all they import, directly or indirectly.

    Imports are read from the text, also those inside functions, and nothing is executed. Of
    ``package``, only modules in ``rooms`` count (without dataset readers: what they yield is part
    of the dataset's fingerprint); of other packages, only those that ``roots`` name. A module
    found through a name that is computed at run time is not seen: name it in ``roots``. The answer
    is remembered for the life of the process, as imported code is.

    Args:
        roots: Full module names, of ``package`` or, for a system from outside, of another package.
        package: The package whose rooms are followed.
        rooms: Its sub-packages that count.

    Returns:
        64 hexadecimal digits over module paths and their text, with line ends made equal.

    Raises:
        ModuleNotFoundError: A root does not exist.
        ValueError: A root is in ``package`` but in none of ``rooms``.
    """
    return _sources_digest(tuple(sorted(set(roots))), package, tuple(rooms))


@functools.cache
def _sources_digest(roots: tuple[str, ...], package: str, rooms: tuple[str, ...]) -> str:
    followed = {root.partition(".")[0] for root in roots}

    def counts(module: str) -> bool:
        top, _, inside = module.partition(".")
        if top != package:
            return top in followed
        return inside.partition(".")[0] in rooms and not any(
            inside == name or inside.startswith(f"{name}.") for name in _IN_THE_FINGERPRINT
        )

    for root in roots:
        if not counts(root):
            raise ValueError(f"Module {root} is in none of the rooms {', '.join(rooms)}.")
        if find_source(root) is None:
            raise ModuleNotFoundError(f"There is no module {root}.", name=root)
    digests: dict[str, str] = {}
    pending = [name for root in roots for name in _with_parents(root)]
    while pending:
        module = pending.pop()
        path = find_source(module) if module not in digests and counts(module) else None
        if path is not None:
            digests[module], imported = _read(module, path)
            pending += imported
    lines = [f"{module} {digest}\n" for module, digest in sorted(digests.items())]
    return digest_text("".join(lines))


@functools.cache
def _read(module: str, path: Path) -> tuple[str, tuple[str, ...]]:
    """Return the digest of a module's text and the names it may import, with their parents."""
    source = path.read_bytes().replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    here = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    names: set[str] = set()
    for statement in _statements(ast.parse(source, filename=str(path)).body):
        if isinstance(statement, ast.Import):
            names.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            up = here[: len(here) - statement.level + 1] if statement.level else []
            base = ".".join([*up, *([statement.module] if statement.module else [])])
            # "from a import b" may mean the module a.b; if it does not exist, nothing is found.
            names.update({base, *(f"{base}.{alias.name}" for alias in statement.names)})
    imported = {parent for name in names for parent in _with_parents(name)}
    return hashlib.sha256(source).hexdigest(), tuple(sorted(imported))


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield all statements, also nested ones. Expressions hold no imports and are passed over."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                yield from _statements(inner)


def _with_parents(module: str) -> list[str]:
    """Return a module and the packages around it: importing ``a.b.c`` runs ``a`` and ``a.b``."""
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


@functools.cache
def find_source(module: str) -> Path | None:
    """Return a module's source file without importing it, or None if there is none.

    As a whole package is found by its ``__init__.py``. The answer is remembered for the life of the
    process.
    """
    top, *rest = module.split(".")
    # Asking find_spec for "a.b" would import a; asking for "a" imports nothing.
    spec = importlib.util.find_spec(top)
    if spec is None:
        return None
    if not rest and spec.origin is not None and spec.origin.endswith(".py"):
        return Path(spec.origin)
    for location in spec.submodule_search_locations or ():
        base = Path(location, *rest)
        for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
            if path.is_file():
                return path
    return None
