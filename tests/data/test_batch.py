import dataclasses

import pytest
import torch
from torch import Tensor

from hmtnet.data.batch import Batch, Sample


def sample(row, height=4, width=6, reference=False):
    pixels = torch.full((3, height, width), row, dtype=torch.uint8)
    return Sample(
        row=row,
        pixels=pixels,
        corners=[(0, row)],
        unit_mos=row / 10,
        dropout_draw=row / 100,
        reference=pixels + 100 if reference else None,
    )


def test_collating_keeps_the_order_and_every_pixel():
    samples = [sample(3), sample(1, width=9), sample(2)]
    batch = Batch.collate(samples)
    assert len(batch) == 3
    assert batch.rows.tolist() == [3, 1, 2] and batch.rows.dtype == torch.int64
    assert all(a is s.pixels for a, s in zip(batch.images, samples, strict=True))
    assert batch.corners == [[(0, 3)], [(0, 1)], [(0, 2)]]
    assert batch.unit_mos.dtype == batch.dropout_draw.dtype == torch.float32
    torch.testing.assert_close(batch.unit_mos, torch.tensor([0.3, 0.1, 0.2]))
    torch.testing.assert_close(batch.dropout_draw, torch.tensor([0.03, 0.01, 0.02]))
    assert batch.references is None


def test_collating_keeps_references_beside_their_images():
    batch = Batch.collate([sample(3, reference=True), sample(1, reference=True)])
    assert [int(r[0, 0, 0]) for r in batch.references] == [103, 101]


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize(
    ("most", "expected"), [(1, [1, 1, 1, 1]), (4, [1, 2, 1]), (5, [2, 1, 1]), (99, [4])]
)
def test_parts_hold_so_many_crops_or_one_image(reference, most, expected):
    crops = [3, 2, 2, 9]
    samples = [sample(row, reference=reference) for row in range(4)]
    for one, count in zip(samples, crops, strict=True):
        one.corners = [(0, place) for place in range(count)]
    batch = Batch.collate(samples)
    parts = list(batch.parts(most))
    assert [len(part) for part in parts] == expected
    for field in dataclasses.fields(batch):
        whole = getattr(batch, field.name)
        if whole is not None:
            joined = [item for part in parts for item in getattr(part, field.name)]
            assert len(joined) == 4
            assert all(
                torch.equal(a, b) if isinstance(a, Tensor) else a == b
                for a, b in zip(joined, whole, strict=True)
            )


def tensors_of(batch):
    for field in dataclasses.fields(batch):
        value = getattr(batch, field.name)
        yield from (
            [value]
            if isinstance(value, Tensor)
            else [item for item in value or [] if isinstance(item, Tensor)]
        )


@pytest.mark.parametrize("reference", [False, True])
def test_to_moves_every_tensor_and_nothing_else(reference):
    batch = Batch.collate([sample(3, reference=reference), sample(1, reference=reference)])
    moved = batch.to("meta")
    count = 9 if reference else 7
    assert [t.device.type for t in tensors_of(moved)] == ["meta"] * count
    assert [t.device.type for t in tensors_of(batch)] == ["cpu"] * count
    assert moved.corners == batch.corners and len(moved) == 2


def test_a_copy_to_the_cpu_is_awaited_and_another_is_not(monkeypatch):
    asked = []

    def to(self, device, non_blocking=False):
        asked.append((str(device), non_blocking))
        return self

    monkeypatch.setattr(Tensor, "to", to)
    batch = Batch.collate([sample(1)])
    batch.to("cpu")
    batch.to(torch.device("cuda", 0))
    assert set(asked) == {("cpu", False), ("cuda:0", True)}


def test_pinning_reaches_every_tensor(monkeypatch):
    # Page-locked memory needs a GPU's driver; what is checked here is that no tensor is left out.
    monkeypatch.setattr(Tensor, "pin_memory", lambda self: self + 1)
    pinned = Batch.collate([sample(3, reference=True), sample(1, reference=True)]).pin_memory()
    assert pinned.rows.tolist() == [4, 2]
    assert [int(image[0, 0, 0]) for image in pinned.images] == [4, 2]
    assert [int(image[0, 0, 0]) for image in pinned.references] == [104, 102]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="pinned memory needs a GPU")
def test_pinned_memory_is_pinned():
    assert all(t.is_pinned() for t in tensors_of(Batch.collate([sample(3)]).pin_memory()))
