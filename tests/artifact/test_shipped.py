"""Models that come with hmtnet: found by name, small, and scoring as what they were made of."""

import numpy as np
import pytest
import torch

from hmtnet.artifact import shipped, store
from hmtnet.errors import ArtifactError
from hmtnet.scoring.scorer import Scorer


def test_a_shipped_model_scores_as_the_stage_that_it_was_made_of(finished, tmp_path):
    stage = finished.stages["joint"]
    folder = shipped.ship(stage, "own", "# own", tmp_path)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["card.md", "scenes.safetensors", "stage.json", "stage.safetensors"]
    before, after = ((path / "stage.safetensors").stat().st_size for path in (stage, folder))
    assert after < 0.7 * before
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    scores = [Scorer(path)(image, maps=False).score for path in (stage, folder)]
    assert scores[1] == pytest.approx(scores[0], abs=5e-3) and scores[1] != scores[0]


def test_weights_too_large_for_half_precision_are_named(finished, tmp_path):
    artifact = store.load(finished.stages["joint"])
    name = next(key for key, tensor in artifact.tensors.items() if tensor.ndim == 4)
    artifact.tensors[name].fill_(1e6)
    store.save(tmp_path / "large", artifact.tensors, artifact.meta)
    with pytest.raises(ArtifactError, match="too large for half precision"):
        shipped.ship(tmp_path / "large", "own", "", tmp_path / "models")
    assert not (tmp_path / "models").exists() and torch.isfinite(artifact.tensors[name]).all()
