"""trainer.compile: the same stages under the same keys, with tensors of the same names."""

import functools
import shutil

import numpy as np
import pytest
import torch._dynamo

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store


@pytest.fixture(scope="module")
def compiled(hmtnet, tiny, finished, tmp_path_factory):
    """Train one stage upon finished ones, traced but run by the interpreter: no compiler is needed.

    Returns its run directory, and how often something was traced.
    """

    @functools.cache
    def train(stage):
        runs = shutil.copytree(finished.runs, tmp_path_factory.mktemp(stage) / "runs")
        shutil.rmtree(runs / finished.stages[stage].relative_to(finished.runs))
        before = torch._dynamo.utils.counters["frames"]["ok"]
        torch._dynamo.reset()  # what was traced before is traced again
        upstream = list(finished.stages)[: list(finished.stages).index(stage)]
        words = (f"stages=[{','.join([*upstream, stage])}]", "trainer.compile=eager")
        outcome = hmtnet(*tiny(runs, *words))
        assert outcome.code == 0, outcome.err
        assert outcome.err.count(": reused ") == len(upstream)
        (path,) = runs.glob(f"qads/*/{stage}-*")
        return path, torch._dynamo.utils.counters["frames"]["ok"] - before

    return train


# Stage 3 is made of the networks of the first two, which take as long again.
@pytest.mark.parametrize(
    "stage", [*(pytest.param(s, marks=pytest.mark.full) for s in ("grading", "sfen")), "joint"]
)
def test_a_compiled_stage_is_the_same_stage(compiled, finished, stage):
    path, _ = compiled(stage)
    assert path.name == finished.stages[stage].name
    ours, usual = store.load(path), store.load(finished.stages[stage])
    assert ours.tensors.keys() == usual.tensors.keys()
    for name, tensor in usual.tensors.items():
        np.testing.assert_allclose(ours.tensors[name], tensor, rtol=1e-3, atol=1e-4, err_msg=name)
    found = prediction_files.read(path / "predictions.csv")
    expected = prediction_files.read(finished.stages[stage] / "predictions.csv")
    np.testing.assert_allclose(found.score, expected.score, atol=1e-3)


def test_training_has_gone_through_the_compiler(compiled):
    assert compiled("joint")[1] > 0
