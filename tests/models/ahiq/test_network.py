import dataclasses

import pytest
import timm
import torch
from safetensors.torch import save_file

from hmtnet.data.crops import Crops, CropSettings
from hmtnet.errors import DataError, SettingsError
from hmtnet.models.ahiq import AHIQ, AHIQSettings
from hmtnet.models.ahiq.transformer import TransformerSettings
from hmtnet.models.backbone import BackboneSettings
from hmtnet.models.optimisation import OptimizerSettings, optimizer_for


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights files of timm's smallest vision transformer and convolutional network."""
    folder = tmp_path_factory.mktemp("weights")
    paths = {name: folder / f"{name}.safetensors" for name in ("test_vit", "test_efficientnet")}
    for name, path in paths.items():
        torch.manual_seed(2)
        save_file(timm.create_model(name).state_dict(), path)
    return {name: str(path) for name, path in paths.items()}


@pytest.fixture
def loaded(settings, weights):
    """Settings whose transformer and CNN both start from weights."""
    return dataclasses.replace(
        settings,
        transformer=TransformerSettings(
            name="test_vit.r160_in1k", weights=weights["test_vit"], blocks=2
        ),
        backbone=BackboneSettings(name="test_efficientnet", weights=weights["test_efficientnet"]),
    )


@pytest.mark.parametrize(("patch", "side"), [(8, 28), (16, 14)])
def test_the_published_network_has_the_published_taps_and_parameters(patch, side):
    settings = AHIQSettings(
        transformer=TransformerSettings(name=f"vit_base_patch{patch}_224", weights="none"),
        backbone=BackboneSettings(name="resnet50.a1_in1k"),
        frozen=True,
    )
    with torch.device("meta"):
        network = AHIQ(settings)
        transformer, cnn = network.features(torch.zeros(4, 3, 224, 224))
        assert transformer.shape == (4, 3840, side, side) and cnn.shape == (4, 768, 56, 56)
        fused = network.fuse(cnn, transformer[2:])
        assert fused.shape == (4, 768, side, side)
        differences = network.head.differences(torch.cat([transformer, fused], 1))
        assert differences.shape == (2, 768, side, side)
        assert network.head.compare(differences).shape == (2, 256, side, side)
    trained = [p for p in network.parameters() if p.requires_grad]
    assert (count(network.fuse), count(network.head)) == (13_010_450, 14_158_338)
    assert sum(p.numel() for p in trained) == 27_168_788
    rounded = [round(n / 1e6, 2) for n in (13_010_450, 14_158_338, 27_168_788)]
    assert rounded == [13.01, 14.16, 27.17]


def test_the_settings_of_the_published_network_are_the_defaults():
    settings = AHIQSettings()
    assert settings.normalisation == "half" and settings.fusion == "deformable"
    assert settings.frozen == "auto" and settings.transformer == TransformerSettings()


def test_a_score_an_image_and_two_maps(make_network, make_pairs):
    network = make_network().eval()
    prediction = network(make_pairs((2, 1, 3)))
    assert prediction.unit_score.shape == (3,) and prediction.unit_score.dtype == torch.float32
    assert prediction.log_grades is None and set(prediction.maps) == {"local_score", "local_weight"}
    assert all(values.shape == (6, 1, 3, 3) for values in prediction.maps.values())
    assert network.needs_reference and network.by_crop and not network.graded
    assert network.saliency_operator is None


def test_an_image_s_score_is_the_mean_over_its_crops_and_knows_no_other_image(
    make_network, make_pairs
):
    network = make_network().eval()
    crops = make_pairs((2, 3))
    alone = torch.cat(
        [
            network(
                Crops(
                    crops.pixels[i : i + 1],
                    torch.zeros(1, dtype=torch.long),
                    1,
                    reference=crops.reference[i : i + 1],
                )
            ).unit_score
            for i in range(5)
        ]
    )
    expected = torch.stack([alone[:2].mean(), alone[2:].mean()])
    torch.testing.assert_close(network(crops).unit_score, expected)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("fusion", ["deformable", "none"])
def test_an_image_that_is_its_reference_differs_in_nothing(
    make_network, make_pairs, fusion, training
):
    network = make_network(fusion=fusion).train(training)
    if fusion == "deformable":
        torch.nn.init.normal_(network.fuse.offsets.weight)
    pixels = make_pairs().pixels
    transformer, cnn = network.features(torch.cat([pixels, pixels]))
    fused = network.fuse(cnn, transformer[len(pixels) :])
    found = network.head.differences(torch.cat([transformer, fused], 1))
    difference, distorted, reference = found.chunk(3, 1)
    assert not difference.any() and torch.equal(distorted, reference) and distorted.any()


def test_it_looks_at_both_images(make_network, make_pairs):
    network = make_network().eval()
    crops = make_pairs()
    for name in ("pixels", "reference"):
        other = dataclasses.replace(crops, **{name: getattr(crops, name).flip(3)})
        assert not torch.equal(network(other).unit_score, network(crops).unit_score), name
    exchanged = dataclasses.replace(crops, pixels=crops.reference, reference=crops.pixels)
    assert not torch.equal(network(exchanged).unit_score, network(crops).unit_score)


