"""Killed, asked to end, started several times over."""

import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from tests.faults.judge import (
    RECOVERED,
    Verdict,
    check,
    completed_epochs,
    judge,
    lost_epochs,
    states,
    stopped,
    wrong,
)
from tests.faults.processes import DEADLINE, Ended, before_operation
from tests.faults.scene import Base, Case, Scene
from tests.faults.tiny import STAGES

MOMENTS = 6
OPERATIONS = 10


def cases(base: Base) -> Iterator[Case]:
    """Yield the cases of a system; moments and operations are drawn, the same ones each time."""
    rng = random.Random(base.system)
    for i in range(MOMENTS):
        kill = partial(end_at, number=signal.SIGKILL, fraction=rng.random())
        yield Case("kill -9 at a moment", base.system, f"{i}", kill)
    yield Case("kill -9 at a moment", base.system, "from the command line", killed_from_outside)
    for i in rng.sample(range(1, base.operations + 1), OPERATIONS):
        kill = partial(end_before, number=signal.SIGKILL, operation=i)
        yield Case("kill -9 at a file operation", base.system, f"{i}", kill)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        end = partial(end_at, number=number, fraction=rng.random())
        yield Case(number.name, base.system, "at a moment", end)
        for i in rng.sample(range(1, base.operations + 1), 2):
            end = partial(end_before, number=number, operation=i)
            yield Case(number.name, base.system, f"at file operation {i}", end)
    for count in (2, 5, 8):
        together = partial(several, count=count)
        yield Case("2-8 processes on one key", base.system, f"{count}", together)
    yield Case("2-8 processes on one key", base.system, "the first is killed", first_killed)


def end_at(scene: Scene, number: signal.Signals, fraction: float) -> Verdict:
    """Send a training a signal at a moment, then run it again."""
    ended = interrupt(scene, number, fraction)
    verdict = RECOVERED if number == signal.SIGKILL else stopped(ended, number, scene.runs)
    return verdict | resume(scene)


def interrupt(scene: Scene, number: signal.Signals, fraction: float) -> Ended:
    """Send a training a signal after a fraction of its time; earlier, if it was faster."""
    seconds = fraction * scene.base.seconds
    while True:
        command = scene.start()
        time.sleep(seconds)
        reached = command.poll()
        command.send(number)
        ended = command.wait()
        if reached and ended.code != 0:
            return ended
        scene.clear()
        seconds /= 2


def killed_from_outside(scene: Scene) -> Verdict:
    """Kill a training with an interpreter of its own, and let another one go on."""
    command = scene.start(anew=True)
    wait_for(lambda: bool(states(scene.runs)) or not command.poll())
    time.sleep(scene.base.seconds / 2)
    command.send(signal.SIGKILL)
    command.wait()
    return judge(scene.start(anew=True).wait(), scene.runs, scene.base.finished)


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so, for as long as a command may take."""
    ends = time.monotonic() + DEADLINE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)


def end_before(scene: Scene, number: signal.Signals, operation: int) -> Verdict:
    """Let a training get a signal before an operation on a file, then run it again."""
    act = partial(signal.raise_signal, number)
    ended = scene.run(before=before_operation(operation, act, scene.runs))
    if number == signal.SIGKILL:
        return check(ended.code == -number, f"not killed: {ended.code}") | resume(scene)
    return stopped(ended, number, scene.runs) | resume(scene)


def resume(scene: Scene, *names: str, most: int = 1) -> Verdict:
    """Run the command again: it must end as if nothing had happened, and train little again.

    Args:
        scene: The scene.
        names: What a refusal must name.
        most: How many epochs may be lost.
    """
    begun = {path.parent.name: path.parent for path, state in states(scene.runs)}
    before = {
        stage: completed_epochs(folder)
        for name, folder in begun.items()
        for stage in STAGES[scene.base.system]
        if name.startswith(f"{stage}-") and not (folder / "stage.json").exists()
    }
    verdict = judge(scene.run(), scene.runs, scene.base.finished, *names)
    if verdict != RECOVERED:
        return verdict
    lost = {stage: lost_epochs(scene.runs, stage, epochs) for stage, epochs in before.items()}
    too_many = {stage: epochs for stage, epochs in lost.items() if epochs > most}
    return check(not too_many, f"epochs lost: {too_many}")


def several(scene: Scene, count: int) -> Verdict:
    """Start as many at once: one trains, all show the same."""
    return _one_trains(scene, [command.wait() for command in [scene.start() for _ in range(count)]])


def first_killed(scene: Scene) -> Verdict:
    """Kill the one that trains while two others wait: one of them goes on."""
    first = scene.start()
    wait_for(lambda: bool(states(scene.runs)) or not first.poll())
    first.send(signal.SIGSTOP)  # until the others wait
    others = [scene.start(), scene.start()]
    wait_for(lambda: all("waiting for it" in other.said() for other in others))
    first.send(signal.SIGKILL)
    first.wait()
    ended = [command.wait() for command in others]
    return _one_trains(scene, ended)


def _one_trains(scene: Scene, ended: list[Ended]) -> Verdict:
    verdict = RECOVERED
    for each in ended:
        verdict |= judge(each, scene.runs, scene.base.finished)
    if len({each.out for each in ended}) > 1:
        verdict |= wrong("they print different tables")
    for stage in STAGES[scene.base.system]:
        begun = sum(
            each.err.count(f"{stage}: training") + each.err.count(f"{stage}: resuming")
            for each in ended
        )
        verdict |= check(begun == 1, f"{stage} was trained {begun} times")
    return verdict
