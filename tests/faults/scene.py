"""Where a case happens: a copy of a run's folders, in which anything may be damaged."""

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.judge import Verdict, differences
from tests.faults.processes import Command, Ended, before_each, kill_self
from tests.faults.tiny import STAGES, words_for


@dataclass(frozen=True)
class Base:
    """What all cases of a system start from, made once.

    Attributes:
        folder: Its folder.
        system: The system.
        data: The dataset.
    """

    folder: Path
    system: str
    data: Path

    @property
    def finished(self) -> Path:
        """Runs that nothing has happened to."""
        return self.folder / "finished"

    @property
    def foreign(self) -> Path:
        """The same under another seed."""
        return self.folder / "foreign"

    @property
    def report(self) -> str:
        """What a report says of the finished runs."""
        return (self.folder / "report.json").read_text()

    @property
    def home(self) -> Path:
        """What hmtnet keeps beside runs."""
        return self.folder / "home"

    def interrupted(self, stage: str) -> Path:
        """Runs that were killed late in a stage."""
        return self.folder / f"interrupted-{stage}"

    def foreign_interrupted(self, stage: str) -> Path:
        """The same under another seed."""
        return self.folder / f"foreign-interrupted-{stage}"

    @property
    def operations(self) -> int:
        """How often an uninterrupted command operates on files of its runs."""
        return (self.folder / "operations").stat().st_size

    @property
    def seconds(self) -> float:
        """How long an uninterrupted command takes."""
        return float((self.folder / "seconds").read_text())

    @property
    def ready(self) -> bool:
        """Whether all of it was made."""
        return self.home.exists()


@dataclass
class Scene:
    """One case's own folders.

    Attributes:
        folder: All of it lies in here.
        base: What it starts from.
        data: The dataset; the base's own unless it was copied.
        runs: The folder of runs.
    """

    folder: Path
    base: Base
    data: Path = field(init=False)
    runs: Path = field(init=False)

    def __post_init__(self) -> None:
        """Copy the home; runs are copied by whoever wants some."""
        self.data = self.base.data
        self.runs = self.folder / "runs"
        self.count = 0
        if self.base.home.exists():
            shutil.copytree(self.base.home, self.home)

    @property
    def home(self) -> Path:
        """HMTNET_HOME of its commands."""
        return self.folder / "home"

    def having(self, runs: Path) -> "Scene":
        """Start from a copy of runs."""
        shutil.copytree(runs, self.runs)
        return self

    def clear(self) -> None:
        """Begin without runs."""
        shutil.rmtree(self.runs, ignore_errors=True)

    def stage(self, name: str) -> Path:
        """Return the run directory of a stage."""
        (path,) = self.runs.glob(f"*/*/{name}-*")
        return path

    def own_data(self) -> Path:
        """Copy the dataset, so that it may be changed."""
        self.data = self.folder / "qads"
        return shutil.copytree(self.base.data, self.data)

    def words(self, *more: str, seed: str = "0") -> list[str]:
        """Return the words of the training command."""
        return words_for(self.base.system, self.data, self.runs, *more, seed=seed)

    def start(
        self,
        *words: str,
        before: Callable[[], None] | None = None,
        environment: dict[str, str] | None = None,
        anew: bool = False,
    ) -> Command:
        """Start a command; the training command where no words are given."""
        self.count += 1
        log = self.folder / f"log-{self.count}"
        temporary = self.folder / "tmp"
        temporary.mkdir(exist_ok=True)
        told = {"HMTNET_HOME": str(self.home), "TMPDIR": str(temporary), **(environment or {})}
        return Command(words or self.words(), log, told, before, self.folder, anew)

    def run(self, *words: str, before: Callable[[], None] | None = None) -> Ended:
        """Run a command to its end."""
        return self.start(*words, before=before).wait()

    def report(self, runs: Path) -> Ended:
        """Report runs, and say in the output ``runs`` and ``report`` for its folders."""
        output = str(self.folder / "report")
        ended = self.run("report", str(runs), "--format", "json", "--output", output)
        return replace(ended, out=ended.out.replace(str(runs), "runs").replace(output, "report"))


@dataclass(frozen=True)
class Case:
    """One fault that one system meets once.

    Attributes:
        fault: What happens, in the words of the table.
        system: The system.
        name: What tells it from the other cases of both.
        happen: Lets it happen, and judges.
    """

    fault: str
    system: str
    name: str
    happen: Callable[[Scene], Verdict] = field(compare=False, repr=False)

    @property
    def id(self) -> str:
        """Its name among all cases."""
        return f"{self.fault} / {self.system} / {self.name}"


class SkippedError(Exception):
    """This machine cannot let the fault happen; says why."""


def make_base(base: Base) -> None:
    """Train a system without any fault, and leave all that its cases start from.

    Raises:
        AssertionError: A command fails, or two do not give the same bits.
    """
    folder = base.folder
    work = make_finished(base)
    ended = trained(work)
    (folder / "seconds").write_text(str(ended.seconds))
    differing = differences(work.runs, base.finished)
    assert not differing, f"two uninterrupted runs differ: {differing}"
    work.clear()
    trained(work, seed="1")
    work.runs.rename(base.foreign)
    for stage in STAGES[base.system]:
        for seed, into in (("0", base.interrupted(stage)), ("1", base.foreign_interrupted(stage))):
            ended = work.run(*work.words(seed=seed), before=late_in(stage, work.runs))
            assert ended.code == -signal.SIGKILL, f"{stage} was not killed: {ended}"
            work.runs.rename(into)
    work.home.rename(base.home)  # the last step: now it is ready
    shutil.rmtree(work.folder)


def make_finished(base: Base) -> Scene:
    """Train a system once; return the scene in which it was."""
    work = Scene(base.folder / "work", base)
    work.folder.mkdir(parents=True)
    operations = os.open(base.folder / "operations", os.O_WRONLY | os.O_CREAT)
    trained(work, before_each(lambda *_: os.write(operations, b"."), work.runs))
    os.close(operations)
    work.runs.rename(base.finished)
    ended = work.report(base.finished)
    assert ended.code == 0, ended.err
    (base.folder / "report.json").write_text(ended.out)
    return work


def trained(scene: Scene, before: Callable[[], None] | None = None, seed: str = "0") -> Ended:
    """Train without any fault."""
    ended = scene.run(*scene.words(seed=seed), before=before)
    assert ended.code == 0, ended.err
    return ended


def late_in(stage: str, runs: Path) -> Callable[[], None]:
    """Kill a command in a stage: before its third checkpoint, or before it writes predictions."""

    def act(event: str, paths: list[str]) -> None:
        for path in map(Path, paths):
            checkpoint = event == "os.rename" and path.name == "epoch-0003.ckpt"
            if (checkpoint or path.name.startswith(".predictions-")) and any(
                parent.name.startswith(f"{stage}-") for parent in path.parents
            ):
                kill_self()

    return before_each(act, runs)
