"""Example packages, found the way installed ones are."""

import importlib
import sys
import tomllib
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hmtnet.storage.key import find_source

EXAMPLES = Path(__file__).parents[2] / "docs/examples"


def write_metadata(site, name, version, points):
    """Write what an installation leaves beside a package: who it is, and its entry points."""
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    lines = [
        f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in named.items())
        for group, named in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


@contextmanager
def on_the_path(*folders):
    """Let Python find what lies in folders, and forget it afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in folders:
            patch.syspath_prepend(str(folder))
        look_again()
        yield
    look_again()
    for name, module in list(sys.modules.items()):
        source = Path(getattr(module, "__file__", None) or "")
        if any(source.is_relative_to(folder) for folder in folders):
            del sys.modules[name]


def look_again():
    """Forget what was found, and what was not, where."""
    importlib.invalidate_caches()
    find_source.cache_clear()


@pytest.fixture(scope="session")
def install():
    """Install an example, ``with install("own_system", site):``, with its metadata in ``site``."""

    @contextmanager
    def run(example, site):
        project = tomllib.loads((EXAMPLES / example / "pyproject.toml").read_text())["project"]
        write_metadata(site, project["name"], project["version"], project["entry-points"])
        with on_the_path(site, EXAMPLES / example / "src"):
            yield

    return run


@pytest.fixture
def install_made_up(tmp_path):
    """Install a package that a test makes up: ``install_made_up(name, points, files)``."""
    with ExitStack() as stack:

        def run(name, points, files):
            site = tmp_path / f"site-{name}"
            write_metadata(site, name, "2.0", points)
            for path, text in files.items():
                (site / path).parent.mkdir(parents=True, exist_ok=True)
                (site / path).write_text(text)
            stack.enter_context(on_the_path(site))

        yield run
