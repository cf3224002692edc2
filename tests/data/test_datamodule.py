import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from hmtnet.data.crops import CropSettings, cut
from hmtnet.data.datamodule import ImageDataset, LoaderSettings, QualityData
from hmtnet.data.grades import Grades, GradesSettings
from hmtnet.data.images import ImageStore
from hmtnet.data.manifest import Manifest
from hmtnet.data.record import Record
from hmtnet.data.sampler import Draw
from hmtnet.data.split import Split
from hmtnet.errors import DataError
from hmtnet.experiment.predict import tabulate

SPLIT = Split("content", 0, (0, 1, 2, 3, 4), (5, 6), (7,), "content-s0-x", False)
# (width, height); the third is smaller than the crop.
SIZES = [(40, 50), (33, 32), (20, 12), (64, 40), (32, 32), (70, 33), (35, 80), (50, 50)]
CROPS = CropSettings(size=32, count=3)


@pytest.fixture
def manifest(tmp_path, noise):
    for i, size in enumerate(SIZES):
        noise(tmp_path / f"{i}.png", i, size)
        noise(tmp_path / "pristine" / f"{i}.png", 100 + i, size)
    records = [
        Record(
            image=f"{i}.png", mos=10.0 * i, reference=str(i), reference_image=f"pristine/{i}.png"
        )
        for i in range(len(SIZES))
    ]
    return Manifest.create(
        "noise", tmp_path, records, label_kind="human", mos_range=(0, 100), higher_is_better=True
    )


@pytest.fixture
def make(manifest):
    def make(workers=0, batch_size=2, split=SPLIT, crops=CROPS, **options):
        store = ImageStore(manifest, range(len(manifest)), "none")
        loader = LoaderSettings(workers=workers)
        return QualityData(manifest, split, store, crops, batch_size, loader=loader, **options)

    return make


def samples_of(loader):
    """Return what a loader yields, by row: (pixels, corners, MOS, dropout_draw, reference)."""
    found = {}
    for batch in loader:
        for i, row in enumerate(batch.rows.tolist()):
            assert row not in found
            found[row] = (
                batch.images[i].numpy().tobytes(),
                tuple(batch.images[i].shape),
                tuple(batch.corners[i]),
                float(batch.unit_mos[i]),
                float(batch.dropout_draw[i]),
                None if batch.references is None else batch.references[i].numpy().tobytes(),
            )
    return found


def epoch_of(data, epoch):
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return samples_of(loader)


def test_without_augmentation_the_pixels_are_the_files(make, manifest):
    batches = [*make(reference="always").tiled("train"), *make(reference="always").tiled("val")]
    seen = 0
    for batch in batches:
        for i, row in enumerate(batch.rows.tolist()):
            width, height = SIZES[row]
            if min(width, height) < 32:
                continue
            seen += 1
            for image, name in ((batch.images[i], ""), (batch.references[i], "pristine/")):
                file = np.asarray(Image.open(manifest.root / f"{name}{row}.png"))
                assert image.dtype == torch.uint8
                assert np.array_equal(image.permute(1, 2, 0).numpy(), file)
            assert batch.unit_mos[i] == np.float32(row / 10)
    assert seen == 6


def test_an_image_smaller_than_the_crop_is_padded_alike_its_reference(make):
    batch = next(iter(make(reference="always", batch_size=5).tiled("train")))
    assert batch.images[2].shape == batch.references[2].shape == (3, 32, 32)
    assert batch.corners[2] == [(0, 0)]


def test_training_draws_as_many_crops_as_asked_inside_the_image(make):
    for batch in make(augment=("quarter_turn",), batch_size=5).train_dataloader():
        for image, corners in zip(batch.images, batch.corners, strict=True):
            assert len(corners) == 3
            assert all(
                t <= image.shape[1] - 32 and left <= image.shape[2] - 32 for t, left in corners
            )


