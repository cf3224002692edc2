import dataclasses

import pytest
import torch
import torch.nn.functional as F

from hmtnet.losses import grade_loss, supervised_contrastive
from hmtnet.models.hmtnet.settings import GradingLossSettings, GradingStageSettings
from hmtnet.models.hmtnet.stage import GRADING
from hmtnet.models.hmtnet.task import GradeTerms
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import make_crops

# The last but one is of unknown method, the last is not trained on.
METHODS = ["a", "a", "b", "b", "c", "c", None, "test"]


@pytest.fixture
def scene(make_grading, make_batch):
    """A batch, its crops and what a grading network says of them."""
    batch = make_batch(8, crops=2)
    crops = make_crops(batch, 48, None)
    return make_grading().eval()(crops), batch, crops


@pytest.fixture
def terms(grades, make_labels):
    def make(**changes):
        inputs = StageInputs(grades, {}, make_labels(METHODS))
        return GradeTerms(GradingLossSettings(**changes), inputs)

    return make


@pytest.mark.parametrize("kind", ["ordinal", "cross_entropy", "soft"])
def test_the_grade_term_judges_images(scene, terms, grades, kind):
    prediction, batch, crops = scene
    true = torch.from_numpy(grades.assign(batch.unit_mos.numpy()))
    found = terms(grade=kind, sigma=0.7)(prediction, batch, crops)
    torch.testing.assert_close(
        found["grade"], grade_loss(prediction.log_grades, true, kind, sigma=0.7)
    )


@pytest.mark.parametrize("contrast_sigma", [None, 0.2])
def test_the_contrast_compares_crops_of_one_grade(scene, terms, grades, contrast_sigma):
    prediction, batch, crops = scene
    prediction.prior.embedding = F.normalize(torch.randn(16, 12), dim=1)
    found = terms(contrast=0.3, contrast_sigma=contrast_sigma, temperature=0.2)(*scene)
    true = torch.from_numpy(grades.assign(batch.unit_mos.numpy()))
    expected = supervised_contrastive(
        prediction.prior.embedding,
        true.repeat_interleave(2),
        torch.arange(8).repeat_interleave(2),
        temperature=0.2,
        scores=None if contrast_sigma is None else batch.unit_mos.repeat_interleave(2),
        sigma=contrast_sigma,
    )
    torch.testing.assert_close(found["contrast"], 0.3 * expected)
    assert crops.image.tolist() == torch.arange(8).repeat_interleave(2).tolist()


def test_methods_are_the_key_where_asked_and_the_unknown_ones_are_no_method(scene, terms):
    prediction, batch, crops = scene
    # The embeddings of an untrained network lie too close together to tell keys apart.
    prediction.prior.embedding = F.normalize(torch.randn(16, 12), dim=1)
    found = terms(contrast=1.0, contrast_key="method")(prediction, batch, crops)
    own = torch.tensor([0, 0, 1, 1, 2, 2, 10, 11]).repeat_interleave(2)
    expected = supervised_contrastive(
        prediction.prior.embedding, own, batch.rows.repeat_interleave(2), temperature=0.1
    )
    torch.testing.assert_close(found["contrast"], expected)


@pytest.mark.parametrize("off", [{"contrast": 0.0}, {"contrast_key": "none"}])
def test_the_contrast_can_be_left_out(scene, terms, off):
    assert list(terms(**off)(*scene)) == ["grade"]


def test_processes_are_asked_only_in_training(scene, terms, monkeypatch):
    # In validation they may have unequally many batches, and would wait for each other forever.
    gathered = []
    monkeypatch.setattr("hmtnet.losses.processes._together", lambda: True)
    monkeypatch.setattr(
        "hmtnet.losses.processes.gather_across_processes", lambda x: gathered.append(x) or x
    )
    with torch.inference_mode():
        terms()(*scene)
    assert not gathered
    terms(contrast_sigma=0.2)(*scene)
    assert len(gathered) == 4


def test_the_stage_makes_network_and_task(grading_settings, grades, make_labels):
    loss = GradingLossSettings(contrast_key="method")
    settings = GradingStageSettings(network=grading_settings, loss=loss)
    given = StageInputs(grades, {}, make_labels(METHODS))
    network = GRADING.network(settings, given)
    task = GRADING.make_task(network, settings, given)
    assert task.network is network
    assert task.terms.methods.tolist() == [0, 0, 1, 1, 2, 2, -1, -1]
    assert task.terms.settings is settings.loss


def test_a_temperature_of_nothing_is_refused():
    with pytest.raises(ValueError, match="temperature: expected above 0, found 0"):
        dataclasses.replace(GradingLossSettings(), temperature=0.0)
