"""Plain mappings to typed dataclasses: the one door between configuration and code.

Hydra composes a mapping; everything below the command line works with frozen dataclasses. The
conversion is strict: an unknown key names the nearest known one, a wrong type or a value outside a
``Literal`` says what was expected, and nothing is dropped silently. What is typed has no type, so a
number may stand for text, and the text of a number for that number.
"""

import dataclasses
import sys
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar, Union

from hmtnet.errors import SettingsError, nearest

T = TypeVar("T")

_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def build(cls: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """Build the dataclass ``cls`` from a mapping, strictly.

    Supported field types: ``bool``, ``int``, ``float``, ``str``, ``None`` in a union, ``Literal``,
    nested dataclasses, ``tuple[X, ...]``, fixed tuples, ``dict[str, X]`` and ``Any``. A class may
    check its values across fields in ``__post_init__`` by raising ``ValueError``.

    Args:
        cls: A dataclass.
        values: Keys and plain values (no OmegaConf objects).
        where: The dotted path of ``values`` in the whole configuration, for messages.

    Raises:
        SettingsError: An unknown or missing key, a wrong type, or a value that ``cls`` refuses.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(
            f"Setting '{where or cls.__name__}': expected a group of settings, found {values!r}."
        )
    # That T is a dataclass cannot be said of a type variable.
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise SettingsError(
                f"Unknown setting '{_join(where, str(key))}'.{nearest(str(key), fields)}"
            )
    given: dict[str, Any] = {}
    for name, field in fields.items():
        if name in values:
            given[name] = _convert(hints[name], values[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise SettingsError(f"Setting '{_join(where, name)}' is required and was not given.")
    try:
        return cls(**given)
    except ValueError as error:
        raise SettingsError(f"Settings '{where or cls.__name__}': {error}") from error


def plain(settings: Any) -> Any:
    """Turn nested dataclasses and tuples into JSON-ready mappings, lists and scalars."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {f.name: plain(getattr(settings, f.name)) for f in dataclasses.fields(settings)}
    if isinstance(settings, Mapping):
        return {str(key): plain(value) for key, value in settings.items()}
    if isinstance(settings, (list, tuple)):
        return [plain(value) for value in settings]
    return settings


def in_force(settings: Any, idle: Iterable[str] = ()) -> Any:
    """Turn settings into JSON-ready values as ``plain`` does, without those that have no effect.

    A dataclass names them in a method ``idle()``: fields that the others make meaningless, as the
    step of a schedule that takes none. A dotted name reaches into a group: ``"grading.sigma"``.

    Args:
        settings: Nested dataclasses and plain values.
        idle: Names that have no effect here, whatever the settings themselves say.
    """
    if not dataclasses.is_dataclass(settings) or isinstance(settings, type):
        return plain(settings)
    names = {*idle, *getattr(settings, "idle", tuple)()}
    return {
        field.name: in_force(
            getattr(settings, field.name),
            [name.partition(".")[2] for name in names if name.startswith(f"{field.name}.")],
        )
        for field in dataclasses.fields(settings)
        if field.name not in names
    }


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _convert(hint: Any, value: Any, where: str) -> Any:  # noqa: PLR0911 - one return per type
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(arguments, value, where)
    if origin is Literal:
        if value in arguments and type(value) in {type(a) for a in arguments}:
            return value
        known = [str(a) for a in arguments]
        raise SettingsError(
            f"Setting '{where}': {value!r} is not one of {', '.join(known)}."
            + (nearest(value, known) if isinstance(value, str) else "")
        )
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else build(hint, value, where)
    if origin is tuple:
        return _convert_tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _mismatch(where, "a mapping", value)
        return {str(k): _convert(arguments[1], v, _join(where, str(k))) for k, v in value.items()}
    return _convert_scalar(hint, value, where)


def _convert_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    choices = [a for a in arguments if a is not type(None)]
    errors = []
    for choice in choices:
        try:
            return _convert(choice, value, where)
        except SettingsError as error:
            errors.append(error)
    if len(errors) == 1:  # "X or None": what X lacks is said more closely
        raise errors[0]
    known = " or ".join(_named(argument) for argument in arguments)
    words = [str(a) for c in choices if typing.get_origin(c) is Literal for a in typing.get_args(c)]
    near = nearest(value, words) if isinstance(value, str) and words else ""
    raise SettingsError(f"Setting '{where}': expected {known}, found {value!r}.{near}")


def _named(hint: Any) -> str:
    """Return what a value of a type is called in messages."""
    if typing.get_origin(hint) is Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    return "null" if hint is type(None) else _NAMES.get(hint, getattr(hint, "__name__", str(hint)))


def _convert_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _mismatch(where, "a list", value)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_convert(arguments[0], v, f"{where}[{i}]") for i, v in enumerate(value))
    if len(arguments) != len(value):
        raise _mismatch(where, f"a list of {len(arguments)} values", value)
    pairs = zip(arguments, value, strict=True)
    return tuple(_convert(a, v, f"{where}[{i}]") for i, (a, v) in enumerate(pairs))


def _convert_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is str and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)  # the year that names a dataset, the position of a column
    if hint in (int, float) and isinstance(value, str):
        value = _number(hint, value)
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not abs(value) <= sys.float_info.max:  # not isfinite, which fails for a larger int
            raise _mismatch(where, "a finite number", value)
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if hint in (str, bool) and isinstance(value, hint):
        return value
    if hint not in _NAMES:
        raise TypeError(f"Setting '{where}': fields of type {hint!r} are not supported.")
    raise _mismatch(where, _NAMES[hint], value)


def _number(hint: type[int] | type[float], text: str) -> int | float | str:
    """Read a number that comes as it was typed (1e-4, 1_000); other text comes back."""
    try:
        return hint(text) if text.isascii() else text
    except ValueError:
        return text


def _mismatch(where: str, expected: str, found: Any) -> SettingsError:
    return SettingsError(f"Setting '{where}': expected {expected}, found {found!r}.")
