"""What is written while a stage trains: curves, status, checkpoints, the bar."""

import pytest
import torch

from hmtnet.experiment.callbacks import WholeCheckpoints
from hmtnet.experiment.progress import StageProgress


def test_a_checkpoint_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint({"weight": torch.ones(2)}, path)
    with pytest.raises(AttributeError):  # what cannot be pickled fails half-way
        WholeCheckpoints().save_checkpoint({"weight": torch.zeros(2), "bad": lambda: 0}, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
    assert torch.equal(WholeCheckpoints().load_checkpoint(path)["weight"], torch.ones(2))


class Harmful:
    """What a checkpoint of somebody else's might hold: code that runs when it is read."""

    def __reduce__(self):
        return (print, ("harm",))


def test_a_checkpoint_is_read_as_weights_only(tmp_path, capsys):
    torch.save({"weight": Harmful()}, tmp_path / "last.ckpt")
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        WholeCheckpoints().load_checkpoint(tmp_path / "last.ckpt")
    assert capsys.readouterr().out == ""


def test_a_bar_that_was_never_opened_can_be_closed():
    StageProgress("grading").close()


def test_the_bar_names_stage_epoch_and_result_and_reaches_its_end(finished):
    shown = finished.outcome.err.replace("\r", "\n").splitlines()
    for stage, steps, epochs in (("grading", 4, 1), ("sfen", 8, 2), ("joint", 4, 1)):
        last = [line for line in shown if line.startswith(f"{stage:<8}: 100%")][-1]
        assert f"| {steps}/{steps} [" in last
        assert f"epoch {epochs}/{epochs}, val SRCC " in last