def test_workers_batches_and_the_order_of_visits_change_no_sample(make):
    options = {"augment": ("horizontal_flip", "quarter_turn"), "reference": "always"}
    plain = epoch_of(make(batch_size=5, **options), 1)
    assert set(plain) == set(SPLIT.train)
    assert epoch_of(make(batch_size=5, workers=2, **options), 1) == plain
    assert epoch_of(make(batch_size=2, **options), 1).items() <= plain.items()
    data = make(batch_size=5, **options)
    epoch_of(data, 0)
    assert epoch_of(data, 1) == plain
    dataset = data.train_dataloader().dataset
    for row in reversed(SPLIT.train):
        again = dataset[Draw(1, row)]
        assert (again.pixels.numpy().tobytes(), float(np.float32(again.dropout_draw))) == (
            plain[row][0],
            plain[row][4],
        )


@pytest.mark.parametrize("batch_size", [2, 3, 5])
def test_training_on_tiles_sees_each_image_once_as_it_is_judged(make, batch_size):
    data = make(batch_size=batch_size, augment=("quarter_turn",), train_on_tiles=True)
    # Not even an image that would be alone in its batch is dropped.
    found = epoch_of(data, 0)
    assert tuple(found) == SPLIT.train
    assert found == samples_of(data.tiled("train"))


def test_epochs_and_seeds_draw_anew(make):
    options = {"augment": ("horizontal_flip", "vertical_flip", "quarter_turn"), "batch_size": 5}
    first, second = (epoch_of(make(**options), epoch) for epoch in (0, 1))
    other = epoch_of(make(seed=1, **options), 0)
    for drawn in (second, other):
        lucks = [(first[row][4], drawn[row][4]) for row in SPLIT.train]
        assert all(a != b for a, b in lucks)
        assert any(first[row][0] != drawn[row][0] for row in SPLIT.train)
        assert any(first[row][2] != drawn[row][2] for row in SPLIT.train)
    assert all(0 <= sample[4] < 1 for sample in first.values())
    assert len({sample[4] for sample in first.values()}) == 5


def test_validation_tiles_the_images_as_they_are_in_every_epoch(make):
    data = make(augment=("horizontal_flip", "quarter_turn"))
    loader = data.val_dataloader()
    seen = []
    for epoch in (0, 1):
        loader.sampler.set_epoch(epoch)
        seen.append({row: sample[:4] for row, sample in samples_of(loader).items()})
    assert seen[0] == seen[1]
    # 70×33 pixels: three tiles across, two down.
    assert seen[0][5][2] == ((0, 0), (0, 19), (0, 38), (1, 0), (1, 19), (1, 38))
    untouched = samples_of(make().tiled("val"))
    assert {row: sample[:4] for row, sample in untouched.items()} == seen[0]


@pytest.mark.parametrize("subset", ["train", "val", "test"])
def test_a_subset_is_visited_once_and_in_order(make, subset):
    rows = [row for batch in make().tiled(subset) for row in batch.rows.tolist()]
    assert rows == list(SPLIT.subsets[subset])


def test_mixed_images_come_in_one_random_order(make):
    def order(loader):
        return [row for batch in loader for row in batch.rows.tolist()]

    data = make(mixed=True)
    found = order(data.tiled("train"))
    assert found != list(SPLIT.train) and sorted(found) == list(SPLIT.train)
    assert found == order(data.tiled("train"))
    assert order(make(mixed=True, seed=1).tiled("train")) != found
    loader = data.val_dataloader()
    loader.sampler.set_epoch(3)  # also in a later epoch, or resumed there
    assert order(loader) == order(data.tiled("val"))
    # Training draws as it always does.
    assert epoch_of(data, 1) == epoch_of(make(), 1)


def test_training_drops_a_small_last_batch_unless_it_is_the_only_one(make):
    assert [len(batch) for batch in make(batch_size=2).train_dataloader()] == [2, 2]
    assert [len(batch) for batch in make(batch_size=8).train_dataloader()] == [5]
    assert [len(batch) for batch in make(batch_size=2).tiled("train")] == [2, 2, 1]


