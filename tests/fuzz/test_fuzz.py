"""Damaged, careless and hostile input: read, or refused by name; never anything else.

Nothing but hmtnet's own errors may come out, nothing may be written elsewhere, started, connected
to or unpickled, and no input may take long or gigabytes.
"""

import logging
import random
import resource
import shutil
import sys
import warnings

import pytest
from hypothesis import HealthCheck, assume, given, settings

from hmtnet.errors import HmtnetError
from tests.fuzz.data_targets import DATA_TARGETS
from tests.fuzz.folders import lay_out, spoilt_folder
from tests.fuzz.mutations import EDITS, Edits, spoilt
from tests.fuzz.run_targets import RUN_TARGETS
from tests.fuzz.target import Target
from tests.fuzz.watch import watched
from tests.fuzz.weights_targets import WEIGHTS_TARGETS

TARGETS = (*DATA_TARGETS, *RUN_TARGETS, *WEIGHTS_TARGETS)
QUICK = 4
MOST_MEMORY = 2_000_000_000
"""Bytes that all inputs of a target may add to the process; an image may have 100 megapixels."""


def laid_of(target: Target, edits: Edits, elsewhere):
    """Return one of a target's folders with something spoilt; None where it cannot be written."""
    folder = target.variants[edits[0] % len(target.variants)]
    if not target.files_only:
        return spoilt_folder(folder, edits, elsewhere)
    chosen = random.Random(edits[0]).choice(list(folder))
    laid = {name: sample.data for name, sample in folder.items()}
    changed = spoilt(folder[chosen], edits)
    return None if changed is None else laid | {chosen: changed}


def fuzz(target: Target, count: int, place, counts) -> None:
    """Try so many inputs of a target."""
    root, elsewhere = place / "root", place / "elsewhere"

    @settings(
        max_examples=count,
        derandomize=count == QUICK,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(EDITS)
    def one(edits):
        laid = laid_of(target, edits, elsewhere)
        assume(laid is not None)
        lay_out(root, laid)
        try:
            with watched(root, place / "home", allowed=target.allowed):
                target.read(root)
            counts["read"] += 1
        except HmtnetError as error:
            assert str(error), "an error that says nothing"
            counts[type(error).__name__] += 1
        finally:
            shutil.rmtree(root)

    one()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with one that links lead to beside it; nothing is logged."""
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HMTNET_DATA", raising=False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "canary").write_text("alive")
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield tmp_path
    logging.disable(logging.NOTSET)
    assert (tmp_path / "elsewhere" / "canary").read_text() == "alive"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_what_is_valid_is_read_and_a_few_that_are_not(target, place, counts):
    for folder in target.variants:
        lay_out(place / "root", {name: sample.data for name, sample in folder.items()})
        with watched(place / "root", place / "home", allowed=target.allowed):
            target.read(place / "root")
        shutil.rmtree(place / "root")
    fuzz(target, QUICK, place, counts)


@pytest.mark.full
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_many_inputs(target, place, counts, many):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    fuzz(target, many, place, counts)
    kilobytes = 1 if sys.platform == "darwin" else 1024
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * kilobytes
    assert grown < MOST_MEMORY
