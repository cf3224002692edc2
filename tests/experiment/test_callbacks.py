"""What is written while a stage trains: curves and the bar."""

import csv

from hmtnet.experiment.callbacks import write_curve
from hmtnet.experiment.progress import StageProgress


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_curve_that_appears_later_gets_its_column(tmp_path):
    path = tmp_path / "metrics.csv"
    rows = [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "ece": 0.1}, {"epoch": 3}]
    write_curve(path, rows)
    assert [row["ece"] for row in rows_of(path)] == ["", "0.1", ""]
    write_curve(path, rows[:1])
    assert path.read_bytes() == b"epoch,loss\n1,1.0\n"


def test_a_bar_that_was_never_opened_can_be_closed():
    StageProgress("grading").close()


def test_the_bar_names_stage_epoch_and_result_and_reaches_its_end(finished):
    shown = finished.outcome.err.replace("\r", "\n").splitlines()
    for stage, steps, epochs in (("grading", 4, 1), ("sfen", 8, 2), ("joint", 4, 1)):
        last = [line for line in shown if line.startswith(f"{stage:<8}: 100%")][-1]
        assert f"| {steps}/{steps} [" in last
        assert f"epoch {epochs}/{epochs}, val SRCC " in last
