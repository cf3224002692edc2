"""The gathering metrics on one process; test_processes.py has them on two."""

import copy
import math
import pickle

import lightning as L
import numpy as np
import pytest
import scipy.stats
import torch

from hmtnet.metrics import MetricError
from hmtnet.metrics.quality import GradeMetrics, QualityMetrics


def columns(n: int = 53):
    generator = torch.Generator().manual_seed(0)
    mos = torch.rand(n, generator=generator)
    return mos + 0.2 * torch.randn(n, generator=generator), mos


def quality(score, mos, image=None, **options):
    metric = QualityMetrics(**options)
    metric.update(score, mos, torch.arange(len(score)) if image is None else image)
    return metric.compute()


def test_equals_scipy():
    score, mos = columns()
    values = quality(score, mos)
    assert set(values) == {"srcc", "plcc", "krcc", "rmse"}
    score, mos = score.double().numpy(), mos.double().numpy()
    expected = {
        "srcc": scipy.stats.spearmanr(score, mos).statistic,
        "plcc": scipy.stats.pearsonr(score, mos).statistic,
        "krcc": scipy.stats.kendalltau(score, mos).statistic,
        "rmse": np.sqrt(np.mean((score - mos) ** 2)),
    }
    for name, value in expected.items():
        assert values[name].dtype == torch.float64
        assert values[name].item() == pytest.approx(value, abs=1e-12)


def test_batches_their_order_and_padding_do_not_change_a_bit():
    score, mos = columns()
    image = torch.arange(53)
    whole = quality(score, mos)
    metric = QualityMetrics()
    for rows in torch.randperm(53, generator=torch.Generator().manual_seed(1)).split(8):
        metric.update(score[rows], mos[rows], image[rows])
    metric.update(score[:3], mos[:3], image[:3])
    assert metric.compute() == whole


def test_an_image_that_comes_twice_must_come_alike():
    score, mos = columns(8)
    image = torch.tensor([0, 1, 2, 3, 4, 5, 6, 0])
    mos[7] = mos[0]
    with pytest.raises(MetricError, match=r"score: expected one value per image.*image\(s\) 0\."):
        quality(score, mos, image)
    score[7] = score[0] + 0.005 * score.abs().max()  # another batch, half precision
    once = quality(score[:7], mos[:7])
    assert quality(score, mos, image) == once
    with pytest.raises(MetricError, match="score"):
        quality(score, mos, image, tolerance=1e-4)


def test_nan_is_an_error_that_names_the_images():
    score, mos = columns(6)
    score[[1, 4]] = math.nan
    with pytest.raises(MetricError, match=r"score: .*found 2 of 6.*Images: 31, 34\."):
        quality(score, mos, torch.arange(30, 36))


def test_a_constant_is_undefined_and_not_zero():
    values = quality(torch.full((9,), 0.1), torch.rand(9))
    assert all(values[name].isnan() for name in ("srcc", "plcc", "krcc"))
    assert values["rmse"] > 0


def test_a_far_outlier_in_float32():
    score, mos = columns(4000)
    score[5] = 1e30
    assert quality(score, mos)["plcc"].isfinite()


def test_half_precision_is_widened_before_anything_is_computed():
    score, mos = columns()
    half = quality(score.bfloat16(), mos)
    assert half == quality(score.bfloat16().double(), mos)
    assert half["rmse"].item() == pytest.approx(quality(score, mos)["rmse"].item(), abs=0.01)


def test_a_network_in_bfloat16_does_not_round_what_is_collected():
    module = torch.nn.Module()
    module.quality = QualityMetrics()
    score, mos = columns()
    expected = quality(score, mos)
    module.to(torch.bfloat16)
    module.quality.update(score, mos, torch.arange(53))
    assert module.quality.compute() == expected
    module.quality.reset()
    module.half()
    module.quality.update(score, mos, torch.arange(53))
    assert module.quality.compute() == expected


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (torch.rand(4, 1), r"score: expected shape \(4,\).*found \(4, 1\)"),
        (torch.rand(3), r"score: expected shape \(4,\).*found \(3,\)"),
        (torch.tensor(0.5), r"score: expected shape \(4,\).*found \(\)"),
    ],
)
def test_shapes_are_checked_at_the_update(score, message):
    with pytest.raises(MetricError, match=message):
        QualityMetrics().update(score, torch.rand(4), torch.arange(4))