def test_what_was_dropped_comes_in_other_epochs(make):
    data = make(batch_size=2)
    assert set().union(*(epoch_of(data, epoch) for epoch in range(6))) == set(SPLIT.train)


def test_processes_share_training_and_validation_but_each_predicts_all(make):
    data = [make(batch_size=8), make(batch_size=8)]
    for rank, one in enumerate(data):
        one.trainer = SimpleNamespace(global_rank=rank, world_size=2)
    train = [set(samples_of(one.train_dataloader())) for one in data]
    assert [len(part) for part in train] == [3, 3] and train[0] | train[1] == set(SPLIT.train)
    assert [set(samples_of(one.val_dataloader())) for one in data] == [{5}, {6}]
    assert [set(samples_of(one.tiled("val"))) for one in data] == [{5, 6}] * 2


def test_a_resumed_loader_starts_with_the_checkpoints_epoch(make):
    # Workers draw ahead at once; nobody can tell the sampler before.
    data = make(workers=2, batch_size=5)
    progress = SimpleNamespace(current=SimpleNamespace(processed=3))
    trainer = SimpleNamespace(fit_loop=SimpleNamespace(epoch_progress=progress))
    data.trainer = trainer
    state = data.state_dict()
    data.trainer = None
    data.load_state_dict(state)
    assert samples_of(data.train_dataloader()) == epoch_of(make(batch_size=5), 3)


def test_labels_are_unit_scores_also_where_lower_is_better(manifest):
    worse = dataclasses.replace(manifest, higher_is_better=False)
    store = ImageStore(worse, range(8), "none")
    batch = next(iter(QualityData(worse, SPLIT, store, CROPS, 5).tiled("train")))
    torch.testing.assert_close(batch.unit_mos, torch.tensor([1.0, 0.9, 0.8, 0.7, 0.6]))


