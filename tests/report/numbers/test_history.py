import numpy as np
import pytest

from hmtnet.report.numbers.history import read_history

TABLE = "epoch,step,train/loss,val/loss,val/srcc\n1,9,0.5,0.75,0.25\n2,18,0.25,,0.5\n"


def test_curves_and_settings_are_those_of_the_run_directory(tmp_path):
    (tmp_path / "metrics.csv").write_text(TABLE)
    (tmp_path / "settings.yaml").write_text("seed: 3\n")
    found = read_history(tmp_path, {"epochs": 2})
    assert found.settings == "seed: 3\n"
    assert found.curves.epochs.tolist() == [1, 2]
    assert found.curves.srcc.tolist() == [0.25, 0.5]
    assert found.curves.train_loss.tolist() == [0.5, 0.25]
    assert np.array_equal(found.curves.val_loss, [0.75, np.nan], equal_nan=True)


def test_without_the_commands_settings_there_are_the_stages(tmp_path):
    assert read_history(tmp_path, {"optimizer": {"lr": 0.1}}).settings == "optimizer:\n  lr: 0.1\n"


@pytest.mark.parametrize("text", [None, "", "epoch,val/srcc\n", "epoch,val/srcc\n1,x\n", "\0\xff"])
def test_a_missing_or_damaged_file_has_no_curves(tmp_path, text):
    if text is not None:
        (tmp_path / "metrics.csv").write_text(text, encoding="latin-1")
    assert read_history(tmp_path, {}).curves is None
