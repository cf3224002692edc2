import pytest

from hmtnet.errors import SettingsError
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.ridge.network import RidgeStageSettings
from hmtnet.settings import build


def test_it_alone_is_solved_for():
    assert RidgeStageSettings().closed_form and not FitSettings().closed_form


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 2}, "epochs: the weights are solved for in one pass.* found 2"),
        ({"augment": ["horizontal_flip"]}, "augment: the weights are solved for"),
        ({"optimizer": {"lr": 0.1}}, "optimizer: the weights are solved for"),
        ({"ema": 0.9}, r"ema: the weights are solved for.* must stay 0\.0; found 0\.9"),
        ({"early_stopping": 3}, "early_stopping: the weights are solved for"),
        ({"schedule": {"name": "constant"}}, "schedule: the weights are solved for"),
        ({"loss": {"alphas": []}}, "alphas: expected at least one, all above 0"),
        ({"loss": {"alphas": [1.0, 0.0]}}, "alphas: expected at least one, all above 0"),
        ({"loss": {"chosen_by": "plcc"}}, "'plcc' is not one of srcc, rmse"),
        ({"network": {"levels": 0}}, "levels: expected at least 1, found 0"),
        ({"batch_size": 1}, "batch_size: expected at least 2"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        build(RidgeStageSettings, values)
