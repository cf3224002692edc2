"""What is written while a stage trains: the bar."""

from hmtnet.experiment.progress import StageProgress


def test_a_bar_that_was_never_opened_can_be_closed():
    StageProgress("grading").close()


def test_the_bar_names_stage_epoch_and_result_and_reaches_its_end(finished):
    shown = finished.outcome.err.replace("\r", "\n").splitlines()
    for stage, steps, epochs in (("grading", 4, 1), ("sfen", 8, 2), ("joint", 4, 1)):
        last = [line for line in shown if line.startswith(f"{stage:<8}: 100%")][-1]
        assert f"| {steps}/{steps} [" in last
        assert f"epoch {epochs}/{epochs}, val SRCC " in last
