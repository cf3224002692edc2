"""``hmtnet export``: what cannot be written is one message, and leaves nothing."""

import shutil

import pytest


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("hmtnet-lit", "--output", "a.onnx"), "Did you mean 'hmtnet-lite'?"),
        (("hmtnet-lite", "--output", "a.pt"), "a file of format onnx ends in .onnx, found 'a.pt'"),
        (("hmtnet-lite", "--to", "torch-export", "--output", "a.pt2", "--int8"), "int8: only ONNX"),
    ],
)
def test_bad_input_is_one_message(hmtnet, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    done = hmtnet("export", *words)
    assert done.code == 2 and message in done.err and "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_capped_model_is_refused_unless_asked_for(hmtnet, finished, tmp_path, rewrite):
    folder = shutil.copytree(finished.stages["joint"], tmp_path / "model")
    rewrite(folder, lambda document: document.update(debug={"batches": 2, "epochs": 1}))
    done = hmtnet("export", folder, "--output", tmp_path / "a.onnx")
    assert done.code == 2 and "capped by trainer.debug" in done.err
    assert not (tmp_path / "a.onnx").exists()
