"""Reference images from the dataset to the networks that look at them, and to no others."""

import dataclasses
import itertools
import shutil
from pathlib import Path

import pytest
from PIL import Image

from hmtnet.artifact import predictions as prediction_files
from hmtnet.artifact import store
from hmtnet.data.grades import Grades
from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.data.settings import DataSettings
from hmtnet.data.split import SplitSettings
from hmtnet.errors import DataError, SettingsError
from hmtnet.experiment.chain import run_chain
from hmtnet.experiment.context import RunContext
from hmtnet.experiment.evaluate import EvaluationSettings, evaluate
from hmtnet.experiment.run_settings import TrainerSettings
from hmtnet.scoring.scorer import Scorer


@pytest.fixture
def own(tiny_root, tmp_path):
    """A copy of the tiny dataset, to be changed."""
    return shutil.copytree(tiny_root, tmp_path / "own")


def enlarge(root, number, by):
    """Let a reference image be so many pixels larger each way than its images."""
    path = root / "source_images" / f"img{number:02d}.png"
    with Image.open(path) as image:
        larger = Image.new("RGB", (image.width + by, image.height + by))
        larger.paste(image)
    larger.save(path)


def evaluation(artifact, root, tmp_path):
    return EvaluationSettings(
        artifact=str(artifact),
        data=DataSettings(reader="qads", root=str(root), name="theirs"),
        split=SplitSettings(protocol="whole"),
        drop_seen=True,
        trainer=TrainerSettings(accelerator="cpu"),
        runs=str(tmp_path / "evaluated"),
    )


def trained(told, system, **more):
    (*_, last) = run_chain(*told(system, **more)).stages
    return last.directory.path


def scored(path, root, subset="test"):
    """Return a predicted image, its reference and its unit score."""
    rows = prediction_files.read(path / "predictions.csv").select(subset)
    name = Path(rows.image[0]).name
    return root / rows.image[0], root / "source_images" / f"{name[:5]}.png", rows.score[0]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_reference_network_always_sees_references(small_systems, told, tiny_root, workers):
    path = trained(told, "always", trainer={"accelerator": "cpu", "workers": workers})
    assert {training for training, _ in small_systems.SEEN} == {True, False}
    assert all(came for _, came in small_systems.SEEN)
    assert store.read_meta(path)["reference"] == "always"
    image, reference, score = scored(path, tiny_root)
    verdict = Scorer(path, "cpu")(image, reference=reference)
    assert verdict.unit_score == pytest.approx(score, abs=1e-6)
    with pytest.raises(SettingsError, match="compares an image with its reference, and none is"):
        Scorer(path, "cpu")(image)


def test_a_network_that_learns_from_references_judges_without(small_systems, told, tiny_root):
    path = trained(told, "training")
    seen = small_systems.SEEN
    assert all(came for training, came in seen if training)
    # First validation, which has them; then predictions, which have not.
    judged = [came for training, came in seen if not training]
    assert [came for came, _ in itertools.groupby(judged)] == [True, False]
    assert store.read_meta(path)["reference"] == "training"
    image, reference, score = scored(path, tiny_root)
    assert Scorer(path, "cpu")(image).unit_score == pytest.approx(score, abs=1e-6)
    with pytest.raises(SettingsError, match="judges images without a reference, and one is given"):
        Scorer(path, "cpu")(image, reference=reference)


def test_what_starts_from_references_says_so(small_systems, told):
    path = trained(told, "then")
    assert store.read_meta(path)["reference"] == "training"
    (first,) = store.read_meta(path)["upstream"].values()
    assert store.read_meta(path / first["path"])["reference"] == "training"
    others = trained(told, "typed")
    assert store.read_meta(others)["reference"] == "none"


def test_sizes_that_differ_by_the_scale_factor_are_cut_alike(small_systems, told, own, tmp_path):
    enlarge(own, 1, 2)  # its images have scales 2 and 4
    path = trained(told, "always", root=own)
    assert prediction_files.read(path / "predictions.csv").subset.count("test") > 0
    evaluate(evaluation(path, own, tmp_path))


