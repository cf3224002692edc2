"""What people type, in words that Hydra reads.

Hydra's grammar reads lists, maps, sweeps, functions and quoted text; a path with ``=``, ``(`` or a
letter outside ASCII is none of these. Such plain text is quoted here, so that it arrives as it was
typed. What Hydra reads in its own way stays as it is.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException

from hmtnet.errors import SettingsError, listed
from hmtnet.files import is_folder, plain_yaml

MULTIRUN = ("-m", "--multirun", "hydra.mode=MULTIRUN")

# key=value, perhaps with Hydra's signs in front; a key is a path of names or a group.
_OVERRIDE = re.compile(r"(?P<sign>\+{0,2})(?P<key>[A-Za-z_][\w./@-]*)=(?P<value>.*)", re.A | re.S)
_FUNCTION = re.compile(r"(?P<name>[A-Za-z_]\w*)\s*\(", re.A)
_SEVERAL = re.compile(r"[\w.+-]+(,[\w.+-]+)+", re.A)  # 1e-4,3e-4 but not /data/a,b
_INTERPOLATIONS = re.compile(r"(\$\{[^{}]+\}|(?!\$\{).)*", re.S)
_WITH_M = "Put -m before the settings to run each of them"
_FUNCTIONS = create_functions()
_PARSER = OverridesParser(_FUNCTIONS)


def is_sweep(words: Sequence[str]) -> bool:
    """Return whether a command line asks for a multirun."""
    return any(word in MULTIRUN for word in words)


def hydra_words(words: Sequence[str], folders: Sequence[Path]) -> list[str]:
    """Return a command line's words as Hydra reads them.

    Args:
        words: As they were typed: flags and ``key=value``.
        folders: Folders of configuration, whose own folders are the groups.

    Raises:
        SettingsError: A word has no value, or one that makes no sense there.
    """
    multirun = is_sweep(words)
    return [_hydra_word(word, folders, multirun) for word in words]


def _hydra_word(word: str, folders: Sequence[Path], multirun: bool) -> str:
    match = _OVERRIDE.fullmatch(word)
    if match is None:
        if "=" in word and word[0] not in "-~/.":
            raise SettingsError(
                f"'{word}': expected the name of a setting before =, of ASCII letters, digits, _ "
                f"and dots, found '{word.partition('=')[0]}'. Write it as in data.root=<folder>."
            )
        return word
    sign, key, value = match["sign"], match["key"], match["value"]
    group = key.partition("@")[0]
    if not sign and "." not in key and any(is_folder(folder / group) for folder in folders):
        found = (path for folder in folders for path in (folder / group).glob("*.yaml"))
        options = listed(sorted({path.stem for path in found}), 30)
        return f"{key}={_choice(word, value, options, multirun)}"
    if value == "":
        raise SettingsError(
            f"'{word}' gives no value; perhaps a variable of the shell is empty. Give "
            f"{key}=<value>, {key}=null for none, or leave it out."
        )
    # Hydra refuses keys that a mapping does not list yet, also where any key is allowed
    # (data.columns.image=name), and its message knows no nearest name. With ++ it sets the key in
    # any case, and the typed settings then accept it or say what was probably meant.
    sign = sign or ("" if key.startswith(("hydra.", "hydra/")) else "++")
    return f"{sign}{key}={_value(word, value, multirun)}"


def _choice(word: str, value: str, options: str, multirun: bool) -> str:
    """Return a group's choice as Hydra reads it; a name that looks like a number is quoted."""
    key = word.partition("=")[0]
    try:
        override = _parsed(value)
    except HydraException:
        return _quoted(value)
    if override.is_sweep_override() and not multirun:
        raise SettingsError(f"'{word}' gives several choices. {_WITH_M}.")
    if override.value_type == ValueType.GLOB_CHOICE_SWEEP:
        return value
    found: list[Any] = [override.value()]
    if override.is_discrete_sweep():
        found = [Override._convert_value(one) for one in override.sweep_iterator()]
    together = [one for one in found if isinstance(one, list)]  # data=[first,second]
    nothing = value in ("", "null") and "@" not in key
    if nothing or not all(isinstance(name, str) for one in together for name in one):
        raise SettingsError(f"'{word}' chooses nothing. Give {key}=<one of {options}>.")
    if together or all(one is None or isinstance(one, str) for one in found):
        return value
    return ",".join(_quoted(str(one)) for one in found)


def _value(word: str, value: str, multirun: bool) -> str:
    """Return a setting's value so that Hydra reads what was typed."""
    value = _at_home(value)
    function = _FUNCTION.match(value)
    try:
        override = _parsed(value)
    except HydraException as error:
        if function and function["name"] in _FUNCTIONS.definitions:
            reason = str(error).partition("\n")[0]
            raise SettingsError(f"'{word}' cannot be read: {reason}.") from error
        return _unread(word, value, multirun)
    except ValueError as error:  # a number of more digits than Python reads
        raise SettingsError(f"'{word[:80]} …' cannot be read: {error}.") from error
    found = override._value  # as parsed: value() does not tell quoted text from plain text
    if override.is_sweep_override():
        if multirun:
            return value
        if function or _SEVERAL.fullmatch(value):
            raise _several(word)
        return _quoted(value)
    plain = isinstance(found, str) and not function
    # 1_000 and 1.10 are numbers to Hydra; as text they can still become either.
    return _quoted(value) if (plain or _is_number(found)) and str(found) != value else value


def _unread(word: str, value: str, multirun: bool) -> str:
    """Return a value that Hydra's grammar cannot read: a list or map of YAML's, or plain text."""
    if value[0] in "[{":
        try:
            return _written(plain_yaml(value))
        except ValueError:
            pass  # then it is text that begins with a bracket
    if multirun and "," in value:
        return ",".join(_value(word, part, multirun) if part else "''" for part in value.split(","))
    return _quoted(value)


def _written(value: Any) -> str:
    """Write a value of YAML's in Hydra's grammar.

    Raises:
        ValueError: That grammar has no such value.
    """
    if isinstance(value, str):
        return _quoted(_at_home(value))
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict) and all(re.fullmatch(r"[\w.-]+", str(k), re.A) for k in value):
        return f"{{{','.join(f'{key}: {_written(inner)}' for key, inner in value.items())}}}"
    if value is None or isinstance(value, (bool, int, float)):
        return "null" if value is None else str(value)
    raise ValueError(f"no value of Hydra's: {value!r}")


def _parsed(value: str) -> Override:
    return _PARSER.parse_override(f"_={value}")


def _quoted(text: str) -> str:
    """Quote text for Hydra; what only looks like an interpolation is escaped for OmegaConf."""
    if not _INTERPOLATIONS.fullmatch(text):
        text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    return QuotedString(text, Quote.single).with_quotes()


def _at_home(value: str) -> str:
    """Expand ``~`` and ``~/…``: many shells leave it as it is behind a ``=``."""
    return str(Path(value).expanduser()) if value == "~" or value.startswith("~/") else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _several(word: str) -> SettingsError:
    key, _, value = word.partition("=")
    return SettingsError(
        f"'{word}' gives several values. {_WITH_M}, or quote a single value that looks like "
        f"several: '{key}=\"{value}\"'."
    )
