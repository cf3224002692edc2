"""trainer.compile: the same stages under the same keys, with tensors of the same names."""

import numpy as np
import pytest
import torch._dynamo

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store


@pytest.fixture(scope="module")
def compiled(hmtnet, tiny, tmp_path_factory):
    """The chain, traced but run by the interpreter: no compiler is needed."""
    runs = tmp_path_factory.mktemp("compiled") / "runs"
    outcome = hmtnet(*tiny(runs, "trainer.compile=eager"))
    assert outcome.code == 0, outcome.err
    return runs


@pytest.mark.parametrize("stage", ["grading", "sfen", "joint"])
def test_a_compiled_stage_is_the_same_stage(compiled, finished, stage):
    (path,) = compiled.glob(f"qads/*/{stage}-*")
    assert path.name == finished.stages[stage].name
    ours, usual = store.load(path), store.load(finished.stages[stage])
    assert ours.tensors.keys() == usual.tensors.keys()
    for name, tensor in usual.tensors.items():
        np.testing.assert_allclose(ours.tensors[name], tensor, rtol=1e-3, atol=1e-4, err_msg=name)
    found = prediction_files.read(path / "predictions.csv")
    expected = prediction_files.read(finished.stages[stage] / "predictions.csv")
    np.testing.assert_allclose(found.score, expected.score, atol=1e-3)


def test_training_has_gone_through_the_compiler(hmtnet, tiny, tmp_path):
    before = torch._dynamo.utils.counters["frames"]["ok"]
    torch._dynamo.reset()
    done = hmtnet(*tiny(tmp_path / "runs", "stages=[grading]", "trainer.compile=eager"))
    assert done.code == 0
    assert torch._dynamo.utils.counters["frames"]["ok"] > before
