"""Whose prior guides the score: own, out of fold, another image's, or the true grade."""

import dataclasses

import pytest
import torch

from hmtnet.data.crops import CropSettings
from hmtnet.errors import SettingsError
from hmtnet.models.hmtnet.settings import HMTNetSettings, JointStageSettings, SFENStageSettings
from hmtnet.models.hmtnet.sfen import Prior, SFENSettings
from hmtnet.models.hmtnet.stage import JOINT, SFEN_STAGE
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import make_crops, nearly_certain

GIVEN = torch.tensor([[0.9, 0.025, 0.025, 0.025, 0.025], [0.1, 0.1, 0.6, 0.1, 0.1]]).log()
PRIORS = ["mixture", "film", "concat"]


@pytest.fixture
def make(make_hmtnet):
    """Make a network in evaluation mode whose guidance reacts to all of its prior."""

    def make_network(source, prior="mixture", frozen=True):
        torch.manual_seed(1)
        network = make_hmtnet(frozen=frozen, prior=prior, prior_source=source).eval()
        # Grades that differ between images of noise.
        network.grading.evidence.weight.data.mul_(100)
        if prior == "film":
            torch.nn.init.normal_(network.sfen.guidance.scale_shift.weight)
        return network

    return make_network


def with_prior(crops, prior=GIVEN):
    return dataclasses.replace(crops, prior=prior)


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("source", ["out_of_fold", "oracle"])
def test_a_given_prior_guides_the_score_without_an_embedding(make, make_crops, source, prior):
    network, crops = make(source, prior), make_crops((2, 3))
    prediction = network(with_prior(crops))
    nothing = torch.zeros(2, 12)
    torch.testing.assert_close(
        prediction.unit_score, network.sfen(crops, Prior(GIVEN, nothing)).unit_score
    )
    # What is reported of the grades stays what the grading network says.
    torch.testing.assert_close(prediction.log_grades, network.grading(crops).log_grades)


@pytest.mark.parametrize("prior", PRIORS)
def test_out_of_training_the_network_s_own_prior_guides(make, make_crops, prior):
    network, crops = make("out_of_fold", prior), make_crops((2, 3))
    own = Prior(network.grading(crops).log_grades, torch.zeros(2, 12))
    torch.testing.assert_close(network(crops).unit_score, network.sfen(crops, own).unit_score)


@pytest.mark.parametrize("prior", PRIORS)
def test_shuffled_is_the_whole_prior_of_the_neighbour(make, make_crops, prior):
    network, crops = make("shuffled", prior), make_crops((2, 1, 3))
    assert network.mixes_images and not network.reads_labels
    grading = network.grading(crops)
    others = [2, 0, 1]
    expected = Prior(grading.log_grades[others], grading.embedding[others])
    torch.testing.assert_close(network(crops).unit_score, network.sfen(crops, expected).unit_score)
    assert not torch.allclose(network(crops).unit_score, make("frozen", prior)(crops).unit_score)


def test_a_lone_image_has_no_neighbour_and_so_no_prior(make, make_crops):
    network, crops = make("shuffled"), make_crops((3,))
    torch.testing.assert_close(network(crops).unit_score, network.sfen(crops).unit_score)


def test_a_shuffled_prior_passes_gradients_in_the_joint_stage(make, make_crops):
    network = make("shuffled", frozen=False)
    network(make_crops((2, 1))).unit_score.sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in network.grading.parameters())


def test_only_the_oracle_reads_labels_and_without_labels_it_says_so(make, make_crops, assess):
    assert not any(make(s).reads_labels for s in ("frozen", "out_of_fold", "shuffled"))
    assert not any(make(s).mixes_images for s in ("frozen", "out_of_fold", "oracle"))
    network = make("oracle")
    assert network.reads_labels
    with pytest.raises(SettingsError, match="prior_source=oracle: it reads the true grade"):
        network(make_crops((2, 1)))
    image = torch.zeros(3, 64, 64, dtype=torch.uint8)
    with pytest.raises(SettingsError, match="cannot judge images without labels"):
        assess(network, image, CropSettings(size=48))


