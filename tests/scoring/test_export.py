"""A stage as one file: whatever the size, it says what scoring says."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hmtnet.data.crops import CropSettings
from hmtnet.errors import ArtifactError, SettingsError
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.cnniqa.network import CNNIQASettings, CNNIQAStageSettings
from hmtnet.models.hmtnet.grading import GradingSettings
from hmtnet.models.hmtnet.settings import HMTNetSettings, JointStageSettings
from hmtnet.models.hmtnet.sfen import SFENSettings
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.plain.network import PlainSettings, PlainStageSettings
from hmtnet.models.pmt.network import PMTSettings, PMTStageSettings
from hmtnet.models.system import SYSTEMS
from hmtnet.scoring.export import export
from hmtnet.scoring.portable import Portable
from hmtnet.scoring.scorer import Scorer

CROPS = CropSettings(size=48)
SMALL = BackboneSettings(widths=(4, 4, 8, 8))
SFEN = SFENSettings(backbone=SMALL, features=8, pool="saliency", saliency="sdsp")
DMOS = {"label_kind": "human", "mos_range": [10.0, 90.0], "higher_is_better": False}
STAGES = {
    "cnniqa": CNNIQAStageSettings(network=CNNIQASettings(kernels=4, hidden=8), crops=CROPS),
    "plain": PlainStageSettings(network=PlainSettings(backbone=SMALL), crops=CROPS),
    "pmt": PMTStageSettings(
        network=PMTSettings(backbone=SMALL), crops=CropSettings(size=64, grid=2)
    ),
    "hmtnet": JointStageSettings(
        network=HMTNetSettings(grading=GradingSettings(encoder=SMALL, embedding=4)), crops=CROPS
    ),
    "hmtnet of other parts": JointStageSettings(
        network=HMTNetSettings(grading=GradingSettings(encoder=SMALL, embedding=4), sfen=SFEN),
        crops=CropSettings(size=48, grid=1),
    ),
}
SHAPES = [(48, 48), (49, 130), (150, 100), (20, 31), (20, 200), (1, 1), (96, 64)]
BESSEL = """
import torch
from hmtnet.models.optimisation import FitSettings
from hmtnet.models.quality import Prediction, QualityNetwork
from hmtnet.models.system import Stage, System

class Bessel(QualityNetwork):
    by_crop = True

    def __init__(self):
        super().__init__()
        self.factor = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, crops):
        means = torch.special.bessel_j0(crops.pixels.mean((1, 2, 3)))
        return Prediction(unit_score=crops.mean_by_image(self.factor * means))

