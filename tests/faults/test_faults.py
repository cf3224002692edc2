"""A small part of the fault suite, and that the suite tells right from wrong.

All of it is `make test-faults`; see docs/reliability.md.
"""

import shutil
import signal
from pathlib import Path

import pytest
import torch

from tests.conftest import make_tiny
from tests.faults import damage, kills, table
from tests.faults.judge import RECOVERED, Outcome, judge, refusal
from tests.faults.processes import Ended
from tests.faults.results import Result
from tests.faults.scene import Base, Scene, make_finished


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The smallest system, trained without any fault."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("faults")
    found = Base(folder / "plain", "plain", make_tiny(folder / "qads"))
    make_finished(found)
    return found


@pytest.fixture
def scene(base, tmp_path):
    return Scene(tmp_path, base)


@pytest.mark.full
def test_killed_at_a_file_operation_it_goes_on_exactly(scene, base):
    assert kills.end_before(scene, signal.SIGKILL, base.operations // 2) == RECOVERED


def test_an_edited_score_is_not_passed_on(scene, base):
    (path,) = base.finished.glob("*/*/plain-*/predictions.csv")
    name = path.relative_to(base.finished)
    assert damage.damaged_when_finished(scene, name, damage.flipped).outcome < Outcome.WRONG


def ended(code=0, err=""):
    return Ended(code, "", err, 0.0)


def test_a_wrong_result_is_seen(base, tmp_path):
    runs = shutil.copytree(base.finished, tmp_path / "runs")
    assert judge(ended(), runs, base.finished) == RECOVERED
    (path,) = runs.glob("*/*/plain-*/predictions.csv")
    damage.flipped(path, None)
    assert judge(ended(), runs, base.finished).outcome == Outcome.WRONG
    path.unlink()
    assert "is missing" in judge(ended(), runs, base.finished).why


@pytest.mark.parametrize(
    "code, err, outcome",
    [
        (0, "", None),
        (2, "some\nhmtnet: a.csv is damaged.\nTry again.", Outcome.REFUSED),
        (2, "some\nhmtnet: something is damaged.", Outcome.WRONG),
        (2, "usage: hmtnet", Outcome.WRONG),
        (1, "Traceback (most recent call last):\nKeyError: 'a.csv'", Outcome.TRACEBACK),
        (-11, "", Outcome.TRACEBACK),
    ],
)
def test_refusals_are_told_from_defects(code, err, outcome):
    verdict = refusal(ended(code, err), "a.csv")
    assert (verdict and verdict.outcome) == outcome


def test_the_table_counts_outcomes_by_fault_and_system(tmp_path):
    rows = [("lock", "pmt", Outcome.RECOVERED), ("lock", "pmt", Outcome.WRONG)]
    rows += [("lock", "plain", Outcome.REFUSED), ("disk", "pmt", None), ("demo", "", "traceback")]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(page, [Result(str(i), *row, "why") for i, row in enumerate(rows)])
    text = page.read_text()
    assert "| lock | 1, 1 **wrong** | 1 refused |" in text and "| disk | 1 skipped | – |" in text
    assert "old" not in text and text.startswith("before") and text.endswith("after\n")


def test_the_page_has_a_place_for_the_table():
    page = Path(__file__).parents[2] / "docs/reliability.md"
    text = page.read_text(encoding="utf-8")
    assert text.count(table.BEGIN) == text.count(table.END) == 1
