"""A shuffled prior: another image's, the same one whenever it is predicted again."""

import numpy as np
import pytest

from hmtnet.artifact import predictions as prediction_files

SHUFFLED = "system.sfen.network.prior_source=shuffled"


@pytest.fixture(scope="module")
def trained(hmtnet, tiny, tmp_path_factory):
    runs = tmp_path_factory.mktemp("shuffled") / "runs"
    outcome = hmtnet(*tiny(runs, SHUFFLED))
    assert outcome.code == 0, outcome.err
    return runs


def test_predictions_come_in_the_usual_order_and_again_alike(trained, finished, hmtnet, tiny):
    before = {}
    for stage in ("sfen", "joint"):
        (path,) = trained.glob(f"qads/*/{stage}-*/predictions.csv")
        before[path] = prediction_files.read(path)
        usual = prediction_files.read(finished.stages[stage] / "predictions.csv")
        assert before[path].image == usual.image and before[path].subset == usual.subset
        path.unlink()
    done = hmtnet(*tiny(trained, SHUFFLED))
    assert done.code == 0 and ": training" not in done.err
    for path, found in before.items():
        assert np.array_equal(prediction_files.read(path).score, found.score)


def test_grades_are_still_those_of_the_image_itself(trained, finished):
    (path,) = trained.glob("qads/*/sfen-*")
    found = prediction_files.read(path / "predictions.csv")
    usual = prediction_files.read(finished.stages["sfen"] / "predictions.csv")
    # The same grading network; only what guides the score is another image's.
    np.testing.assert_allclose(found.probabilities, usual.probabilities, atol=1e-6)
    assert not np.allclose(found.score, usual.score)