def test_look_carries_the_true_grades_where_asked(make_batch):
    batch = make_batch(4)  # MOS .02 to .98, five grades
    assert make_crops(batch, 48, None).prior is None
    prior = make_crops(batch, 48, None, 5).prior
    assert prior.argmax(1).tolist() == [0, 1, 3, 4]
    torch.testing.assert_close(prior.exp().sum(1), torch.ones(4))
    torch.testing.assert_close(prior.exp().max(1).values, torch.full((4,), 0.99))


def test_nearly_certain():
    found = nearly_certain(torch.tensor([1]), 3).exp()
    torch.testing.assert_close(found, torch.tensor([[0.005, 0.99, 0.005]]))


def test_a_source_where_no_prior_is_used_is_refused():
    for source in ("out_of_fold", "shuffled", "oracle"):
        with pytest.raises(ValueError, match=f"prior_source: {source} changes nothing"):
            SFENSettings(prior="none", prior_source=source)


@pytest.mark.parametrize("frozen", [True, False])
def test_an_honest_joint_stage_does_not_start_from_an_oracle(
    make_grading, make_hmtnet, grading_settings, sfen_settings, grades, frozen
):
    upstream, wanted = ("oracle", "frozen") if frozen else ("frozen", "oracle")
    second = make_hmtnet(frozen=True, prior_source=upstream)
    own = dataclasses.replace(sfen_settings, prior_source=wanted)
    settings = JointStageSettings(network=HMTNetSettings(grading=grading_settings, sfen=own))
    given = StageInputs(grades, {"grading": make_grading(), "sfen": second})
    with pytest.raises(SettingsError, match="another architecture"):
        JOINT.network(settings, given)


def test_folds_are_asked_for_only_out_of_fold(sfen_settings):
    for source in ("frozen", "shuffled", "oracle", "out_of_fold"):
        network = dataclasses.replace(sfen_settings, prior_source=source)
        settings = SFENStageSettings(network=network, prior_folds=3)
        assert settings.folds == (3 if source == "out_of_fold" else 0)
    with pytest.raises(ValueError, match="prior_folds: expected at least 2, found 1"):
        SFENStageSettings(prior_folds=1)


@pytest.fixture
def out_of_fold_task(make_grading, sfen_settings, grades):
    network_settings = dataclasses.replace(
        sfen_settings, prior_source="out_of_fold", prior_dropout=0.0
    )
    settings = SFENStageSettings(network=network_settings)

    def make_task(**more):
        given = StageInputs(grades, {"grading": make_grading()}, **more)
        return SFEN_STAGE.make_task(SFEN_STAGE.network(settings, given), settings, given)

    return make_task


def test_training_alone_takes_each_image_s_own_row(out_of_fold_task, make_batch):
    torch.manual_seed(3)
    table = torch.randn(10, 5).log_softmax(1)
    task = out_of_fold_task(out_of_fold={"grading": table})
    assert "out_of_fold" not in task.state_dict()
    batch = make_batch(4)
    batch.rows = torch.tensor([7, 2, 9, 0])
    task.train()
    task.network.eval()
    found = task.judge(make_crops(batch, 48, "spectral_residual"), batch).unit_score
    crops = with_prior(make_crops(batch, 48, "spectral_residual"), table[batch.rows])
    torch.testing.assert_close(found, task.network(crops).unit_score)
    task.eval()
    found = task.judge(make_crops(batch, 48, "spectral_residual"), batch).unit_score
    own = task.network(make_crops(batch, 48, "spectral_residual")).unit_score
    torch.testing.assert_close(found, own)
    assert not torch.allclose(own, task.network(crops).unit_score)


def test_without_a_table_the_stage_says_what_it_lacks(out_of_fold_task):
    with pytest.raises(SettingsError, match="prior_source=out_of_fold needs the priors"):
        out_of_fold_task()
