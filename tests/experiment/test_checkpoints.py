"""Checkpoints: whole, proven, read as weights only; which epoch is the best."""

import math

import pytest
import torch

from hmtnet.errors import ArtifactError
from hmtnet.experiment.checkpoints import (
    Candidate,
    ProvenCheckpoints,
    check_best,
    newest,
    set_damaged_aside,
)

NAN = math.nan


def test_a_checkpoint_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "epoch-0001.ckpt"
    ProvenCheckpoints().save_checkpoint({"weight": torch.ones(2)}, path)
    with pytest.raises(AttributeError):  # what cannot be pickled fails half-way
        ProvenCheckpoints().save_checkpoint({"weight": torch.zeros(2), "bad": lambda: 0}, path)
    names = sorted(entry.name for entry in tmp_path.iterdir())
    assert names == ["epoch-0001.ckpt", "epoch-0001.ckpt.sha256"]
    assert torch.equal(ProvenCheckpoints().load_checkpoint(path)["weight"], torch.ones(2))


class Harmful:
    """What a checkpoint of somebody else's might hold: code that runs when it is read."""

    def __reduce__(self):
        return (print, ("harm",))


def test_a_checkpoint_is_read_as_weights_only(tmp_path, capsys, caplog):
    path = tmp_path / "epoch-0001.ckpt"
    ProvenCheckpoints().save_checkpoint({"weight": Harmful()}, path)
    with pytest.raises(Exception, match=r"(?i)weights.only"):
        ProvenCheckpoints().load_checkpoint(path)
    set_damaged_aside(tmp_path, "key")
    assert "is no checkpoint of a stage" in caplog.text and newest(tmp_path) is None
    assert capsys.readouterr().out == ""


def test_a_proven_checkpoint_of_another_stage_is_set_aside(tmp_path, caplog):
    for epoch, key in ((1, "ours"), (2, "theirs")):
        content = {"hmtnet": {"key": key}}
        ProvenCheckpoints().save_checkpoint(content, tmp_path / f"epoch-{epoch:04}.ckpt")
    set_damaged_aside(tmp_path, "ours")
    assert newest(tmp_path) == (1, tmp_path / "epoch-0001.ckpt")
    assert "epoch-0002.ckpt is of another stage" in caplog.text
    assert (tmp_path / "epoch-0002.damaged").is_file()


@pytest.mark.parametrize(
    "scores, chosen",
    [
        ((None, 0.1, 0.3, 0.2), 2),
        ((None, 0.3, 0.3), 1),  # of equals the earlier
        ((None, NAN, NAN), 1),
        ((None, NAN, -0.5), 2),
        ((0.5, 0.4, 0.45), 0),
        ((0.5, 0.4, 0.5, 0.5), 2),  # of equals the trained
        ((0.5, NAN, NAN), 0),
        ((NAN, 0.1, 0.2), 2),
        ((NAN, NAN), 1),
    ],
)
def test_the_highest_validation_srcc_is_chosen(scores, chosen):
    best = None if scores[0] is None else Candidate(0, scores[0], {})
    for epoch, score in enumerate(scores[1:], start=1):
        if best is None or best.yields_to(score):
            best = Candidate(epoch, score, {})
    assert best.epoch == chosen
    curve = [{"epoch": i, "val/srcc": s} for i, s in enumerate(scores) if s is not None]
    assert check_best(best, curve) is best


@pytest.mark.parametrize("chosen", [None, Candidate(1, 0.1, {}), Candidate(1, NAN, {})])
def test_no_stage_is_finished_with_another_epoch_than_the_best(chosen):
    curve = [{"epoch": 1, "val/srcc": 0.1}, {"epoch": 2, "val/srcc": 0.2}]
    with pytest.raises(ArtifactError, match="was not finished"):
        check_best(chosen, curve)
