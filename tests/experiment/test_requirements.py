"""What stages need of records: checked before anything is trained, and handed to them."""

import dataclasses

import numpy as np
import pytest

from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.errors import DataError
from hmtnet.experiment.context import RunContext, UpstreamStage
from hmtnet.experiment.plan import plan_chain, rehearse
from hmtnet.experiment.requirements import check_references
from hmtnet.experiment.stage import _make_ready


@pytest.fixture
def manifest(told, small_systems):
    return read(told("typed")[0].data)


def changed(manifest, change):
    """Return a manifest whose records are changed: ``change(row, record)`` returns fields."""
    records = [
        dataclasses.replace(record, **change(row, record))
        for row, record in enumerate(manifest.records)
    ]
    digests = tuple(
        None if record.reference_image is None else digest
        for record, digest in zip(records, manifest.reference_digests, strict=True)
    )
    return dataclasses.replace(manifest, records=tuple(records), reference_digests=digests)


def scene_of(told, manifest, **more):
    settings, system = told("typed", **more)
    return RunContext(settings, system, manifest, make(manifest, settings.split))


def test_a_stage_is_not_trained_on_records_without_what_it_learns_from(told, manifest, tmp_path):
    bare = changed(manifest, lambda row, record: {"method": None, "scale": None})
    context = scene_of(told, bare)
    with pytest.raises(DataError) as error:
        rehearse(context, plan_chain(context, {}), {})
    message = str(error.value)
    assert "Stage 'types' of system 'typed' learns from the method or scale" in message
    assert "of dataset 'qads' has any" in message and "upstream.types=<its run" in message
    works = message.partition("needs neither: ")[2]
    assert "plain" in works and "typed" not in works
    # The other stage needs none of them, and a stage from elsewhere is not trained here.
    alone = scene_of(told, bare, stages=["only"])
    rehearse(alone, plan_chain(alone, {}), {})


@pytest.mark.parametrize("kept", ["method", "scale"])
def test_one_of_the_fields_is_enough(told, manifest, kept):
    other = {"method": "scale", "scale": "method"}[kept]
    half = changed(manifest, lambda row, record: {other: None})
    context = scene_of(told, half)
    rehearse(context, plan_chain(context, {}), {})
    keys, mos = context.distortions
    assert len(mos) == 2 and set(keys.tolist()) == {-1, 0, 1}
    for row in context.split.train:
        same = [r for r in context.split.train if keys[r] == keys[row]]
        assert {getattr(half.records[r], kept) for r in same} == {getattr(half.records[row], kept)}


def test_fields_of_validation_and_test_images_do_not_help(told, manifest):
    train = set(scene_of(told, manifest).split.train)
    bare = changed(
        manifest,
        lambda row, record: {"method": None, "scale": None} if row in train else {},
    )
    context = scene_of(told, bare)
    assert set(context.split.train) == train
    with pytest.raises(DataError, match="learns from the method or scale"):
        rehearse(context, plan_chain(context, {}), {})


def test_distortion_types_are_counted_over_training_images_alone(told, manifest):
    context = scene_of(told, manifest)
    keys, mos = context.distortions
    training = set(context.split.train)
    assert [row for row, key in enumerate(keys.tolist()) if key >= 0] == sorted(training)
    assert len(mos) == 4 and mos.dtype.is_floating_point
    kinds = {}
    for row in training:
        record = manifest.records[row]
        kinds.setdefault(int(keys[row]), set()).add((record.method, record.scale))
    assert sorted(kinds) == [0, 1, 2, 3] and all(len(kind) == 1 for kind in kinds.values())
    for key in range(4):
        rows = [row for row in training if keys[row] == key]
        assert mos[key].item() == pytest.approx(np.mean(manifest.unit_mos[rows]), abs=1e-6)
    # A type that only other images have is not even a number.
    held_out = changed(
        manifest, lambda row, record: {} if row in training else {"method": "another"}
    )
    again, _ = scene_of(told, held_out).distortions
    assert again.tolist() == keys.tolist()


def test_images_without_a_type_have_no_number(told, manifest):
    training = scene_of(told, manifest).split.train
    odd = training[0]
    partly = changed(
        manifest,
        lambda row, record: {"method": None, "scale": None} if row == odd else {},
    )
    keys, mos = scene_of(told, partly).distortions
    assert keys[odd] == -1 and len(mos) == 4 and keys.max() == 3
    none = changed(manifest, lambda row, record: {"method": None, "scale": None})
    keys, mos = scene_of(told, none).distortions
    assert set(keys.tolist()) == {-1} and len(keys) == len(manifest) and len(mos) == 0


def test_types_reach_the_task_and_a_part_counts_its_own(told, manifest):
    context = scene_of(told, manifest)
    planned = plan_chain(context, {})[0]
    given = _make_ready(context, planned).task.given
    keys, mos = context.distortions
    assert given.distortion_keys.tolist() == keys.tolist()
    assert given.distortion_mos.tolist() == mos.tolist()
    assert given.method_keys.tolist() == context.method_keys.tolist()
    part = context.part(dataclasses.replace(context.split, train=context.split.train[:3]))
    assert (part.distortions[0] >= 0).sum() == 3


def test_a_given_stage_is_not_asked_for_its_fields(told, manifest, tmp_path):
    bare = changed(manifest, lambda row, record: {"method": None, "scale": None})
    context = scene_of(told, bare, upstream={"types": "elsewhere"})
    plan = plan_chain(context, {"types": UpstreamStage("key", tmp_path)})
    assert [planned.stage.name for planned in plan] == ["only"]
    rehearse(context, plan, {})


def test_references_that_only_some_images_have_are_listed(manifest):
    partly = changed(
        manifest, lambda row, record: {"reference_image": None} if row % 3 == 0 else {}
    )
    rows = range(len(manifest))
    with pytest.raises(DataError) as error:
        check_references(partly, rows, "peer", "training")
    message = str(error.value)
    assert message.startswith(
        "System 'peer' is trained with references, and 8 of 24 images of dataset 'qads' have none "
        f"(reference_image): {manifest.records[0].image}, "
    )
    assert "and 3 more. Add them" in message
    check_references(partly, [row for row in rows if row % 3], "peer", "training")
    check_references(partly, [], "peer", "none")
