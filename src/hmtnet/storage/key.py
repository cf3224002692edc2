"""Digests that say whether a finished stage can be reused: of its settings and of its sources.

Two runs share a key if they would compute the same thing. So the key covers settings and the code
that uses them, and leaves out where, how fast and for whose eyes they run.
"""

import ast
import functools
import importlib.util
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from hmtnet.errors import SettingsError
from hmtnet.files import digest_text
from hmtnet.settings import plain

TRAINING = (
    *("perception", "losses", "metrics", "data", "models"),
    # The training loop. What else is in that room plans, checks, predicts and tells.
    *(f"experiment.{name}" for name in ("callbacks", "context", "fitting", "initial_candidate")),
    *("experiment.out_of_fold", "experiment.training", "experiment.warm_start", "scoring.restore"),
)
"""The parts of hmtnet whose code decides what a stage becomes."""

PREDICTING = (*TRAINING[:5], "experiment.predict", "scoring.restore")
"""The parts of hmtnet whose code decides what a finished stage predicts."""

# What these modules yield is in the key itself: records, labels and image bytes in the dataset's
# fingerprint, subsets in the split's id, a system by its name, its settings and its own modules.
_KNOWN_OTHERWISE = (
    *("data.readers", "data.demo", "data.settings", "data.manifest", "data.memory", "data.split"),
    "models.system",
)
# What validation logs beside the SRCC that chooses the epoch.
_ONLY_LOGGED = ("metrics.quality_mapped", "metrics.quality_within")


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
    roots: Sequence[str], package: str = "hmtnet", parts: Sequence[str] = TRAINING
) -> str:
    """Return a digest of the code of ``roots`` and of all they import, directly or indirectly.

    Code is what Python's parser makes of a source: comments, docstrings and layout do not count.
    Imports are read from the text, also those inside functions, and nothing is executed. Of
    ``package``, only modules in ``parts`` count (without dataset readers: what they yield is part
    of the dataset's fingerprint); of other packages, only those that ``roots`` name. A package that
    only hands on names from its modules is looked through: those modules count whose names are
    imported from it. A module found through a name that is computed at run time is not seen: name
    it in ``roots``. The answer is remembered for the life of the process, as imported code is.

    Args:
        roots: Full module names, of ``package`` or, for a system from outside, of another package.
        package: The package whose parts are followed.
        parts: Its modules and sub-packages that count.

    Returns:
        64 hexadecimal digits over module paths and their code; the same in every Python version.

    Raises:
        ModuleNotFoundError: A root does not exist.
        ValueError: A root is in ``package`` but in none of ``parts``.
    """
    return _sources_digest(tuple(sorted(set(roots))), package, tuple(parts))


@functools.cache
def _sources_digest(roots: tuple[str, ...], package: str, parts: tuple[str, ...]) -> str:
    followed = {root.partition(".")[0] for root in roots}

    def counts(module: str) -> bool:
        top, _, inside = module.partition(".")
        if top != package:
            return top in followed
        return _is_in(inside, parts) and not _is_in(inside, (*_KNOWN_OTHERWISE, *_ONLY_LOGGED))

    for root in roots:
        if not counts(root):
            raise ValueError(f"Module {root} is in none of {', '.join(parts)}.")
        if find_source(root) is None:
            raise ModuleNotFoundError(f"There is no module {root}.", name=root)
    lines: set[str] = set()
    seen: set[_Import] = set()
    pending = [found for root in roots for found in _imports_of(root, "*")]
    while pending:
        wanted = pending.pop()
        path = find_source(wanted.module) if wanted not in seen and counts(wanted.module) else None
        seen.add(wanted)
        if path is None:
            continue
        source = _read(wanted.module, path)
        if source.hands_on is None:
            lines.add(f"{wanted.module} {source.digest}\n")
            pending += source.imports
        elif wanted.name == "*":
            pending += source.imports
        elif wanted.name in source.hands_on:
            origin = source.hands_on[wanted.name]
            lines.add(f"{wanted.module}.{wanted.name} = {origin.module}.{origin.name}\n")
            pending += _imports_of(*origin)
    return digest_text("".join(sorted(lines)))


def _is_in(module: str, parts: Sequence[str]) -> bool:
    return any(module == part or module.startswith(f"{part}.") for part in parts)


class _Import(NamedTuple):
    """A name of a module; ``*`` is the whole of it, and an empty name that it is run alone."""

    module: str
    name: str


@dataclass(frozen=True)
class _Source:
    """What the text of a module says.

    Attributes:
        digest: Of its code.
        imports: What it imports.
        hands_on: Where the names come from that are imported from it, if it holds nothing else.
    """

    digest: str
    imports: tuple[_Import, ...]
    hands_on: dict[str, _Import] | None


@functools.cache
def _read(module: str, path: Path) -> _Source:
    tree = ast.parse(path.read_bytes(), filename=str(path))
    package = path.name == "__init__.py"
    here = module.split(".") if package else module.split(".")[:-1]
    origins: dict[str, _Import] = {}
    imports: set[_Import] = set()
    for statement in _statements(tree.body):
        if isinstance(statement, ast.Import):
            imports.update(x for name in statement.names for x in _imports_of(name.name, "*"))
        elif isinstance(statement, ast.ImportFrom):
            up = here[: len(here) - statement.level + 1] if statement.level else []
            base = ".".join([*up, *([statement.module] if statement.module else [])])
            for name in statement.names:
                origins[name.asname or name.name] = _Import(base, name.name)
                imports.update(_imports_of(base, name.name))
    only_imports = all(isinstance(node, ast.ImportFrom) or _is_talk(node) for node in tree.body)
    hands_on = origins if package and only_imports and "*" not in origins else None
    return _Source(digest_text(_code(tree), 64), tuple(sorted(imports)), hands_on)


def _imports_of(module: str, name: str) -> list[_Import]:
    """List what an import brings: the name, or the module of that name, and the packages around."""
    parts = module.split(".")
    around = [_Import(".".join(parts[:i]), "") for i in range(1, len(parts))]
    inner = [] if name == "*" else [_Import(f"{module}.{name}", "*"), _Import(module, "")]
    return [*around, _Import(module, name), *inner]


def _is_talk(node: ast.stmt) -> bool:
    """Whether a statement is a docstring, or says which names are public."""
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["__all__"]
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _statements(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """Yield all statements, also nested ones. Expressions hold no imports and are passed over."""
    for node in body:
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                yield from _statements(inner)


def _code(node: object) -> str:
    """Write a syntax tree down, without docstrings, and alike in every Python version.

    ``ast.dump`` and ``ast.unparse`` change between versions: what is empty or None is left out
    here, as a field is that only a newer Python has, and so is what only speaks to tools.
    """
    if isinstance(node, list):
        return "[" + ",".join(map(_code, node)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        talk = ast.get_docstring(node, clean=False) is not None
        fields["body"] = node.body[1:] if talk else node.body
    if isinstance(node, ast.JoinedStr):
        fields["values"] = [v for v in node.values if getattr(v, "value", None) != ""]
    inner = [
        f"{name}={_code(value)}"
        for name, value in fields.items()
        if value is not None and value != [] and name not in ("ctx", "kind", "type_comment")
    ]
    return f"{type(node).__name__}({','.join(inner)})"


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
