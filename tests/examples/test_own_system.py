"""The example package that adds a system: chosen, trained, judged and restored like ours."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.cli.main import BAD_INPUT
from hmtnet.data.batch import Batch
from hmtnet.data.crops import Crops
from hmtnet.data.grades import Grades
from hmtnet.data.readers import read
from hmtnet.data.record import Record
from hmtnet.data.settings import DataSettings
from hmtnet.data.training_labels import TrainingLabels
from hmtnet.errors import ArtifactError, SettingsError
from hmtnet.models.inputs import StageInputs
from hmtnet.models.quality import Prediction
from hmtnet.models.system import find_system
from hmtnet.scoring.scorer import Scorer
from hmtnet.storage import key

PACKAGE = Path(__file__).parents[2] / "docs/examples/own_system"
QUICK = (
    "trainer=cpu",
    "size.crops={size: 48, count: 1, grid: 1}",
    "size.backbone.widths=[16,16,16]",
)


@pytest.fixture(scope="module")
def site(install, tmp_path_factory):
    """The package is installed for all tests of this file that do not ask for ``uninstalled``."""
    folder = tmp_path_factory.mktemp("site")
    with install("own_system", folder):
        yield folder


@pytest.fixture
def uninstalled(site, monkeypatch):
    ours = {str(site), str(PACKAGE / "src")}
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in ours])
    importlib.invalidate_caches()
    yield
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def demo_runs(site, hmtnet, tmp_path_factory):
    """It and one of ours on the demo; the folder of runs."""
    runs = tmp_path_factory.mktemp("own") / "runs"
    for system, epochs in (("sharpness", 4), ("ridge", 1)):
        words = (f"system={system}", f"system.{system}.epochs={epochs}", f"runs={runs}")
        done = hmtnet("train", *words, *QUICK)
        assert done.code == 0, done.err
    return runs / "demo"


@pytest.fixture(scope="module")
def trained(demo_runs):
    (path,) = demo_runs.glob("*/sharpness-*/stage.json")  # not the row of that name
    return path.parent


def test_it_learns_from_the_demo_and_leaves_what_every_stage_leaves(trained):
    meta = store.read_meta(trained)
    assert (meta["system"], meta["stage"]) == ("sharpness", "sharpness")
    assert meta["package"] == {"name": "sharpness", "version": "1.0"}
    assert meta["settings"]["network"] == {"scales": 2, "hidden": 32}
    assert meta["val_srcc"] > 0.3
    found = prediction_files.read(trained / "predictions.csv")
    assert found.subsets == ("train", "val", "test") and len(set(found.image)) == 432


def test_ours_are_said_to_come_with_no_package(demo_runs):
    (path,) = demo_runs.glob("*/ridge-*")
    assert "package" not in store.read_meta(path)


def test_the_report_shows_it_beside_ours_and_needs_no_package(
    demo_runs, uninstalled, hmtnet, tmp_path
):
    done = hmtnet("report", demo_runs, "--output", tmp_path)
    assert done.code == 0, done.err
    page = (tmp_path / "report.html").read_text()
    table = (tmp_path / "report.md").read_text()
    for row in ("sharpness", "ridge", "label-only", "scale-only"):
        assert row in page and row in table


def test_it_is_evaluated_on_another_dataset(trained, hmtnet, tiny_root, tmp_path):
    on = ("data=qads", f"data.root={tiny_root}", f"runs={tmp_path}", "trainer=cpu")
    done = hmtnet("evaluate", f"artifact={trained}", *on)
    assert done.code == 0, done.err
    assert "test subset: 24 images" in done.out and "sharpness" in done.out


def test_a_scorer_says_what_was_predicted(trained, demo_root):
    found = prediction_files.read(trained / "predictions.csv").select("test")
    verdict = Scorer(trained, device="cpu")(demo_root / found.image[0])
    assert verdict.score == pytest.approx(found.score[0], abs=1e-6)


def test_without_the_package_its_name_is_told(trained, uninstalled, hmtnet, tmp_path):
    missing = r"comes with the package sharpness 1\.0\. Unknown system 'sharpness'.*Install that"
    with pytest.raises(ArtifactError, match=missing):
        Scorer(trained)
    done = hmtnet("evaluate", f"artifact={trained}", f"runs={tmp_path}")
    assert done.code == BAD_INPUT and "the package sharpness 1.0" in done.err
    refused = hmtnet("train", "system=sharpness")
    assert refused.code == BAD_INPUT and "Unknown system 'sharpness'" in refused.err


def test_an_artifact_of_another_version_says_whose_version(trained, tmp_path, rewrite):
    copy = shutil.copytree(trained, tmp_path / trained.name)

    def renamed(document):
        network = document["settings"]["network"]
        network["width"] = network.pop("hidden")

    rewrite(copy, renamed)
    with pytest.raises(ArtifactError, match=r"the version of the package sharpness 1\.0 that"):
        Scorer(copy)


def test_messages_count_it_among_the_systems(site, hmtnet):
    unknown = hmtnet("train", "system=sharpnes")
    assert unknown.code == BAD_INPUT
    assert "Unknown system 'sharpnes'. Did you mean 'sharpness'?" in unknown.err
    misspelt = hmtnet("train", "system.name=sharpnes")
    assert "Unknown system 'sharpnes'. Did you mean 'sharpness'?" in misspelt.err
    setting = hmtnet("train", "system=sharpness", "system.sharpness.network.scale=3")
    assert "'system.sharpness.network.scale'. Did you mean 'scales'?" in setting.err


def stage_digest():
    """Digest the sources anew, as a new process would."""
    for function in (key._sources_digest, key._read, key.find_source):
        function.cache_clear()
    return key.sources_digest(["sharpness.network", "sharpness.task", "hmtnet.data.datamodule"])


def test_its_own_sources_decide_whether_a_run_is_reused(site, tmp_path, monkeypatch):
    copy = shutil.copytree(PACKAGE / "src", tmp_path / "src")
    for name in [name for name in sys.modules if name.partition(".")[0] == "sharpness"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(copy))
    before = stage_digest()
    (copy / "sharpness/conf/system/sharpness.yaml").write_text("# settings count by themselves")
    (copy / "sharpness/unused.py").write_text("")
    assert stage_digest() == before
    changed = set()
    for module in ("__init__", "network", "task"):
        with (copy / f"sharpness/{module}.py").open("a") as stream:
            stream.write("changed = 1\n")
        changed.add(stage_digest())
    assert len(changed) == 3 and before not in changed
    monkeypatch.undo()
    assert stage_digest() == before


CROOKED = {"hmtnet.systems": {"crooked": "crooked.system:SYSTEM"}}
CONF = {
    "crooked/conf/system/crooked.yaml": "name: crooked\n",
}


def test_a_broken_package_is_one_clear_message_and_breaks_no_other(site, install_made_up, hmtnet):
    broken = {"crooked/__init__.py": "", "crooked/system.py": "import no_such_module"}
    install_made_up("crooked", CROOKED, {**broken, **CONF})
    done = hmtnet("train", "system=crooked")
    assert (done.code, done.out) == (BAD_INPUT, "")
    assert done.err.startswith("hmtnet: System 'crooked' of the package 'crooked' cannot be")
    assert "ModuleNotFoundError: No module named 'no_such_module'" in done.err
    assert "Traceback" not in done.err and done.err.count("hmtnet: ") == 1
    # Another one composes, and reaches its own door.
    other = hmtnet("train", "system=sharpness", "stages=[sharp]")
    assert "unknown stage 'sharp'. Did you mean 'sharpness'?" in other.err


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("from hmtnet.models.system import Sistem", "ImportError: cannot import name 'Sistem'"),
        ("SYSTEM = 1 / 0", "ZeroDivisionError: division by zero"),
        ("SYSTEM = (", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "AttributeError: "),
    ],
)
def test_whatever_breaks_it_the_package_is_named(install_made_up, system, message):
    install_made_up("crooked", CROOKED, {"crooked/__init__.py": "", "crooked/system.py": system})
    with pytest.raises(SettingsError, match=rf"package 'crooked' cannot be imported.*{message}"):
        find_system("crooked")
    assert find_system("plain").name == "plain"


def test_a_package_without_configuration_is_named(install_made_up, hmtnet):
    files = {"crooked/__init__.py": "", "crooked/system.py": ""}
    install_made_up("crooked", CROOKED, files)
    done = hmtnet("train", "system=crooked")
    assert done.code == BAD_INPUT
    assert "System 'crooked' of the package 'crooked' has no configuration" in done.err
    assert "conf/system/crooked.yaml beside its module crooked.system" in done.err


def test_a_system_that_calls_itself_otherwise_is_refused(install_made_up):
    text = "from hmtnet.models.system import System\nSYSTEM = System('straight', ())\n"
    install_made_up("crooked", CROOKED, {"crooked/__init__.py": "", "crooked/system.py": text})
    with pytest.raises(SettingsError, match=r"calls itself 'straight'.*Name the entry point and"):
        find_system("crooked")


def test_two_packages_with_one_name_are_refused_where_it_is_asked_for(site, install_made_up):
    points = {"hmtnet.systems": {"sharpness": "blunt:SYSTEM"}}
    install_made_up("blunt", points, {"blunt/__init__.py": ""})
    with pytest.raises(SettingsError, match="packages blunt and sharpness both add a system"):
        find_system("sharpness")
    assert find_system("plain").name == "plain"


@pytest.fixture
def network(site):
    from sharpness.network import SharpnessNet, SharpnessSettings

    return SharpnessNet(SharpnessSettings()).eval()


def test_its_statistics_are_what_they_say(site):
    from sharpness.network import FLOOR, statistics

    from hmtnet.perception import luminance, mscn, sobel

    pixels = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(0))
    found = statistics(pixels).double().numpy()
    edges = sobel(pixels)[:, 2].double().numpy()
    detail = luminance(mscn(pixels))[:, 0].double().numpy()
    for i in range(2):
        steep, m = edges[i], detail[i]
        variance = (m**2).mean() + FLOOR
        right = (m[1:, 1:-1] * m[1:, :-2]).mean()
        below = (m[1:, 1:-1] * m[:-1, 1:-1]).mean()
        falling = (m[1:, 1:-1] * m[:-1, :-2]).mean()
        rising = (m[1:, 1:-1] * m[:-1, 2:]).mean()
        expected = [
            np.log((steep.std(ddof=1) + FLOOR) / (steep.mean() + FLOOR)),
            np.log(variance),
            variance / (np.abs(m).mean() + FLOOR**0.5) ** 2,
            *(np.array([right, below, falling, rising]) / variance),
        ]
        np.testing.assert_allclose(found[i], expected, rtol=1e-4, atol=1e-5)


def test_blur_ties_neighbours_together_and_a_flat_crop_is_finite(site):
    from sharpness.network import statistics

    noise = np.random.default_rng(0).uniform(size=(3, 48, 48))
    crops = np.stack([noise, gaussian_filter(noise, (0, 1, 1)), np.full_like(noise, 0.5)])
    sharp, soft, flat = statistics(torch.from_numpy(crops).float())
    assert (soft[3:] > sharp[3:] + 0.1).all()
    assert flat.isfinite().all() and flat.abs().max() < 10


def test_an_image_is_the_mean_of_its_crops_and_every_weight_learns(network):
    pixels = torch.rand(3, 3, 32, 32)
    crops = Crops(pixels, torch.tensor([0, 0, 1]), 2)
    one = torch.tensor([0])
    alone = [network(Crops(pixels[i : i + 1], one, 1)).unit_score[0] for i in range(3)]
    expected = torch.stack([(alone[0] + alone[1]) / 2, alone[2]])
    torch.testing.assert_close(network(crops).unit_score, expected)
    assert network.by_crop and not network.graded and network.saliency_operator is None
    network.train()(crops).unit_score.square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.fixture(scope="module")
def rated(tiny_root, tmp_path_factory):
    """The tiny images as a table with the deviations of their scores."""
    root = shutil.copytree(tiny_root, tmp_path_factory.mktemp("rated") / "rated")
    labels = read(DataSettings(reader="qads", root=str(root))).records
    lines = [
        f"{r.image},{r.mos},{r.reference},{'' if i % 5 == 0 else 0.1 + 0.1 * (i % 3)}"
        for i, r in enumerate(labels)
    ]
    (root / "labels.csv").write_text("\n".join(["image,mos,reference,mos_std", *lines]) + "\n")
    return root


def weighted_words(root, runs):
    declared = ("data.label_kind=human", "data.range=[0,1]", "data.direction=higher")
    table = ("data=table", f"data.root={root}", "data.table=labels.csv", *declared)
    return ("train", "system=sharpness_weighted", *table, f"runs={runs}", *QUICK)


def test_a_column_of_the_dataset_weighs_its_loss(site, rated, hmtnet, tmp_path):
    done = hmtnet(*weighted_words(rated, tmp_path), "system.sharpness.epochs=2")
    assert done.code == 0, done.err
    path = next(tmp_path.glob("rated/*/sharpness-*/stage.json")).parent
    found = prediction_files.read(path / "predictions.csv").select("test")
    score = Scorer(path, device="cpu")(rated / found.image[0]).score
    assert score == pytest.approx(found.score[0], abs=1e-6)


def test_without_that_column_it_is_refused(site, hmtnet, tmp_path):
    done = hmtnet("train", "system=sharpness_weighted", f"runs={tmp_path}", *QUICK)
    assert done.code == BAD_INPUT and "learns from the mos_std of its training" in done.err
    assert "upstream." not in done.err and not [*tmp_path.iterdir()]


def test_its_weights_are_those_of_training_images(site):
    stage = find_system("sharpness_weighted").stages[0]
    stds = [0.0, 0.1, None, 0.3]  # of a range of 0 to 2: 0, 0.05, unknown, 0.15
    records = {
        row: Record(image=f"{row}.png", mos=1.0, mos_std=std) for row, std in enumerate(stds)
    }
    unit_mos = torch.tensor([0.5] * 4 + [torch.nan])  # the last one is not trained on
    inputs = StageInputs(Grades((0.5,)), labels=TrainingLabels(5, records, unit_mos, 2.0))
    settings = stage.settings()
    task = stage.make_task(stage.network(settings, inputs), settings, inputs)
    raw = np.array([1 / (s**2 + 0.1**2) for s in (0, 0.05, 0.15)])
    first, second, last = raw / raw.mean()
    np.testing.assert_allclose(task.weight, [first, second, 1, last, 1], rtol=1e-5)
    assert "weight" not in task.state_dict()
    batch = Batch(
        rows=torch.tensor([3, 0]),
        images=[],
        corners=[],
        unit_mos=torch.tensor([0.5, 0.5]),
        grades=torch.tensor([1, 1]),
        dropout_draw=torch.zeros(2),
        repeated=torch.tensor([False, False]),
    )
    crops = Crops(torch.zeros(2, 3, 8, 8), torch.arange(2), 2)
    prediction = Prediction(unit_score=torch.tensor([0.7, 0.9]))
    terms = task.losses(prediction, batch, crops)
    assert terms["score"].item() == pytest.approx((last * 0.2 + first * 0.4) / 2, rel=1e-5)


@pytest.mark.parametrize("field", ["scales", "hidden"])
def test_settings_that_make_no_network_are_refused(site, field):
    from sharpness.network import SharpnessSettings

    with pytest.raises(ValueError, match=f"{field}: expected at least 1"):
        SharpnessSettings(**{field: 0})


@pytest.mark.full
def test_pip_installs_it_and_it_trains(tmp_path):
    """Needs the package index, for the package's build backend."""
    target = tmp_path / "target"
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target))
    source = shutil.copytree(PACKAGE, tmp_path / "source")
    subprocess.run([*pip, str(source)], check=True)
    path = os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])
    words = ("train", "system=sharpness", "trainer=debug", "trainer.accelerator=cpu")
    done = subprocess.run(
        [sys.executable, "-m", "hmtnet", *words, "runs=runs"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "sharpness" in done.stdout and "these numbers mean nothing" in done.stdout
    (folder,) = tmp_path.glob("runs/demo/*/sharpness-*")
    assert store.read_meta(folder)["package"] == {"name": "sharpness", "version": "1.0"}