def test_a_squeezed_batch_of_one_is_refused():
    with pytest.raises(MetricError, match=r"expected shape \(1,\).*found \(\)"):
        QualityMetrics().update(torch.tensor(0.5), torch.tensor(0.5), torch.tensor(3))


def test_a_refused_batch_leaves_nothing_behind():
    score, mos = columns(5)
    metric = QualityMetrics()
    with pytest.raises(MetricError):
        metric.update(score, mos[:3], torch.arange(5))
    metric.update(score, mos, torch.arange(5))
    assert metric.compute() == quality(score, mos)


def test_reset_forgets():
    score, mos = columns()
    metric = QualityMetrics()
    metric.update(-score, mos, torch.arange(53))
    metric.compute()
    metric.reset()
    metric.update(score, mos, torch.arange(53))
    assert metric.compute() == quality(score, mos)


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_without_any_image_all_is_undefined():
    assert all(value.isnan() for value in QualityMetrics().compute().values())
    assert all(value.isnan() for value in GradeMetrics(5).compute().values())


def test_copies_and_pickles():
    score, mos = columns()
    metric = QualityMetrics()
    metric.update(score, mos, torch.arange(53))
    for other in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert other.compute() == metric.compute()


def test_gradients_are_not_kept():
    metric = QualityMetrics()
    metric.update(torch.rand(3, requires_grad=True), torch.rand(3), torch.arange(3))
    assert not metric.score[0].requires_grad


def test_grades_by_hand():
    metric = GradeMetrics(3)
    probabilities = torch.tensor([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8]]).double()
    metric.update(probabilities[:2], torch.tensor([0, 1]), torch.tensor([7, 5]))
    metric.update(probabilities[1:], torch.tensor([1, 0]), torch.tensor([5, 6]))  # 5 again
    values = {name: value.item() for name, value in metric.compute().items()}
    # True 0, 1, 0; predicted 0, 2, 2: n Σd² = 3 · 5, n Σ(t² + p²) − 2 Σt Σp = 3 · 9 − 2 · 4.
    assert values == {
        "accuracy": pytest.approx(1 / 3),
        "adjacent_accuracy": pytest.approx(2 / 3),
        "kappa": pytest.approx(1 - 15 / 19),
        # Confidences .8 and .8 with one right share a bin; .7 is wrong.
        "ece": pytest.approx((0.7 + 2 * 0.3) / 3),
    }


def test_grades_refuse_what_is_no_grade():
    metric = GradeMetrics(3)
    with pytest.raises(MetricError, match=r"probabilities: expected shape \(2, 3\)"):
        metric.update(torch.rand(2, 5), torch.tensor([0, 1]), torch.arange(2))
    metric.update(torch.eye(3), torch.tensor([0, 1, -1]), torch.arange(3))
    with pytest.raises(MetricError, match=r"true grade: .*in 0\.\.2"):
        metric.compute()
    metric.reset()
    metric.update(torch.randn(3, 3), torch.tensor([0, 1, 2]), torch.arange(3))
    with pytest.raises(MetricError, match="Apply a softmax first"):
        metric.compute()


def test_in_a_lightning_loop():
    score, mos = columns(11)

    class Task(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.quality = QualityMetrics()

        def validation_step(self, batch, _):
            self.quality.update(*batch)

        def on_validation_epoch_end(self):
            self.log_dict({f"val/{k}": v for k, v in self.quality.compute().items()})
            self.quality.reset()

    rows = torch.utils.data.TensorDataset(score, mos, torch.arange(11))
    trainer = L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    task = Task()
    for _ in range(2):
        logged = trainer.validate(task, torch.utils.data.DataLoader(rows, 4), verbose=False)[0]
        for name, value in quality(score, mos).items():
            assert logged[f"val/{name}"] == pytest.approx(value.item(), abs=1e-6)