def test_other_sizes_are_refused_before_anything_is_trained(small_systems, told, own, tmp_path):
    enlarge(own, 2, 3)
    with pytest.raises(DataError) as error:
        run_chain(*told("always", root=own))
    message = str(error.value)
    assert "img02_2_01.png' measures 64×64 pixels and its reference 67×67" in message
    assert "by 2 at most (its scale factor)" in message and "img02_4" not in message
    assert "system that needs no references" in message
    assert small_systems.SEEN == [] and not (tmp_path / "runs").exists()
    run_chain(*told("typed", root=own))  # which does not look at them


@pytest.mark.parametrize("system", ["always", "training"])
def test_a_dataset_without_references_is_refused_before_anything_is_trained(
    small_systems, told, own, tmp_path, system
):
    shutil.rmtree(own / "source_images")
    with pytest.raises(DataError) as error:
        run_chain(*told(system, root=own))
    message = str(error.value)
    assert (
        f"System '{system}'" in message
        and "no image of dataset 'qads' has one (reference_image)" in message
    )
    works = message.partition("needs none: ")[2]
    assert "hmtnet" in works and "plain" in works and "typed" in works
    assert not {"always", "training", "ahiq", "nemg"} & set(
        works.rstrip(".").replace(" or ", ", ").split(", ")
    )
    assert small_systems.SEEN == [] and not (tmp_path / "runs").exists()


def test_an_evaluation_brings_references(small_systems, told, own, tiny_root, tmp_path):
    always, training = trained(told, "always"), trained(told, "training")
    for path in own.rglob("*.png"):  # other content, that no stage has seen
        with Image.open(path) as image:
            image.transpose(Image.Transpose.ROTATE_90).save(path)
    small_systems.SEEN.clear()
    found = evaluate(evaluation(always, own, tmp_path))
    assert small_systems.SEEN and all(came for _, came in small_systems.SEEN)
    assert store.read_meta(found.directory.path)["reference"] == "always"
    image, reference, score = scored(found.directory.path, own)
    again = Scorer(always, "cpu")(image, reference=reference).unit_score
    assert again == pytest.approx(score, abs=1e-6)

    shutil.rmtree(own / "source_images")
    lean = dataclasses.replace(evaluation(always, own, tmp_path), runs=str(tmp_path / "lean"))
    with pytest.raises(DataError, match=r"'always' compares .* no image of dataset 'theirs' has"):
        evaluate(lean)
    assert not list((tmp_path / "lean").rglob("predictions.csv"))
    found = evaluate(dataclasses.replace(lean, artifact=str(training)))
    assert store.read_meta(found.directory.path)["reference"] == "training"


def test_a_network_may_not_ask_for_more_than_its_system_declares(small_systems, told):
    with pytest.raises(SettingsError, match=r"reference='none', and one of its networks asks for "):
        run_chain(*told("secret"))


@pytest.mark.parametrize(
    ("use", "subsets"),
    [("none", ()), ("training", ("train", "val")), ("always", ("train", "val", "test"))],
)
def test_only_references_that_are_looked_at_are_kept_in_memory(small_systems, told, use, subsets):
    settings, system = told("always")
    manifest = read(settings.data)
    context = RunContext(settings, system, manifest, make(manifest, settings.split))
    network = small_systems.Difference(
        needs_reference=use == "always", learns_from_reference=use == "training"
    )
    context.data(settings.system.stages["paired"], network, Grades((0.5,)))
    for name, rows in context.split.subsets.items():
        for row in rows:  # one that is decoded anew is another object
            kept = context.store.reference(row) is context.store.reference(row)
            assert kept == (name in subsets), name


def test_where_test_chooses_the_epoch_its_references_are_learned_from(small_systems, told):
    settings, system = told("training", evaluate={"test": True, "selection": "best_on_test"})
    manifest = read(settings.data)
    context = RunContext(settings, system, manifest, make(manifest, settings.split))
    assert context.rows_with_reference("training") == (*context.split.train, *context.split.test)
