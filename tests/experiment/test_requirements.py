"""What stages need of records: checked before anything is trained, and handed to them."""

import dataclasses

import pytest

from hmtnet.data.protocols import make
from hmtnet.data.readers import read
from hmtnet.errors import DataError
from hmtnet.experiment.context import RunContext, UpstreamStage
from hmtnet.experiment.plan import plan_chain, rehearse
from hmtnet.experiment.requirements import check_references
from hmtnet.experiment.training import make_ready


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


def scene_of(told, manifest, system="typed", **more):
    settings, system = told(system, **more)
    return RunContext(settings, system, manifest, make(manifest, settings.split))


def test_a_stage_is_not_trained_on_records_without_what_it_learns_from(told, manifest, tmp_path):
    bare = changed(manifest, lambda row, record: {"method": None, "scale": None})
    context = scene_of(told, bare)
    with pytest.raises(DataError) as error:
        rehearse(context, plan_chain(context, {}), {})
    message = str(error.value)
    assert "Stage 'types' of system 'typed' learns from the method or scale" in message
    assert "of dataset 'qads' has any. Take a dataset that has, or" in message
    assert "upstream." not in message  # no other stage starts from it
    works = message.partition("a system that learns without: ")[2]
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


def test_a_stage_from_elsewhere_is_advised_only_where_another_starts_from_it(told, manifest):
    context = scene_of(told, changed(manifest, lambda row, record: {"mos_std": None}), "rated")
    with pytest.raises(DataError, match="learns from the mos_std of its training") as error:
        rehearse(context, plan_chain(context, {}), {})
    assert "start from it here (upstream.sure=<its run directory>), or a" in str(error.value)


def test_labels_of_training_images_alone_reach_the_task_and_a_part_has_its_own(told, manifest):
    context = scene_of(told, manifest)
    labels = make_ready(context, plan_chain(context, {})[0]).task.inputs.labels
    assert [*labels.records] == sorted(context.split.train)
    part = context.part(dataclasses.replace(context.split, train=context.split.train[:3]))
    assert [*part.labels.records] == sorted(context.split.train[:3])


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