def test_crops_without_references_are_refused(make_network, make_pairs):
    crops = dataclasses.replace(make_pairs(), reference=None)
    with pytest.raises(DataError, match="beside its reference, and these crops carry none"):
        make_network()(crops)


def test_crops_that_patches_do_not_divide_are_refused(make_network, make_pairs):
    with pytest.raises(SettingsError, match=r"Crops of 40 pixels .*size\.crops\.size=32"):
        make_network()(make_pairs(size=40))


@pytest.mark.parametrize(("size", "side"), [(16, 1), (64, 4), (112, 7)])
def test_crops_of_other_sizes_serve(make_network, make_pairs, size, side):
    prediction = make_network().eval()(make_pairs((1, 1), size=size))
    assert prediction.unit_score.isfinite().all() and prediction.maps["local_score"].shape == (
        2,
        1,
        side,
        side,
    )


def test_pixels_enter_as_the_settings_say(make_network, make_pairs):
    pixels = make_pairs().pixels
    for_transformer, for_cnn = make_network(normalisation="half")._normalise(pixels)
    torch.testing.assert_close(for_transformer, 2 * pixels - 1)
    assert for_cnn is for_transformer
    network = make_network(normalisation="weights")
    for_transformer, for_cnn = network._normalise(pixels)
    torch.testing.assert_close(for_transformer, network.transformer.standardise(pixels))
    torch.testing.assert_close(for_cnn, network.cnn.backbone.normalise(pixels))
    assert (for_cnn - for_transformer).abs().max() > 0.1


def test_every_parameter_learns_where_nothing_was_loaded(make_network, make_pairs):
    network = make_network()
    assert network.frozen == ()
    network(make_pairs((2, 2))).unit_score.square().sum().backward()
    # A bias before a batch norm and a dead channel may go without a gradient of some size.
    silent = [n for n, p in network.named_parameters() if p.ndim > 1 and p.grad is None]
    assert not silent


@pytest.mark.parametrize(
    ("frozen", "transformer", "cnn"),
    [("auto", True, False), (True, True, True), (False, False, False)],
)
def test_auto_freezes_exactly_what_was_loaded(loaded, settings, frozen, transformer, cnn):
    mixed = dataclasses.replace(loaded, backbone=settings.backbone, frozen=frozen)
    network = AHIQ(mixed).train()
    for part, expected in ((network.transformer, transformer), (network.cnn, cnn)):
        assert (part in network.frozen) == expected
        assert all(p.requires_grad != expected for p in part.parameters())
        assert all(module.training != expected for module in part.modules() if module is not part)
        assert part.training != expected


def test_nothing_of_what_is_frozen_changes_or_is_differentiated(loaded, make_pairs):
    network = AHIQ(loaded).train()
    before = {n: t.clone() for n, t in network.state_dict().items()}
    transformer, cnn = network.features(make_pairs().pixels)
    assert not transformer.requires_grad and not cnn.requires_grad
    optimizer = optimizer_for(network, OptimizerSettings(lr=0.01))
    network(make_pairs()).unit_score.sum().backward()
    optimizer.step()
    after = network.state_dict()
    changed = {n.partition(".")[0] for n, t in before.items() if not torch.equal(t, after[n])}
    assert changed == {"fuse", "head"}
    assert all(p.grad is None for part in network.frozen for p in part.parameters())


def test_what_was_loaded_and_may_learn_learns_at_the_lower_rate(loaded):
    network = AHIQ(dataclasses.replace(loaded, frozen=False))
    optimizer = optimizer_for(network, OptimizerSettings(lr=1.0, loaded_lr=0.25))
    rates = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    for name, parameter in network.named_parameters():
        slow = name.startswith(("transformer.", "cnn."))
        assert rates[id(parameter)] == (0.25 if slow else 1.0), name


def test_under_bfloat16_scores_are_float32_and_gradients_finite(make_network, make_pairs):
    network = make_network()
    crops = make_pairs((1,) * 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        prediction = network(crops)
    assert prediction.unit_score.dtype == torch.float32
    # Half precision would leave its zeros behind the eighth binary digit.
    assert not torch.equal(prediction.unit_score, prediction.unit_score.bfloat16().float())
    prediction.unit_score.sum().backward()
    assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
    with torch.no_grad():
        exact = network.eval()(crops).unit_score
        with torch.autocast("cpu", dtype=torch.bfloat16):
            near = network(crops).unit_score
    assert (near - exact).abs().max() < 0.02


def test_it_judges_a_whole_image_beside_its_reference(make_network, assess):
    network = make_network().eval()
    image, reference = torch.randint(0, 256, (2, 3, 70, 50), dtype=torch.uint8)
    prediction = assess(network, image, CropSettings(size=48), reference=reference)
    assert prediction.unit_score.shape == (1,) and prediction.maps["local_weight"].shape[0] == 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fusion_width": 0}, "fusion_width: expected at least 1, found 0"),
        ({"embedding": 0}, "embedding: expected at least 1, found 0"),
        ({"head": (8, 0, 8)}, r"head: expected three positive widths, found \(8, 0, 8\)"),
    ],
)
def test_settings_that_make_no_network_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        AHIQSettings(**wrong)
