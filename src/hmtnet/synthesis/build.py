"""Build a synthesised set: resumable, by several processes, the same whatever their number."""

import json
import logging
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from hmtnet.errors import DataError, listed
from hmtnet.files import parse_json, write_text
from hmtnet.synthesis.listing import LOG, write_listings
from hmtnet.synthesis.methods import NEED_OTHERS, Toolbox
from hmtnet.synthesis.photographs import survey
from hmtnet.synthesis.plan import PlannedImage, have_others, pairs_of, plan, references_of
from hmtnet.synthesis.recipe import claim, recipe_of
from hmtnet.synthesis.settings import SynthesisSettings
from hmtnet.synthesis.worker import (
    IMAGES,
    SOURCES,
    Failure,
    Row,
    Workshop,
    check_formula,
    end_with_parent,
)
from hmtnet.terminal import progress

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Built:
    """What a build has left.

    Attributes:
        folder: The set's folder.
        rows: One per image, in order.
        made: How many of them this call has made or scored; the others were there.
        references: How many references the images have.
        left_out: Photographs, crops and images that are not in the set, each with the reason.
        missing: SR methods that are not at hand, each with the reason.
        digest: Of all images, references and scores, 16 hexadecimal digits.
    """

    folder: Path
    rows: tuple[Row, ...]
    made: int
    references: int
    left_out: dict[str, str]
    missing: dict[str, str]
    digest: str


def build(settings: SynthesisSettings) -> Built:
    """Make a set, or complete one.

    Every image appears whole or not at all, and what is there is not made again.

    Raises:
        SettingsError: Settings that contradict each other, or what the formula needs is not there.
        DataError: No usable photograph, a folder that holds something else, or no image that
            could be made.
    """
    folder, photos = (Path(p).expanduser() for p in (settings.output, settings.photos))
    weights = tuple(Path(path).expanduser().absolute() for path in settings.weights)
    exclude = [Path(path).expanduser() for path in settings.exclude]
    toolbox = Toolbox(weights, settings.methods)
    check_formula(settings.formula)
    photographs, left_out = survey(photos, settings.side, exclude)
    pairs_of(settings, toolbox)  # before anything is written
    claim(folder, recipe_of(settings, photographs, toolbox, weights))
    shop = Workshop(folder, photos, settings.side, settings.seed, settings.formula, weights)
    with _alone(folder), _processes(settings) as pool:
        for name in (IMAGES, SOURCES):
            (folder / name).mkdir(exist_ok=True)
        references = references_of(photographs, settings.crops)
        new = [each for each in references if not shop.has(each)]
        cuts = dict(_each(pool, shop.cut, new, "cutting references"))
        left_out |= {f.name: f.reason for f in cuts.values() if f is not None}
        references = [each for each in references if shop.has(each)]
        if not have_others(references):
            toolbox = toolbox.without(dict.fromkeys(NEED_OTHERS, "needs several photographs"))
        images = plan(settings, references, toolbox)
        rows = _read_log(shop, images)
        todo = [image for image in images if image.name not in rows]
        failed = _make(shop, pool, todo, rows)
        if not rows:
            raise DataError(
                f"No image could be made: {listed((f'{f.name}: {f.reason}' for f in failed), 3)}."
            )
        left_out |= {failure.name: failure.reason for failure in failed}
        ordered = tuple(rows[image.name] for image in images if image.name in rows)
        digest = write_listings(folder, references, toolbox, ordered, left_out)
    made = len(todo) - len(failed)
    return Built(folder, ordered, made, len(references), left_out, toolbox.missing, digest)


def _make(
    shop: Workshop,
    pool: ProcessPoolExecutor | None,
    todo: Sequence[PlannedImage],
    rows: dict[str, Row],
) -> list[Failure]:
    """Make images and add their rows, each written down as soon as its image is there."""
    failed = []
    with (shop.folder / LOG).open("a", encoding="utf-8") as log:
        for _, made in _each(pool, shop.make, todo, "synthesizing"):
            if isinstance(made, Failure):
                failed.append(made)
                continue
            rows[made["image"]] = made
            log.write(json.dumps(made) + "\n")
            log.flush()
    return failed


def _read_log(shop: Workshop, images: Iterable[PlannedImage]) -> dict[str, Row]:
    """Return the rows of images that are there as they were made."""
    path, found = shop.folder / LOG, {}
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        # A line that a killed process or a bad disk has left: its image is scored again.
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            row = parse_json(line.decode())
            found[row["image"]] = row
    named = [image for image in images if image.name in found]
    kept = {i.name: found[i.name] for i in named if shop.knows(i, found[i.name])}
    for image in named:
        if image.name not in kept:  # it may be the image that was changed
            (shop.folder / IMAGES / image.name).unlink(missing_ok=True)
    # A line break that is missing there would spoil the next one, so the log begins anew.
    write_text(path, "".join(json.dumps(row) + "\n" for row in kept.values()))
    return kept


@contextmanager
def _processes(settings: SynthesisSettings) -> Iterator[ProcessPoolExecutor | None]:
    """Yield a pool that starts its processes when they are needed; none for a single process."""
    count = settings.processes or os.cpu_count() or 1
    if count == 1:
        yield None
        return
    # Spawned, for a forked process would inherit threads' locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    with (
        _one_thread_each(),
        ProcessPoolExecutor(count, mp_context=context, initializer=end_with_parent) as pool,
    ):
        try:
            yield pool
        except BrokenProcessPool as error:
            raise DataError(
                "A process has ended abruptly, most often for want of memory. Repeat the command "
                "with fewer processes=<n>: what is finished stays."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _each(
    pool: ProcessPoolExecutor | None, function: Callable[[T], R], items: Sequence[T], what: str
) -> Iterator[tuple[T, R]]:
    """Apply a function to items; yield each with its result as it comes."""
    with progress(total=len(items), title=what, unit="image", hidden=not items) as bar:
        if pool is None:
            for item in items:
                yield item, function(item)
                bar.update()
            return
        futures = {pool.submit(function, item): item for item in items}
        for future in as_completed(futures):
            yield futures[future], future.result()
            bar.update()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Tell the processes that are started meanwhile not to start threads of their own."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder's lock.

    Raises:
        DataError: Another process builds there.
    """
    try:
        with FileLock(folder / ".lock", timeout=0):
            for abandoned in (*folder.glob(".*-*"), *folder.glob("*/.*-*")):
                abandoned.unlink(missing_ok=True)  # of a killed process
            yield
    except Timeout as error:
        raise DataError(
            f"Another process is building '{folder}'. Wait for it, or name another folder with "
            "output=<folder>."
        ) from error
