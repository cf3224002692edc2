"""What a machine does to a run: stale locks, a wrong clock, little memory, a killed helper."""

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.judge import RECOVERED, Verdict, judge, refusal, settled, wrong
from tests.faults.kills import resume
from tests.faults.processes import Command, before_operation
from tests.faults.scene import Base, Case, Scene, SkippedError
from tests.faults.tiny import STAGES

LOCK = "stale lock"
CLOCK = "clock 400 days back"
MEMORY = "little memory"
WORKER = "loader worker killed"

DAYS = 400 * 24 * 3600  # seconds
CGROUPS = Path("/sys/fs/cgroup")


def cases(base: Base) -> Iterator[Case]:
    """Yield the cases of a system."""
    system = base.system
    for leave in (foreign_content, running_elsewhere, unreadable):
        happen = partial(locked, leave=leave)
        yield Case(LOCK, system, leave.__name__.replace("_", " "), happen)
    yield Case(LOCK, system, "a folder", lock_is_a_folder)
    for stage in (STAGES[system][-1], None):
        state = "interrupted" if stage else "finished"
        yield Case(CLOCK, system, f"{state} in the future", partial(future, stage=stage))
    yield Case(CLOCK, system, "from the start", partial(clock_set_back, operation=1))
    half = base.operations // 2
    yield Case(CLOCK, system, "amidst the training", partial(clock_set_back, operation=half))
    for fraction in (0.3, 0.6, 0.9):
        happen = partial(little_memory, fraction=fraction)
        yield Case(MEMORY, system, f"a container with {fraction:.0%}", happen)
    for more in (16, 48, 96):
        yield Case(MEMORY, system, f"{more} MiB more allowed", partial(refused_memory, more=more))
    for fraction in (0.0, 0.5):
        happen = partial(worker_killed, fraction=fraction)
        yield Case(WORKER, system, f"after {fraction:.0%} of its time", happen)


def foreign_content(folder: Path) -> None:
    """Leave a lock as another program would have written it."""
    (folder / ".lock").write_text(f"{os.getpid()}\nsomewhere\n")


def running_elsewhere(folder: Path) -> None:
    """Leave a state that names a living process, of this machine and of another one."""
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "pid": os.getppid()}))
    foreign_content(folder)


def unreadable(folder: Path) -> None:
    """Leave a lock that only root could open."""
    (folder / ".lock").touch()
    (folder / ".lock").chmod(0)


def locked(scene: Scene, leave: Callable[[Path], None]) -> Verdict:
    """Resume a stage beside what a dead process has left."""
    stage = STAGES[scene.base.system][-1]
    scene.having(scene.base.interrupted(stage))
    leave(scene.stage(stage))
    return resume(scene, ".lock")


def lock_is_a_folder(scene: Scene) -> Verdict:
    """Have a folder where the lock should be."""
    stage = STAGES[scene.base.system][-1]
    scene.having(scene.base.interrupted(stage))
    lock = scene.stage(stage) / ".lock"
    lock.unlink()
    lock.mkdir()
    verdict = resume(scene, ".lock")
    lock.rmdir()
    return verdict | resume(scene)


def future(scene: Scene, stage: str | None) -> Verdict:
    """Find runs and caches that were written 400 days from now."""
    scene.having(scene.base.finished if stage is None else scene.base.interrupted(stage))
    for path in [*scene.runs.rglob("*"), *scene.home.rglob("*")]:
        found = path.stat()
        os.utime(path, (found.st_atime + DAYS, found.st_mtime + DAYS))
    for path in scene.runs.rglob("status.json"):
        path.write_text(path.read_text().replace(f'"{time.strftime("%Y")}', '"2999'))
    return resume(scene)


def clock_set_back(scene: Scene, operation: int) -> Verdict:
    """Set the process's clock back before an operation on a file, in time.time and time.time_ns."""
    seconds, nanoseconds = time.time, time.time_ns

    def act() -> None:
        time.time = lambda: seconds() - DAYS
        time.time_ns = lambda: nanoseconds() - DAYS * 10**9

    ended = scene.run(before=before_operation(operation, act, scene.runs))
    return judge(ended, scene.runs, scene.base.finished)


def little_memory(scene: Scene, fraction: float) -> Verdict:
    """Let the kernel kill what uses more than a fraction of what is needed; then run it again."""
    with container() as (enter, limit, used):
        ended = scene.run(before=enter)
        if ended.code != 0:
            return wrong(f"exit code {ended.code} without a limit: {ended.last_line}")
        needed = used()
        scene.clear()
        shutil.rmtree(scene.home)
        limit(int(fraction * needed))
        ended = scene.run(before=enter)
        verdict = RECOVERED
        if ended.code != -signal.SIGKILL:
            verdict = refusal(ended, "memory") or RECOVERED
    return verdict | resume(scene)


@contextmanager
def container() -> Iterator[tuple[Callable[[], None], Callable[[int], None], Callable[[], int]]]:
    """Yield what puts a process into a control group, limits its bytes, and tells its peak."""
    second = (CGROUPS / "cgroup.controllers").exists()
    parent = CGROUPS if second else CGROUPS / "memory"
    names = (
        ("memory.max", "memory.peak")
        if second
        else (
            "memory.limit_in_bytes",
            "memory.max_usage_in_bytes",
        )
    )
    group = parent / f"hmtnet-faults-{os.getpid()}"
    try:
        group.mkdir()
        (group / names[0]).read_text()
    except OSError as error:
        raise SkippedError(f"no control group can be made here: {error}") from error
    procs = group / "cgroup.procs"
    try:
        yield (
            lambda: procs.write_text(str(os.getpid())) and None,
            lambda size: (group / names[0]).write_text(str(size)) and None,
            lambda: int((group / names[1]).read_text()),
        )
    finally:
        group.rmdir()


def refused_memory(scene: Scene, more: int) -> Verdict:
    """Let the system refuse to give more than so many MiB; then run it again."""

    def before() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        size = pages * os.sysconf("SC_PAGE_SIZE") + more * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    ended = scene.run(before=before)
    return (refusal(ended, "memory") or RECOVERED) | settled(scene.runs) | resume(scene)


def worker_killed(scene: Scene, fraction: float) -> Verdict:
    """Kill a process that prepares images for a training; then run it again."""
    command = scene.start(*scene.words("trainer.workers=2"))
    time.sleep(fraction * scene.base.seconds)
    while command.poll():
        child = next(iter(_children(command)), None)
        if child is not None:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    ended = command.wait()
    verdict = refusal(ended, "worker") or RECOVERED
    return verdict | settled(scene.runs) | resume(scene)


def _children(command: Command) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{command.pid}/task").iterdir())
        return [int(pid) for t in tasks for pid in (t / "children").read_text().split()]
    except OSError:
        return []
