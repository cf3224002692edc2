"""What ``hmtnet doctor`` looks at. Nothing is changed, and what one check finds stops no other."""

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from hmtnet.data.cache import home
from hmtnet.data.memory import free_memory
from hmtnet.data.readers.folder import DATA_VARIABLE, whereabouts
from hmtnet.errors import HmtnetError, listed
from hmtnet.experiment.machine import VERSIONED, cpu_name, driver_version, source_state
from hmtnet.files import size_words
from hmtnet.report.render.formats import counted
from hmtnet.storage.inventory import files_in, find_runs, size_of
from hmtnet.storage.removal import leftovers

# What a training writes is some MB a stage; the demo set and its caches take some ten.
_LITTLE, _TOO_LITTLE = 2 * 10**9, 2 * 10**8


@dataclass(frozen=True)
class Check:
    """Something that was looked at.

    Attributes:
        topic: What it is about.
        level: ``fault``: hmtnet will not work. ``warning``: it may not, or not as expected.
        text: What was found, and where it is not good, what helps.
    """

    topic: str
    level: Literal["good", "warning", "fault"]
    text: str


def check_all(runs: Path) -> Iterator[Check]:
    """Look at everything.

    Args:
        runs: The folder of runs; it need not exist.
    """
    yield from _versions()
    yield from _devices()
    yield from _folders(runs)
    yield from _runs(runs)
    yield from _datasets()


def _versions() -> Iterator[Check]:
    topic = "versions"
    python = ".".join(map(str, sys.version_info[:3]))
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Check(
        topic,
        "good" if fits else "warning",
        f"Python {python}" + ("" if fits else "; hmtnet is tested with 3.11 to 3.13"),
    )
    state = source_state()
    if state is not None:
        clean = "as committed" if state["clean"] else "with changes that are not committed"
        yield Check(topic, "good", f"sources of commit {state['commit'][:12]}, {clean}")
    wrong = list(_unmet())
    for text in wrong:
        yield Check(topic, "fault", f"{text}: pip install -c constraints.txt -e .")
    if not wrong:
        yield Check(topic, "good", ", ".join(f"{name} {version(name)}" for name in VERSIONED))


def _unmet() -> Iterator[str]:
    """Yield the requirements of hmtnet's that are not installed as they should be."""
    from packaging.requirements import Requirement

    try:
        wanted = requires("hmtnet") or ()
    except PackageNotFoundError:
        yield "hmtnet is not installed"
        return
    for requirement in map(Requirement, wanted):
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            yield f"{requirement.name} is not installed"
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            yield f"{requirement.name} {found} is not {requirement.specifier}"


def _devices() -> Iterator[Check]:
    topic = "devices"
    memory, how = free_memory()
    cores = counted(os.cpu_count() or 1, "core")
    yield Check(topic, "good", f"{cpu_name()}, {cores}, {size_words(memory)} of memory {how}")
    try:
        torch = import_module("torch")
        import_module("torchvision")
    except Exception as error:  # whatever a broken installation raises
        first = str(error).partition("\n")[0]
        yield Check(
            topic,
            "fault",
            f"torch and torchvision cannot be imported ({first}). Install a matching pair: "
            "pip install --force-reinstall -c constraints.txt torch torchvision",
        )
        return
    yield Check(topic, "good", f"torch computes with {counted(torch.get_num_threads(), 'thread')}")
    if not torch.cuda.is_available():
        yield Check(topic, "good", "no GPU that torch can use: training is on the CPU")
        return
    for index in range(torch.cuda.device_count()):
        free, whole = torch.cuda.mem_get_info(index)
        name, driver = torch.cuda.get_device_name(index), driver_version() or "unknown"
        memory_words = f"{size_words(free)} of {size_words(whole)} free"
        yield Check(topic, "good", f"GPU {index}: {name}, {memory_words}, driver {driver}")


def _folders(runs: Path) -> Iterator[Check]:
    places: dict[str, Callable[[], Path]] = {
        "runs": lambda: runs,
        "demo set and caches": home,
        "temporary files": lambda: Path(tempfile.gettempdir()),
    }
    for what, find in places.items():
        try:
            yield _folder(what, find())
        except (HmtnetError, OSError) as error:
            yield Check("folders", "fault", f"{what}: {error}")
    try:
        caches = home()
        size = size_words(sum(map(size_of, files_in(caches))))
        yield Check("folders", "good", f"{caches} holds {size}, and can be removed at any time")
    except HmtnetError:  # told already
        pass


def _folder(what: str, path: Path) -> Check:
    """Try to write where a folder is, or would be made."""
    there = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    with tempfile.TemporaryFile(dir=there):
        free = shutil.disk_usage(there).free
    level: Literal["good", "warning", "fault"] = "good"
    if free < _LITTLE:
        level = "fault" if free < _TOO_LITTLE else "warning"
    return Check("folders", level, f"{what}: {path} can be written, {size_words(free)} free")


def _runs(folder: Path) -> Iterator[Check]:
    found = find_runs(folder)
    states = Counter(run.state for run in found)
    told = listed((f"{count} {state}" for state, count in states.most_common()), len(states))
    yield Check(
        "runs", "good", f"{counted(len(found), 'run')} in {folder}" + (told and f": {told}")
    )
    left = sum(1 for run in found if leftovers(run) or run.state == "empty")
    if left:
        yield Check(
            "runs", "warning", f"{left} with leftovers of killed processes: hmtnet runs prune"
        )


def _datasets() -> Iterator[Check]:
    topic = "datasets"
    told = os.environ.get(DATA_VARIABLE)
    if not told:
        yield Check(topic, "good", f"${DATA_VARIABLE} is not set: only the demo set is known")
        return
    if not Path(told).expanduser().is_dir():
        yield Check(topic, "fault", f"${DATA_VARIABLE} is '{told}', which is no folder")
        return
    try:
        from hmtnet.data import readers
        from hmtnet.data.settings import DataSettings
    except Exception:  # told already: torch cannot be imported
        return
    names = [name for name in sorted(readers.readers()) if whereabouts(name)]
    if not names:
        yield Check(topic, "good", f"no dataset in {told}, by the names of hmtnet data list")
    for name in names:
        try:
            labels = readers.read_labels(DataSettings(reader=name, name=name))
        except HmtnetError as error:
            yield Check(topic, "fault", f"{name}: {error}")
            continue
        official = labels.facts.images if labels.facts else len(labels)
        whole = len(labels) + len(labels.left_out) == official
        yield Check(
            topic,
            "good" if whole else "warning",
            f"{name}: {counted(len(labels), 'labelled image')}"
            + ("" if whole else f"; officially {official}"),
        )
