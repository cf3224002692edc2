"""The fault suite: ``python -m tests.faults``, or ``make test-faults``.

Every system is trained at its smallest without any fault, and then again in some hundred cases
with one. What has been done is not done again: results lie below the build folder, by a digest of
the sources. Exits with 1 if any case was wrong or ended in a traceback.
"""

import argparse
import itertools
import math
import os
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tests.conftest import make_tiny
from tests.faults import damage, dataset, demo, folders, kills, machine, table
from tests.faults.judge import Outcome, wrong
from tests.faults.processes import import_everything
from tests.faults.results import Results, sources_digest
from tests.faults.scene import Base, Case, Scene, SkippedError, make_base
from tests.faults.tiny import ONE_THREAD, STAGES

ROOT = Path(__file__).parents[2]
T = TypeVar("T")
PAGE = ROOT / "docs" / "reliability.md"


def main() -> int:
    """Run what is not done yet, and write the table."""
    given = arguments()
    os.environ.update(ONE_THREAD)
    import_everything()
    import torch

    torch.set_num_threads(1)
    kept = given.build / sources_digest(ROOT)
    bases = [Base(kept / "bases" / name, name, kept / "bases" / "qads") for name in given.systems]
    missing = [base for base in bases if not base.ready]
    if not bases[0].data.exists():
        (kept / "bases").mkdir(parents=True, exist_ok=True)
        make_tiny(bases[0].data)
    for base in side_by_side(missing, given.jobs, make_anew):
        progress(f"{base.system}: trained without any fault")
    if any(not base.ready for base in bases):
        return 1
    results = Results(kept / "results.jsonl")
    every = [case for base in bases for case in cases_of(base)] + list(demo.cases())
    wanted = [case for case in every if re.search(given.only, case.id)]
    left = [case for case in wanted if case.id not in results.found or given.again]
    random.Random(0).shuffle(left)  # what is stopped early has met a little of everything
    ends = time.monotonic() + 60 * given.minutes
    left_in_time = itertools.takewhile(lambda _: time.monotonic() < ends, left)
    print(f"{len(wanted)} cases, {len(left)} to do; results in {results.path}", flush=True)
    started = time.monotonic()

    def happen(case: Case) -> None:
        results.add(case, *judged(case, {base.system: base for base in bases}))

    for done, case in enumerate(side_by_side(left_in_time, given.jobs, happen), start=1):
        minutes = (time.monotonic() - started) / 60
        progress(f"{done} of {len(left)} cases, {minutes:.1f} min, {case.id}")
    results.read()
    found = [results.found[case.id] for case in wanted if case.id in results.found]
    print()
    for each in found:
        if each.bad:
            print(f"{each.outcome}: {each.case}\n    {each.why}")
    print(table.as_text(found))
    if given.write:
        table.write(PAGE, found)
        print(f"table: {PAGE.relative_to(ROOT)}")
    return int(any(each.bad for each in found))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="The fault suite.")
    parser.add_argument("--systems", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--only", default="", help="cases whose name this pattern is found in")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin none after these")
    parser.add_argument("--again", action="store_true", help="also what is done")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cases at once")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "faults")
    parser.add_argument("--write", action="store_true", help="write the table into docs")
    return parser.parse_args()


def cases_of(base: Base) -> Iterator[Case]:
    """Yield all cases of a system."""
    for module in (kills, folders, damage, machine, dataset):
        yield from module.cases(base)


def judged(case: Case, bases: dict[str, Base]) -> tuple[Outcome | None, str]:
    """Let a case happen in a folder of its own; None for one that cannot happen here."""
    base = bases.get(case.system) or next(iter(bases.values()))
    with tempfile.TemporaryDirectory(prefix="hmtnet-fault-", ignore_cleanup_errors=True) as folder:
        try:
            verdict = case.happen(Scene(Path(folder), base))
        except SkippedError as error:
            return None, str(error)
        except Exception:  # a defect of the suite, or of what it expects
            verdict = wrong(f"the case itself failed: {traceback.format_exc()}")
    return verdict.outcome, verdict.why


def make_anew(base: Base) -> None:
    """Make what a system's cases start from; what was cut short counts for nothing."""
    shutil.rmtree(base.folder, ignore_errors=True)
    make_base(base)


def side_by_side(items: Iterable[T], jobs: int, work: Callable[[T], None]) -> Iterator[T]:
    """Work on each item in a process of its own, several at once; yield it when it is done."""
    running: dict[int, T] = {}
    waiting = iter(items)
    while True:
        while len(running) < jobs and (item := next(waiting, None)) is not None:
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    work(item)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    os._exit(code)
            running[pid] = item
        if not running:
            return
        pid, _ = os.wait()
        yield running.pop(pid)


def progress(text: str) -> None:
    """Show how far the suite is, in one line where somebody looks on."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text[:100]}", end="", flush=True)
    else:
        print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
