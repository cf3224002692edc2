"""``--help``: the groups, and every setting with its value, explained in the words of ``conf/``.

The comment beside a setting in ``conf/`` is the one place where it is explained. What a group's
chosen file does not explain is explained in another file of the group.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

WIDTH = 100
_SETTING = re.compile(r"(?P<indent> *)(?P<key>\w+):[^#]*(?:#\s*(?P<words>.*))?")
_CONTINUED = re.compile(r"\s+#\s*(?P<words>.*)")


def explanation(config: DictConfig) -> str:
    """Return the help of the command whose configuration Hydra has just composed."""
    hydra = HydraConfig.get()
    loader = GlobalHydra.instance().config_loader()
    lines = [hydra.help.header, ""]
    lines.append(
        "Groups: choose as in data=qads, and see what a choice means as in --help data=qads"
    )
    for group in sorted(hydra.runtime.choices):
        if not group.startswith("hydra/") and "@system" not in group:
            options = ", ".join(loader.get_group_options(group.partition("@")[0]))
            lines.append(textwrap.fill(f"{group}: {options}", WIDTH, subsequent_indent="    "))
    lines += ["", "Settings: change as in trainer.workers=2"]
    values: Any = OmegaConf.to_container(config)
    explained = words_of_settings()
    lines += [_line(path, value, explained.get(path, "")) for path, value in _leaves(values)]
    return "\n".join(lines)


def words_of_settings() -> dict[str, str]:
    """Return what ``conf/`` says of each setting, by its path, in what Hydra has just composed."""
    hydra = HydraConfig.get()
    loader = GlobalHydra.instance().config_loader()
    found = loader.compute_defaults_list(
        hydra.job.config_name, list(hydra.overrides.task), RunMode.RUN
    )
    folders = [
        Path(place.path.removeprefix("file://"))
        for place in loader.get_search_path().get_path()
        if not place.path.startswith(("pkg:", "structured:"))
    ]
    others: dict[str, str] = {}
    chosen: dict[str, str] = {}
    for default in found.defaults:
        if default.config_path is None or default.config_path.startswith("hydra/"):
            continue
        package = default.package or ""
        group = str(Path(default.config_path).parent)
        for folder in folders:
            for file in sorted((folder / group).glob("*.yaml")) if group != "." else ():
                others = {**_words_in(file, package), **others}
            file = folder / f"{default.config_path}.yaml"
            if file.is_file():
                chosen |= _words_in(file, package)
    return {**others, **chosen}


def _words_in(file: Path, package: str) -> dict[str, str]:
    """Return the comments beside the settings of a file, by their paths in the configuration."""
    found: dict[str, str] = {}
    above: list[tuple[int, str]] = []  # the groups that a line stands in: indent and name
    path = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        setting, continued = _SETTING.fullmatch(line), _CONTINUED.fullmatch(line)
        if setting:
            indent = len(setting["indent"])
            above = [group for group in above if group[0] < indent] + [(indent, setting["key"])]
            path = ".".join(([package] if package else []) + [name for _, name in above])
            if setting["words"]:
                found[path] = setting["words"]
        elif continued and path in found:
            found[path] += f" {continued['words']}"
        else:
            path = ""
    return found


def _leaves(tree: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting's path and value; empty mappings are values."""
    for key, value in tree.items():
        path = f"{where}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _line(path: str, value: Any, words: str) -> str:
    """Write a setting as it is typed, and what it means behind it or below it."""
    written = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    written = written.strip().removesuffix("...").strip()  # how YAML ends a document
    setting = f"{path}={written}"
    if not words:
        return setting
    if len(setting) < 40:
        return textwrap.fill(f"{setting:40} {words}", WIDTH, subsequent_indent=" " * 41)
    return f"{setting}\n" + textwrap.indent(textwrap.fill(words, WIDTH - 41), " " * 41)
