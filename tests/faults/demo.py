"""The demo set, built by several processes at once or under fault."""

import random
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.judge import RECOVERED, Verdict, check, refusal
from tests.faults.mounts import enlarge, memory_disk
from tests.faults.processes import Command
from tests.faults.scene import Case, Scene

DEMO = "demo set being built"
WORDS = ("data", "export", "data=demo")


def cases() -> Iterator[Case]:
    """Yield the cases; they are of no system."""
    yield Case(DEMO, "", "by two processes", partial(together, count=2))
    yield Case(DEMO, "", "by five processes", partial(together, count=5))
    for i in range(4):
        yield Case(DEMO, "", f"killed {i}", partial(killed, fraction=random.Random(i).random()))
    yield Case(DEMO, "", "disk full", full)


def few() -> None:
    """Build little: three photographs, one scale, four methods (see `Command.before`)."""
    from hmtnet.data.demo import recipe

    small = recipe.Recipe(recipe.PHOTOGRAPHS[:3], (2,), recipe.METHODS[:4])
    recipe.Recipe = lambda: small


def build(scene: Scene, home: Path) -> Command:
    """Start a process that builds, if need be, and reads the set."""
    return scene.start(*WORDS, before=few, environment={"HMTNET_HOME": str(home)})


def content(home: Path) -> dict[str, bytes]:
    """Return the files of the set that is kept in a home; nothing but the set may lie there."""
    found = [p for p in home.rglob("*") if p.is_file() and "cache" not in p.parts[-3:-1]]
    return {p.relative_to(home).as_posix(): p.read_bytes() for p in found if p.suffix != ".lock"}


def alone(scene: Scene) -> tuple[dict[str, bytes], float]:
    """Build the set without any fault; return its files and the seconds it took."""
    ended = build(scene, scene.folder / "alone").wait()
    assert ended.code == 0, ended.err
    return content(scene.folder / "alone"), ended.seconds


def same(scene: Scene) -> Verdict:
    """Judge what is built in the scene's home now."""
    ended = build(scene, scene.home).wait()
    whole = content(scene.home) == alone(scene)[0]
    return refusal(ended) or check(whole, "the set differs from one that was built alone")


def together(scene: Scene, count: int) -> Verdict:
    """Let several processes want the set at once."""
    ended = [each.wait() for each in [build(scene, scene.home) for _ in range(count)]]
    verdict = RECOVERED
    for each in ended:
        verdict |= refusal(each) or RECOVERED
    built = sum(each.err.count("Building the demo set in") for each in ended)
    return verdict | check(built == 1, f"it was built {built} times") | same(scene)


def killed(scene: Scene, fraction: float) -> Verdict:
    """Kill the process that builds, and build again."""
    _, seconds = alone(scene)
    command = build(scene, scene.home)
    time.sleep(fraction * seconds)
    command.send(signal.SIGKILL)
    command.wait()
    return same(scene)


def full(scene: Scene) -> Verdict:
    """Build where there is too little room, then make some."""
    with memory_disk(scene.home, 2**18):
        verdict = refusal(build(scene, scene.home).wait(), "No space left", str(scene.home))
        enlarge(scene.home)
        return (verdict or RECOVERED) | same(scene)
