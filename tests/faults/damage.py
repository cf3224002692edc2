"""Every file of a run, truncated, flipped, emptied, replaced, removed."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.faults.judge import RECOVERED, Outcome, Verdict, judge, refusal, wrong
from tests.faults.kills import resume
from tests.faults.scene import Base, Case, Scene
from tests.faults.tiny import STAGES

Other = Callable[[], Path]
"""Finds the same file of another run."""


def truncated(path: Path, _: Other) -> None:
    """Lose the last third."""
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])


def flipped(path: Path, _: Other) -> None:
    """Change one bit behind the middle; in a text, one of a digit."""
    content = bytearray(path.read_bytes())
    at = len(content) // 2
    try:
        content.decode("utf-8")
        digits = [i for i in range(at, len(content)) if chr(content[i]).isdigit()]
        at = digits[0] if digits else at
    except UnicodeDecodeError:
        pass
    content[at] ^= 1
    path.write_bytes(content)


def emptied(path: Path, _: Other) -> None:
    """Lose all, but not the name."""
    path.write_bytes(b"")


def replaced(path: Path, other: Other) -> None:
    """Be the file of another run."""
    shutil.copyfile(other(), path)


def removed(path: Path, _: Other) -> None:
    """Be gone."""
    path.unlink()


Damage = Callable[[Path, Other], None]
DAMAGES: tuple[Damage, ...] = (truncated, flipped, emptied, replaced, removed)


def cases(base: Base) -> Iterator[Case]:
    """Yield the cases of a system."""
    for path in _files(base.finished):
        for damage in DAMAGES:
            happen = partial(damaged_when_finished, name=path, damage=damage)
            fault = f"finished run: a file {damage.__name__}"
            yield Case(fault, base.system, path.as_posix(), happen)
    for stage in STAGES[base.system]:
        for path in _files(base.interrupted(stage)):
            if path.parts[2].startswith(f"{stage}-"):
                for damage in DAMAGES:
                    happen = partial(damaged_in, stage=stage, name=path, damage=damage)
                    fault = f"interrupted run: a file {damage.__name__}"
                    yield Case(fault, base.system, path.as_posix(), happen)


def _files(runs: Path) -> list[Path]:
    """Return the files of runs, relative to them; of thumbnails one for all, and no locks."""
    found = [path.relative_to(runs) for path in sorted(runs.rglob("*")) if path.is_file()]
    thumbnails = [path for path in found if path.parent.name == "thumbnails"]
    dull = {*thumbnails[1:], *(path for path in found if path.name.startswith("."))}
    return [path for path in found if path not in dull]


def damaged_when_finished(scene: Scene, name: Path, damage: Damage) -> Verdict:
    """Damage a file of finished runs; report them, and train again."""
    scene.having(scene.base.finished)
    _damage(scene, scene.base.foreign, name, damage)
    return report(scene, name) | judge(scene.run(), scene.runs, scene.base.finished, *_told(name))


def damaged_in(scene: Scene, stage: str, name: Path, damage: Damage) -> Verdict:
    """Damage a file of an interrupted stage, and resume it."""
    scene.having(scene.base.interrupted(stage))
    _damage(scene, scene.base.foreign_interrupted(stage), name, damage)
    # One epoch since the last checkpoint, and one more where that is the damaged one.
    return resume(scene, *_told(name), most=2)


def _told(name: Path) -> tuple[str, str]:
    """Return what one of must be named: the file, or its run directory."""
    return name.name, name.parts[2]


def _damage(scene: Scene, foreign: Path, name: Path, damage: Damage) -> None:
    """Damage a file below a scene's runs; one to replace it by is of the same stage elsewhere."""
    damage(scene.runs / name, lambda: _like(foreign, name))


def _like(foreign: Path, name: Path) -> Path:
    """Return the file of other runs that is what a file of ours is."""
    stage = name.parts[2].rpartition("-")[0]
    (folder,) = foreign.glob(f"*/*/{stage}-*") if stage else foreign.glob(f"*/*/{name.parts[2]}")
    other = folder.joinpath(*name.parts[3:])
    # Thumbnails are named by what they show.
    return other if other.exists() else next(other.parent.iterdir())


def report(scene: Scene, name: Path) -> Verdict:
    """Judge a report of runs, of which a file is damaged, by one of whole runs."""
    ended = scene.report(scene.runs)
    told = refusal(ended, *_told(name))
    if told is not None:
        return told
    if json.loads(ended.out) == json.loads(scene.base.report):
        return RECOVERED
    if any(text in ended.err for text in _told(name)):
        return Verdict(Outcome.REFUSED, ended.last_line)
    return wrong("the report differs, and says nothing of it")
