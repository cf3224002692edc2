import pytest

from hmtnet.errors import SettingsError
from hmtnet.models.mfen.dan import DANStageSettings
from hmtnet.models.mfen.network import QualityStageSettings
from hmtnet.models.system import identified, unweighted
from hmtnet.settings import build


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (DANStageSettings, {"loss": {"temperature": 0}}, "temperature: expected above 0, found 0"),
        (
            DANStageSettings,
            {"network": {"embedding": 1}},
            "embedding: expected at least 2, found 1",
        ),
        (QualityStageSettings, {"loss": {"types": -0.1}}, "types: expected at least 0, found -0.1"),
        (QualityStageSettings, {"network": {"features": 0}}, "features: expected at least 1"),
        (QualityStageSettings, {"network": {"fuse": "af"}}, "'af' is not one of aff, add, concat"),
    ],
)
def test_what_has_no_sense_is_refused(cls, values, message):
    with pytest.raises(SettingsError, match=message):
        build(cls, values)


@pytest.mark.parametrize("cls", [DANStageSettings, QualityStageSettings])
def test_what_no_van_has_is_refused_before_anything_is_trained(cls):
    with pytest.raises(SettingsError, match="'van_b1' has no weights on the hub"):
        build(cls, {"network": {"backbone": {"name": "van_b1", "weights": "hub"}}})
    with pytest.raises(SettingsError, match=r"Unknown VAN 'van_b5'\."):
        build(cls, {"network": {"backbone": {"name": "van_b5"}}})


def test_without_distortion_features_the_second_stage_stands_alone():
    assert not QualityStageSettings().stands_alone
    assert build(QualityStageSettings, {"network": {"dan": False}}).stands_alone


def test_the_loss_is_smooth_l1_and_a_tenth_of_the_types():
    loss = QualityStageSettings().loss
    assert (loss.score.score, loss.score.relation, loss.types) == ("smooth_l1", "none", 0.1)


def test_a_van_s_weights_are_known_by_content_and_left_to_an_artifact(tmp_path):
    path = tmp_path / "van.pth"
    path.write_bytes(b"weights")
    values = {"network": {"backbone": {"name": "van_b0", "weights": str(path)}}}
    settings = build(QualityStageSettings, values)
    assert identified(settings).network.backbone.weights.startswith("sha256:")
    bare = unweighted(settings).network.backbone
    assert (bare.name, bare.weights, bare.norm, bare.view) == ("van_b0", "none", "frozen", "pixels")
