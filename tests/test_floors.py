"""The house: no import climbs, nothing heavy comes with the roof, no file is too long."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hmtnet

HOUSE = Path(hmtnet.__file__).parent
GROUND = {"__init__", "errors", "files", "settings", "terminal"}
# A room may use the ground, the rooms of its line, and what those may use. A new room needs a line.
FLOORS = {
    "perception": set(),
    "losses": set(),
    "metrics": set(),
    "artifact": set(),
    "storage": set(),
    "data": {"metrics"},
    "baselines": {"data", "metrics"},
    "synthesis": {"data", "models", "perception"},
    "models": {"perception", "losses", "metrics", "data"},
    "experiment": {"data", "baselines", "models", "scoring", "artifact", "storage"},
    "report": {"metrics", "artifact", "baselines", "storage", "scoring"},
    "scoring": {"models", "artifact"},
    "web": {"scoring", "report"},
}
ROOF = {"cli", "__main__"}
HEAVY = ["torch", "lightning", "kornia", "timm", "albumentations", "matplotlib", "wandb"]
MOST_LINES = 320

MODULES = sorted(HOUSE.rglob("*.py"))
names = pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(HOUSE).as_posix())


def below(room):
    """Return all rooms that a room may use."""
    return FLOORS[room].union(*(below(lower) for lower in FLOORS[room]))


def room_of(path):
    return path.relative_to(HOUSE).with_suffix("").parts[0]


def imported(path):
    """Yield every absolute module name that a file imports, anywhere in it."""
    package = ["hmtnet", *path.relative_to(HOUSE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            # "from hmtnet import data" names a room by what it imports.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def rooms_used(path):
    inside = [name.split(".") for name in imported(path) if name.split(".")[0] == "hmtnet"]
    rooms = {parts[1] if len(parts) > 1 else "__init__" for parts in inside}
    # "from hmtnet import __version__" uses the ground.
    return {"__init__" if room == "__version__" else room for room in rooms}


def test_the_house_is_seen():
    assert len(MODULES) > 10 and {room_of(p) for p in MODULES} >= {"artifact", "storage", "errors"}


def test_the_first_five_rooms_know_nobody_and_nobody_knows_the_roof():
    for room in ("perception", "losses", "metrics", "artifact", "storage"):
        assert below(room) == set()
    assert all(not below(room) & ROOF for room in FLOORS)


def test_every_room_has_a_floor():
    unknown = {room_of(path) for path in MODULES} - FLOORS.keys() - GROUND - ROOF
    assert not unknown, f"{sorted(unknown)}: give each new room its line in FLOORS"


@names
def test_no_import_climbs(path):
    room = room_of(path)
    if room in ROOF or path == HOUSE / "__init__.py":  # the façade hands on what all rooms make
        allowed = FLOORS.keys() | GROUND | ROOF
    elif room in GROUND:
        allowed = GROUND
    else:
        allowed = below(room) | GROUND | {room}
    climbing = rooms_used(path) - allowed
    assert not climbing, f"{path.relative_to(HOUSE)} must not import {sorted(climbing)}"


@pytest.mark.parametrize(
    "path", [*(HOUSE / "report" / "numbers").glob("*.py")], ids=lambda p: p.name
)
def test_numbers_of_a_report_know_no_layout(path):
    assert not [name for name in imported(path) if name.startswith("hmtnet.report.render")]


@names
def test_scoring_and_networks_do_without_lightning_and_all_but_the_roof_without_hydra(path):
    packages = {name.split(".")[0] for name in imported(path)}
    if room_of(path) == "scoring" or path.name == "network.py":
        assert not packages & {"lightning", "pytorch_lightning"}
    if room_of(path) not in ROOF:
        assert not packages & {"hydra", "omegaconf"}


@names
def test_a_file_can_be_read_in_one_sitting(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{path.relative_to(HOUSE)} has {lines} lines: divide it"


@pytest.mark.parametrize(
    "module", ["hmtnet", "hmtnet.cli.main", "hmtnet.artifact", "hmtnet.storage"]
)
def test_nothing_heavy_comes_with(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_checks_see_what_they_look_for(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "HOUSE", tmp_path)
    path = tmp_path / "losses" / "deep" / "a.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import hmtnet.data.crops\n"
        "from hmtnet import experiment, __version__\n"
        "from ...models import task\n"
        "def f():\n    from .. import own\n    import torch\n"
    )
    assert rooms_used(path) == {"data", "experiment", "models", "losses", "__init__"}
    assert "torch" in set(imported(path))
