"""Every network that needs no reference takes a tensor of images, passes gradients, is exported."""

import pytest
import torch

from hmtnet.data.grades import Grades
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.cnniqa.network import CNNIQANet, CNNIQASettings
from hmtnet.models.hmtnet.grading import GradingNet, GradingSettings
from hmtnet.models.hmtnet.network import HMTNet
from hmtnet.models.hmtnet.sfen import SFEN, SFENSettings
from hmtnet.models.mfen.dan import DAN, DANSettings
from hmtnet.models.mfen.network import MFEN, MFENSettings
from hmtnet.models.nemg.network import NEMGNet, NEMGSettings
from hmtnet.models.plain.network import PlainNet, PlainSettings
from hmtnet.models.pmt.network import PMTNet, PMTSettings
from hmtnet.models.quality import Prediction
from hmtnet.models.ridge.network import RidgeNet, RidgeSettings
from hmtnet.models.system import own_systems

SMALL = BackboneSettings(widths=(4, 4, 8, 8))
GRADES = Grades(edges=(0.15, 0.4, 0.6, 0.85))


def hmtnet(frozen):
    grading = GradingNet(GradingSettings(encoder=SMALL, embedding=4), GRADES)
    return HMTNet(grading, SFEN(SFENSettings(backbone=SMALL), GRADES, 4), grading_frozen=frozen)


def mfen():
    settings = MFENSettings(backbone=SMALL, hfen_widths=(8, 8, 8, 8))
    return MFEN(settings, DAN(DANSettings(backbone=SMALL), torch.tensor([0.2, 0.8])))


# By system and stage. AHIQ is not among them: it compares an image with its reference.
NETWORKS = {
    "cnniqa.cnniqa": lambda: CNNIQANet(CNNIQASettings(kernels=4, hidden=8)),
    "hmtnet.grading": lambda: GradingNet(GradingSettings(encoder=SMALL), GRADES),
    "hmtnet.sfen": lambda: hmtnet(True),
    "hmtnet.joint": lambda: hmtnet(False),
    "mfen.dan": lambda: DAN(DANSettings(backbone=SMALL), torch.tensor([0.2, 0.8])),
    "mfen.quality": mfen,
    "nemg.nemg": lambda: NEMGNet(NEMGSettings(backbone=SMALL, semantic=(8,), width=8)),
    "plain.plain": lambda: PlainNet(PlainSettings(backbone=SMALL)),
    "pmt.pmt": lambda: PMTNet(PMTSettings(backbone=SMALL)),
    "ridge.ridge": lambda: RidgeNet(RidgeSettings(backbone=SMALL)),
}


def test_every_stage_is_here():
    stages = {f"{system.name}.{stage.name}" for system in own_systems() for stage in system.stages}
    assert {name for name in stages if not name.startswith("ahiq.")} == NETWORKS.keys()


@pytest.fixture(params=NETWORKS)
def network(request):
    made = NETWORKS[request.param]().eval()
    for parameter in made.parameters():  # what starts at zero would pass no gradient on
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.3)
    return made


def test_whole_images_are_seen_as_one_crop_each(network):
    images = torch.randint(0, 256, (2, 3, 96, 128), dtype=torch.uint8)
    with torch.no_grad():
        found = network(images)
        assert found.unit_score.shape == (2,) and found.unit_score.isfinite().all()
        torch.testing.assert_close(network(images / 255).unit_score, found.unit_score)
        alone = network(images[1:]).unit_score
    torch.testing.assert_close(alone, found.unit_score[1:], rtol=0, atol=1e-5)


def test_what_it_shows_is_there_and_said_in_words(network):
    with torch.no_grad():
        maps = network(torch.rand(2, 3, 96, 96)).maps
    assert network.shows.keys() <= maps.keys()
    for name, style in network.shows.items():
        assert bool(style.title) == bool(style.hint), name
        if style.kind == "levels":
            assert maps[name].shape[2] == len(style.names)


def test_a_gradient_reaches_the_image(network):
    images = torch.rand(2, 3, 96, 96, requires_grad=True)
    if isinstance(network, DAN):
        return  # its score is read off an embedding that no gradient goes back through
    network(images).unit_score[0].backward()
    assert images.grad[0].abs().sum() > 0 and not images.grad[1].any()


def test_it_is_exported_and_says_the_same(network):
    images = torch.rand(2, 3, 96, 96)
    with torch.no_grad():
        program = torch.export.export(network, (images,))
        found, expected = program.module()(images), network(images)
    assert isinstance(found, Prediction)
    torch.testing.assert_close(found.unit_score, expected.unit_score)
