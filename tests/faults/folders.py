"""Folders that are moved, copied, full, or not to be written to."""

import os
import shutil
import stat
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import hmtnet
from tests.faults.judge import RECOVERED, Verdict, judge, refusal, settled
from tests.faults.kills import resume
from tests.faults.mounts import enlarge, memory_disk, read_only
from tests.faults.scene import Base, Case, Scene, SkippedError
from tests.faults.tiny import STAGES

MOVED = "runs moved or copied"
FULL = "disk full"
READ_ONLY = "read-only"
HOME = "home not writable"


def cases(base: Base) -> Iterator[Case]:
    """Yield the cases of a system."""
    system = base.system
    for move in (renamed, copied, on_another_mount, linked):
        for stage in STAGES[system]:
            happen = partial(moved, stage=stage, move=move)
            yield Case(MOVED, system, f"{stage} interrupted, {move.__name__}", happen)
        yield Case(MOVED, system, f"finished, {move.__name__}", partial(moved, move=move))
    yield Case(MOVED, system, "while it runs", moved_while_it_runs)
    yield Case(MOVED, system, "dataset", dataset_moved)
    for fraction in (0.1, 0.3, 0.5, 0.7, 0.9):
        yield Case(FULL, system, f"room for {fraction:.0%}", partial(full, fraction=fraction))
    yield Case(FULL, system, "home", full_home)
    yield Case(READ_ONLY, system, "finished run", read_only_finished)
    yield Case(READ_ONLY, system, "interrupted run", read_only_interrupted)
    yield Case(READ_ONLY, system, "dataset", read_only_dataset)
    yield Case(HOME, system, "read-only", read_only_home)
    yield Case(HOME, system, "below a file", home_below_a_file)
    yield Case(HOME, system, "nobody's", no_home)


def renamed(runs: Path) -> Path:
    """Rename the folder."""
    return runs.rename(runs.with_name("elsewhere"))


def copied(runs: Path) -> Path:
    """Copy it as `cp -r` does, which keeps no times; the first one goes."""
    copy = runs.with_name("copy")
    shutil.copytree(runs, copy, copy_function=shutil.copyfile)
    shutil.rmtree(runs)
    return copy


def on_another_mount(runs: Path) -> Path:
    """Move it to another file system, which is mounted at its parent's `mount`."""
    return Path(shutil.move(runs, runs.with_name("mount") / "runs"))


def linked(runs: Path) -> Path:
    """Move it, and leave a link."""
    runs.rename(runs.with_name("real"))
    runs.symlink_to("real")
    return runs


def moved(scene: Scene, move: Callable[[Path], Path], stage: str | None = None) -> Verdict:
    """Move runs, interrupted in a stage or finished, and run the command for the new place."""
    scene.having(scene.base.finished if stage is None else scene.base.interrupted(stage))
    if move is not on_another_mount:
        scene.runs = move(scene.runs)
        return resume(scene)
    with memory_disk(scene.folder / "mount"):
        scene.runs = move(scene.runs)
        return resume(scene)


def moved_while_it_runs(scene: Scene) -> Verdict:
    """Rename the folder of runs under a process's feet; then run the command for both places."""
    command = scene.start()
    time.sleep(0.6 * scene.base.seconds)
    if scene.runs.exists():
        renamed(scene.runs)
    ended = command.wait()
    verdict = refusal(ended) or RECOVERED
    for place in (scene.runs, scene.runs.with_name("elsewhere")):
        scene.runs = place
        # Epochs count from what this place has: the rest of them lies in the other one.
        verdict |= judge(scene.run(), scene.runs, scene.base.finished)
    return verdict


def dataset_moved(scene: Scene) -> Verdict:
    """Move the dataset while a stage is interrupted."""
    scene.having(scene.base.interrupted(STAGES[scene.base.system][-1]))
    scene.own_data()
    scene.data = scene.data.rename(scene.folder / "elsewhere")
    return resume(scene)


def full(scene: Scene, fraction: float) -> Verdict:
    """Let the disk run full, then make room and run the command again."""
    needed = sum(4096 * -(-p.stat().st_size // 4096) for p in scene.base.finished.rglob("*"))
    last = scene.base.interrupted(STAGES[scene.base.system][-1])
    needed += sum(p.stat().st_size for p in last.rglob("*.ckpt"))
    with memory_disk(scene.runs, int(fraction * needed)):
        ended = scene.run()
        verdict = refusal(ended, "No space left", "disk is full")
        verdict = (verdict or RECOVERED) | settled(scene.runs)
        enlarge(scene.runs)
        return verdict | resume(scene)


def full_home(scene: Scene) -> Verdict:
    """Let the disk of the home be full: it is only slower."""
    shutil.rmtree(scene.home)
    with memory_disk(scene.home, 4096):
        (scene.home / "full").write_bytes(bytes(4096))
        return judge(scene.run(), scene.runs, scene.base.finished)


def read_only_finished(scene: Scene) -> Verdict:
    """Show finished runs again that cannot be written to."""
    scene.having(scene.base.finished)
    with read_only(scene.runs):
        return judge(scene.run(), scene.runs, scene.base.finished, str(scene.runs))


def read_only_interrupted(scene: Scene) -> Verdict:
    """Refuse to resume what cannot be written to; afterwards it can be."""
    scene.having(scene.base.interrupted(STAGES[scene.base.system][-1]))
    with read_only(scene.runs):
        verdict = refusal(scene.run(), str(scene.runs)) or RECOVERED
    return verdict | resume(scene)


def read_only_dataset(scene: Scene) -> Verdict:
    """Train on a dataset that cannot be written to."""
    scene.own_data()
    with read_only(scene.data):
        return judge(scene.run(), scene.runs, scene.base.finished)


def read_only_home(scene: Scene) -> Verdict:
    """Train without anything to be kept."""
    with read_only(scene.home):
        return judge(scene.run(), scene.runs, scene.base.finished)


def home_below_a_file(scene: Scene) -> Verdict:
    """Name a home that can never be made."""
    shutil.rmtree(scene.home)
    scene.home.touch()
    environment = {"HMTNET_HOME": str(scene.home / "inside")}
    ended = scene.start(environment=environment).wait()
    return judge(ended, scene.runs, scene.base.finished)


def no_home(scene: Scene) -> Verdict:
    """Be a user without a home, under a number that no name belongs to."""
    if os.getuid() != 0:
        return _as_we_are(scene, None)
    files = (sys.executable, hmtnet.__file__, shutil.__file__)
    needed = [folder for file in files for folder in Path(file).resolve().parents]
    closed = [folder for folder in needed if not folder.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise SkippedError(f"only root can read {closed[0]}, where Python lies")
    for folder in (scene.folder, scene.data):
        folder.chmod(0o755)
    scene.runs.mkdir()
    os.chown(scene.runs, 54321, 54321)
    return _as_we_are(scene, lambda: os.setuid(54321))


def _as_we_are(scene: Scene, become: Callable[[], None] | None) -> Verdict:
    def before() -> None:
        if become is not None:
            become()
        os.environ.pop("HOME", None)
        os.environ["HMTNET_HOME"] = ""

    return judge(scene.run(before=before), scene.runs, scene.base.finished)