@pytest.mark.parametrize("count", [5, 7, 10])
def test_a_mos_on_an_edge_has_one_grade_everywhere(manifest, count):
    records = [
        dataclasses.replace(r, mos=100.0 * (i + 1) / 10) for i, r in enumerate(manifest.records)
    ]
    on_edges = dataclasses.replace(manifest, records=tuple(records))
    grades = Grades.fit(np.linspace(0, 1, 50), GradesSettings(count=count, rule="width"))
    store = ImageStore(on_edges, range(8), "none")
    data = QualityData(on_edges, SPLIT, store, CROPS, 5, grades=grades)
    (batch,) = data.tiled("train")
    assert batch.grades.tolist() == grades.of(on_edges)[:5].tolist()
    table = tabulate(
        on_edges, grades, "train", range(5), np.zeros(5), np.zeros(5, int), np.zeros((5, 0))
    )
    assert table.true_grade.tolist() == batch.grades.tolist()
    if count in (5, 10):  # a MOS on an edge belongs to the better grade
        assert batch.grades.tolist() == [(i + 1) * count // 10 for i in range(5)]
    assert -1 not in batch.grades


def test_images_without_grades_have_none(manifest):
    (batch,) = QualityData(manifest, SPLIT, ImageStore(manifest, range(8), "none"), CROPS, 5).tiled(
        "train"
    )
    assert batch.grades.tolist() == [-1] * 5


def test_a_label_that_rounding_put_outside_the_range_enters_inside(manifest):
    records = (dataclasses.replace(manifest.records[0], mos=100 + 1e-8), *manifest.records[1:])
    beyond = dataclasses.replace(manifest, records=records)
    assert beyond.to_unit(beyond.mos)[0] > 1
    dataset = ImageDataset(
        ImageStore(beyond, [0], "none"), beyond.unit_mos, CROPS, seed=0, augment=None
    )
    assert dataset[Draw(0, 0)].unit_mos == 1
    data = QualityData(beyond, SPLIT, ImageStore(beyond, [0], "none"), CROPS, 5)
    assert data.tiled("train").dataset[Draw(0, 0)].unit_mos == 1


def test_a_missing_reference_is_an_error_where_references_are_asked_for(manifest):
    bare = [dataclasses.replace(r, reference_image=None) for r in manifest.records]
    bare = dataclasses.replace(
        manifest, records=tuple(bare), reference_digests=(None,) * len(manifest)
    )
    data = QualityData(
        bare, SPLIT, ImageStore(bare, range(8), "none"), CROPS, 5, reference="always"
    )
    with pytest.raises(DataError, match="has no reference image"):
        next(iter(data.train_dataloader()))


@pytest.fixture
def inverted(tmp_path):
    """Make a dataset whose references are the images' negatives, larger by up to the scale."""

    def make(larger, cache="none"):
        rng = np.random.default_rng(0)
        for i in range(8):
            whole = rng.integers(0, 256, (44 + larger, 50 + larger, 3), dtype=np.uint8)
            Image.fromarray(255 - whole).save(tmp_path / f"ref{i}.png")
            Image.fromarray(whole[:44, :50]).save(tmp_path / f"{i}.png")
        records = [
            Record(image=f"{i}.png", mos=0.5, scale=3, reference_image=f"ref{i}.png")
            for i in range(8)
        ]
        manifest = Manifest.create(
            "pairs", tmp_path, records, label_kind="human", mos_range=(0, 1), higher_is_better=True
        )
        return manifest, ImageStore(manifest, range(8), cache)

    return make


@pytest.mark.parametrize("larger", [0, 3])
@pytest.mark.parametrize("cache", ["none", "memory"])
def test_augmentation_and_crops_treat_a_reference_like_its_image(inverted, larger, cache):
    manifest, store = inverted(larger, cache)
    augment = ("horizontal_flip", "vertical_flip", "quarter_turn")
    data = QualityData(manifest, SPLIT, store, CROPS, 5, augment, reference="always")
    moved = set()
    for epoch in range(3):
        loader = data.train_dataloader()
        loader.sampler.set_epoch(epoch)
        (batch,) = loader
        for i, row in enumerate(batch.rows.tolist()):
            assert torch.equal(batch.references[i], 255 - batch.images[i])
            file = torch.from_numpy(np.array(Image.open(manifest.root / f"{row}.png")))
            moved.add(torch.equal(batch.images[i].permute(1, 2, 0), file))
        crops = cut(batch.images, batch.corners, CROPS.size, None, batch.references)
        torch.testing.assert_close(crops.reference, 1 - crops.pixels)
    assert False in moved


def test_a_reference_too_large_is_refused_where_it_is_met(inverted):
    manifest, store = inverted(4)
    data = QualityData(manifest, SPLIT, store, CROPS, 5, reference="training")
    with pytest.raises(DataError, match=r"measures 50×44 pixels and its reference 54×48.* by 3 at"):
        next(iter(data.train_dataloader()))


@pytest.mark.parametrize(
    ("use", "learns", "judges"),
    [("none", False, False), ("training", True, False), ("always", True, True)],
)
def test_references_come_when_they_are_asked_for(make, use, learns, judges):
    data = make(reference=use)
    for loader in (data.train_dataloader(), data.val_dataloader()):
        assert all((batch.references is not None) == learns for batch in loader)
    for subset in ("train", "val", "test"):
        assert all((batch.references is not None) == judges for batch in data.tiled(subset))


def test_with_its_reference_or_without_an_image_is_the_same(make):
    # References that an image fits exactly change nothing else: no crop, no order, no draw.
    augment = ("horizontal_flip", "quarter_turn")
    plain, paired = (make(augment=augment, reference=use) for use in ("none", "training"))
    bare = {row: found[:5] for row, found in epoch_of(plain, 1).items()}
    assert {row: found[:5] for row, found in epoch_of(paired, 1).items()} == bare


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_breaks_later_is_one_message_also_from_a_worker(make, manifest, workers):
    data = make(workers=workers)
    (manifest.root / manifest.records[SPLIT.train[0]].image).write_bytes(b"broken")
    with pytest.raises(DataError, match=r"^Image '[^\n]*' cannot be decoded [^\n]*$"):
        list(data.train_dataloader())