SYSTEM = System("bessel", (Stage("bessel", FitSettings, lambda settings, given: Bessel(), ""),))
"""


@pytest.fixture
def scorer(leave):
    def make(name):
        system = name.partition(" ")[0]
        stage = "joint" if system == "hmtnet" else system
        return Scorer(leave(STAGES[name], system, stage, DMOS)[0], "cpu")

    return make


@pytest.fixture
def bessel(leave, tmp_path, monkeypatch):
    """Leave a stage with an operator that ONNX does not know."""
    (tmp_path / "bessel_system.py").write_text(BESSEL)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SYSTEMS, "bessel", "bessel_system:SYSTEM")
    return Scorer(leave(FitSettings(), "bessel", "bessel")[0], "cpu")


@pytest.mark.parametrize("name", STAGES)
def test_the_module_says_what_scoring_says(scorer, noise, name):
    live = scorer(name)
    module = Portable(live.restored.network, live.restored.settings.crops, live.mos_range, False)
    for shape in SHAPES:
        images = [noise(*shape, seed=seed) for seed in range(3)]
        with torch.no_grad():
            found = module(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        said = dict(zip(module.outputs, found, strict=True))
        for row, image in enumerate(images):
            verdict = live(image, maps=False)
            assert float(said["unit_score"][row]) == pytest.approx(verdict.unit_score, abs=1e-5)
            assert float(said["score"][row]) == pytest.approx(verdict.score, abs=1e-3)
            if verdict.grades:
                assert int(said["grade"][row]) == verdict.grade
                np.testing.assert_allclose(
                    said["probabilities"][row], verdict.probabilities, atol=1e-5
                )


def test_a_file_needs_onnxruntime_alone(scorer, tmp_path, noise, capsys, monkeypatch):
    live, path = scorer("cnniqa"), tmp_path / "new" / "cnniqa.onnx"
    parity = export(live, path, images=8)
    assert parity.largest < 1e-4 and parity.images == 8
    Image.fromarray(noise(70, 110)).save(tmp_path / "a.png")
    example = Path(__file__).parents[2] / "docs/examples/onnx/score.py"
    monkeypatch.setattr(sys, "argv", ["score.py", str(path), str(tmp_path / "a.png")])
    runpy.run_path(str(example))
    first, second = capsys.readouterr().out.splitlines()
    assert first == "range 10.0 to 90.0, 10.0 is best"
    assert float(second.split()[0]) == pytest.approx(live(tmp_path / "a.png").score, abs=1e-3)


@pytest.mark.full
@pytest.mark.parametrize("to", ["onnx", "torch-export"])
@pytest.mark.parametrize("name", STAGES)
def test_every_system_at_fifty_sizes(scorer, tmp_path, name, to):
    path = tmp_path / ("a.onnx" if to == "onnx" else "a.pt2")
    parity = export(scorer(name), path, to)
    assert parity.images == 50 and parity.largest <= 1e-4 and path.is_file()


@pytest.mark.full
def test_int8_is_smaller_and_its_loss_is_measured(scorer, tmp_path):
    live = scorer("plain")
    whole, small = (tmp_path / name for name in ("whole.onnx", "small.onnx"))
    export(live, whole, images=4)
    parity = export(live, small, int8=True, images=20)
    assert 1e-6 < parity.mean <= parity.largest < 0.2


@pytest.mark.full
def test_a_program_of_torch_says_what_it_is(scorer, tmp_path, noise):
    live, path = scorer("plain"), tmp_path / "plain.pt2"
    export(live, path, "torch-export", images=4)
    extra = {"hmtnet.json": ""}
    program = torch.export.load(path, extra_files=extra)
    about = json.loads(extra["hmtnet.json"])
    assert about["system"] == "plain" and about["best"] == 10 and about["tiles"]["size"] == 48
    image = noise(60, 90)
    (score, _) = program.module()(torch.from_numpy(image).permute(2, 0, 1)[None])
    assert float(score) == pytest.approx(live(image).score, abs=1e-3)


def test_an_operator_that_the_format_lacks_is_named(bessel, tmp_path):
    with pytest.raises(ArtifactError, match=r"operator '\w+\.\w*bessel_j0'") as error:
        export(bessel, tmp_path / "a.onnx", images=1)
    assert "cannot be written as onnx" in str(error.value)
    assert list(tmp_path.glob("*.onnx")) == []


def test_a_file_that_says_something_else_does_not_appear(bessel, tmp_path, monkeypatch):
    monkeypatch.setattr("hmtnet.scoring.export.TOLERANCE", -1)
    with pytest.raises(ArtifactError, match=r"expected at most -1.*was not written"):
        export(bessel, tmp_path / "a.pt2", "torch-export", images=1)
    assert list(tmp_path.glob("*.pt2")) == []


def test_what_cannot_be_is_refused_before_it_takes_time(scorer, spread, tmp_path, monkeypatch):
    live = scorer("plain")
    for path, to in ((tmp_path / "a.pt2", "onnx"), (tmp_path / "a.onnx", "torch-export")):
        with pytest.raises(SettingsError, match=f"format {to} ends in"):
            export(live, path, to)
    with pytest.raises(SettingsError, match="int8: only ONNX"):
        export(live, tmp_path / "a.pt2", "torch-export", int8=True)
    with pytest.raises(SettingsError, match="'paired' compares images"):
        export(Scorer(spread("paired")[0], "cpu"), tmp_path / "a.onnx")
    monkeypatch.setattr("hmtnet.scoring.export.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r'pip install "hmtnet\[export\]"'):
        export(live, tmp_path / "a.onnx")
    assert list(tmp_path.glob("a.*")) == []
