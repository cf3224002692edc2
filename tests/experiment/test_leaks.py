import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hmtnet.artifact.description import write_description
from hmtnet.artifact.scenes import write_scenes
from hmtnet.data import split_file
from hmtnet.data.join import join, together
from hmtnet.data.manifest import Manifest
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import Split, SplitSettings
from hmtnet.data.thumbnails import grey_thumbnails
from hmtnet.errors import ArtifactError, LeakError
from hmtnet.experiment.leaks import (
    Content,
    Seen,
    check_split,
    check_upstream,
    look_alikes,
    seen,
    seen_rows,
)


def manifest_of(references, digests=None, name="fake"):
    """Make a manifest with one image for each reference name, without files."""
    records = tuple(
        Record(image=f"{i}.png", mos=0.5, reference=reference)
        for i, reference in enumerate(references)
    )
    return Manifest(
        name=name,
        root=Path("nowhere"),
        records=records,
        label_kind="human",
        mos_range=(0.0, 1.0),
        higher_is_better=True,
        licence="",
        citation="",
        digests=tuple(digests or (f"{name}-{i}" for i in range(len(records)))),
        reference_digests=(None,) * len(records),
    )


def split_of(train, val, test, leaky=False, name="content-s0-x"):
    return Split("content", 0, tuple(train), tuple(val), tuple(test), name, leaky)


# Rows 0 and 1 show "a", 2 and 3 "b", and so on.
MANIFEST = manifest_of("aabbccddee")
OWN = split_of([0, 1, 2, 3], [4, 5], [6, 7])


def upstream_of(train, val=(), **options):
    return seen(MANIFEST, split_of(train, val, (), name="content-s9-other", **options))


def test_splits_that_are_made_pass():
    for protocol in ("content", "image"):
        check_split(MANIFEST, make(MANIFEST, SplitSettings(protocol=protocol)))


@pytest.mark.parametrize(
    ("split", "message"),
    [
        (split_of([0, 1], [1, 4], [6]), r"train and val share images: 1 \(1\.png\)"),
        (split_of([0, 1], [4], [0]), r"train and test share images: 1 \(0\.png\)"),
        (split_of([0], [4, 6], [7]), r"val and test share content \(references\): 1 \(d\)"),
        (split_of([0, 2], [4], [1, 3]), r"train and test share content .*: 2 \(a, b\)"),
    ],
)
def test_a_split_that_shares_is_refused(split, message):
    with pytest.raises(LeakError, match=message):
        check_split(MANIFEST, split)


def test_a_leaky_split_may_share_content_but_no_image():
    check_split(MANIFEST, split_of([0, 2], [4], [1, 3], leaky=True))
    with pytest.raises(LeakError, match="share images"):
        check_split(MANIFEST, split_of([0, 2], [4], [2, 3], leaky=True))


@pytest.mark.parametrize(
    ("subsets", "leaky"),
    [
        ("train train val val test test test test test test", False),
        ("train train train val val val test test test test", True),
        ("train train train train test train test test test test", True),
        ("train train train train val val val test test test", True),
    ],
)
def test_an_official_split_is_leaky_where_it_repeats_content(subsets, leaky):
    records = tuple(
        dataclasses.replace(record, official=subset)
        for record, subset in zip(MANIFEST.records, subsets.split(), strict=True)
    )
    shipped = dataclasses.replace(MANIFEST, records=records)
    split = make(shipped, SplitSettings(protocol="official"))
    assert split.leaky == leaky
    check_split(shipped, split)
    if leaky:
        with pytest.raises(LeakError, match="share content"):
            check_split(shipped, dataclasses.replace(split, leaky=False))
    cleaned = make(shipped, SplitSettings(protocol="official", clean=True))
    check_split(shipped, cleaned)
    assert not cleaned.leaky


@pytest.mark.parametrize("protocol", ["content", "image"])
def test_a_split_file_that_hides_a_leak_is_refused(tmp_path, protocol):
    path = tmp_path / "split.json"
    split_file.write(path, MANIFEST, make(MANIFEST, SplitSettings(protocol=protocol)))
    check_split(MANIFEST, split_file.read(MANIFEST, str(path)))
    document = json.loads(path.read_text())
    subsets = {"train": ["0.png", "2.png", "4.png"], "val": ["6.png"], "test": ["1.png", "8.png"]}
    path.write_text(json.dumps(document | subsets | {"leaky": False}))
    hides = make(MANIFEST, SplitSettings(protocol="file", file=str(path)))
    with pytest.raises(LeakError, match=r"train and test share content \(references\): 1 \(a\)"):
        check_split(MANIFEST, hides)


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Two datasets of four reference images each; the second has one of the first's."""
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path / "home"))

    def make_dataset(name, pictures):
        records = []
        for picture in pictures:
            for version, size in enumerate([(64, 48), (60, 45)]):
                pixels = np.random.default_rng(picture).integers(0, 256, (*size, 3), dtype=np.uint8)
                file = f"{picture}_{version}.png" if version else f"{picture}.png"
                (tmp_path / name).mkdir(exist_ok=True)
                Image.fromarray(pixels).save(tmp_path / name / file)
            records.append(
                Record(
                    image=file,
                    mos=0.5,
                    reference=f"{name}{picture}",
                    reference_image=f"{picture}.png",
                )
            )
        return Manifest.create(
            name,
            tmp_path / name,
            records,
            label_kind="human",
            mos_range=(0.0, 1.0),
            higher_is_better=True,
        )

    return make_dataset("one", range(4)), make_dataset("two", range(3, 7))


def test_between_datasets_nothing_is_shared(both):
    joined = join(*both)
    split = make(joined, SplitSettings(protocol="cross"))
    check_split(joined, split)
    assert sorted(split.train + split.val) == [0, 1, 2] and split.test == (4, 5, 6, 7)
    careless = dataclasses.replace(split, train=(*split.train, 3))
    with pytest.raises(LeakError, match=r"train and test share identical images: 1 .*content"):
        check_split(joined, careless)


def test_an_upstream_stage_of_one_dataset_must_not_know_the_other(both):
    one, two = both
    joined = join(one, two)
    split = make(joined, SplitSettings(protocol="cross"))
    alone = make(one, SplitSettings(seed=1))
    with pytest.raises(LeakError, match="what this run uses as"):
        check_upstream(
            "Upstream stage 'grading'",
            seen(one, dataclasses.replace(alone, train=(3,))),
            joined,
            split,
        )
    knows = seen(two, split_of([0], [1], [2]))
    with pytest.raises(LeakError, match=r"trained on what this run uses as test: identical images"):
        check_upstream("Upstream stage 'grading'", knows, joined, split)
    check_upstream("Upstream stage 'grading'", seen(joined, split), joined, split)


@pytest.mark.parametrize("which", [0, 1])
def test_what_was_trained_on_together_is_known_in_each_dataset(both, which):
    """A content is recorded by the keys of all datasets that show it, not by one of them."""
    # One scene under two keys: in the first dataset, reference images have other bytes.
    one, two = both
    anew = tuple(f"{digest}-anew" for digest in one.reference_digests)
    parts = (dataclasses.replace(one, reference_digests=anew), two)
    joined = together(parts)
    train = [row for row, r in enumerate(joined.records) if r.reference_image[4:] == "3.png"]
    assert len(train) == 2 and len({joined.content[row] for row in train}) == 1
    known = seen(joined, split_of(train, [], []))
    # Images that were not there then.
    part = parts[which]
    part = dataclasses.replace(part, digests=tuple(f"{digest}-new" for digest in part.digests))
    own = [row for row, record in enumerate(part.records) if record.reference_image == "3.png"]
    first, second, *_ = (row for row in range(len(part)) if row not in own)
    with pytest.raises(LeakError, match=r"as test: content \(references\)"):
        check_upstream("Upstream", known, part, split_of([first], [second], own))
    check_upstream("Upstream", known, part, split_of(own, [first], [second]))


@pytest.mark.parametrize("leaky", [False, True])
def test_what_others_have_trained_on_a_whole_dataset_is_refused_there(leaky):
    """As what ``hmtnet convert`` makes: which of the images trained is not known."""
    content = Content((), ("fake/",))
    released = Seen("", "released", content, content)
    split = dataclasses.replace(OWN, leaky=leaky)
    with pytest.raises(LeakError, match=r"as test: the dataset fake, of which it may have seen"):
        check_upstream("The stage to start from (start)", released, MANIFEST, split)
    assert seen_rows(released, MANIFEST, [6, 7], leaky) == [6, 7]
    check_upstream(
        "The stage to start from",
        released,
        manifest_of("aabb", name="other"),
        split_of([0], [2], [3]),
    )


def test_scenes_of_another_dataset_are_known_however_often_a_stage_was_trained_on(both, tmp_path):
    one, two = both
    folder = tmp_path / "stage"
    folder.mkdir()
    greys = {m.fingerprint: grey_thumbnails([m.path("3.png")])[0] for m in both}
    pretrained = seen(one, split_of([3], [], []))
    tuned = seen(two, split_of([1], [2], []), upstream=[pretrained])
    write_scenes(folder, greys)
    write_description(folder, {})
    # Trained on this very dataset last, and on a near duplicate of its first image before.
    assert look_alikes(folder, tuned, two, [0, 3]) == [0]
    # Within a dataset, keys tell; its own scenes are not compared.
    write_scenes(folder, {two.fingerprint: greys[two.fingerprint]})
    assert look_alikes(folder, tuned, two, [0, 3]) == []


def test_copies_under_two_names_are_the_same_image():
    copies = manifest_of("abcdef", digests=["x", "1", "2", "3", "4", "x"])
    for leaky in (False, True):
        with pytest.raises(LeakError, match=r"train and test share identical images: 1 \(5\.png\)"):
            check_split(copies, split_of([0, 1], [2, 3], [4, 5], leaky=leaky))


def test_the_same_split_upstream_is_allowed():
    check_upstream("Upstream stage 'grading'", seen(MANIFEST, OWN), MANIFEST, OWN)


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        (upstream_of([6]), r"'grading' trained on what this run uses as test: identical images: 1"),
        (upstream_of([4]), "trained on what this run uses as validation"),
        (upstream_of([8], [7]), "chose its epoch on what this run uses as test"),
        (upstream_of([8], [5]), "chose its epoch on what this run uses as validation"),
    ],
)
def test_an_upstream_stage_that_saw_what_judges_this_run_is_refused(upstream, message):
    with pytest.raises(LeakError, match=message) as error:
        check_upstream("Upstream stage 'grading'", upstream, MANIFEST, OWN)
    assert "Train that stage on this split (content-s0-x)" in str(error.value)


def test_other_images_of_the_same_content_are_refused_unless_the_split_is_leaky():
    split = split_of([0], [2], [6])
    upstream = upstream_of([7, 8])
    with pytest.raises(LeakError, match=r"as test: content \(references\): 1 \(d\)"):
        check_upstream("Upstream stage 'grading'", upstream, MANIFEST, split)
    check_upstream(
        "Upstream stage 'grading'", upstream, MANIFEST, dataclasses.replace(split, leaky=True)
    )


def test_what_meets_only_training_is_allowed():
    check_upstream("Upstream stage 'grading'", upstream_of([0, 1, 8], [2, 9]), MANIFEST, OWN)


def test_the_same_validation_is_allowed_only_on_the_same_data():
    upstream = seen(MANIFEST, OWN)
    changed = dataclasses.replace(MANIFEST, mos_range=(0.0, 2.0))
    with pytest.raises(LeakError, match="chose its epoch on what this run uses as validation"):
        check_upstream("Upstream stage 'grading'", upstream, changed, OWN)


def test_another_dataset_is_compared_by_its_bytes():
    strange = manifest_of("xyz", name="strange")
    check_upstream(
        "Upstream stage 'grading'", seen(strange, split_of([0], [1], [2])), MANIFEST, OWN
    )
    shares = manifest_of("xyz", digests=["1", "fake-6", "3"], name="strange")
    upstream = seen(shares, split_of([1], [2], [0]))
    with pytest.raises(LeakError, match=r"identical images: 1 \(6\.png\)"):
        check_upstream("Upstream stage 'grading'", upstream, MANIFEST, OWN)


def test_reference_images_are_recognised_in_another_dataset():
    pristine = [f"bytes-of-{r.reference}" for r in MANIFEST.records]
    mine = dataclasses.replace(MANIFEST, reference_digests=tuple(pristine))
    renamed = manifest_of("pq", name="strange")
    theirs = dataclasses.replace(renamed, reference_digests=("bytes-of-d", "other"))
    with pytest.raises(LeakError, match=r"as test: content \(references\): 1 \(d\)"):
        check_upstream("Upstream stage 'grading'", seen(theirs, split_of([0], [1], [])), mine, OWN)


def test_what_an_upstream_stage_was_started_from_counts_too():
    first = upstream_of([6])
    second = seen(MANIFEST, split_of([0], [2], [], name="content-s5-y"), upstream=[first])
    with pytest.raises(LeakError, match="trained on what this run uses as test"):
        check_upstream("Upstream stage 'sfen'", second, MANIFEST, OWN)
    third = seen(MANIFEST, OWN, upstream=[second])
    assert len(third.upstream) == 2 and not any(part.upstream for part in third.upstream)
    with pytest.raises(LeakError, match="trained on what this run uses as test"):
        check_upstream("Upstream stage 'joint'", third, MANIFEST, OWN)


def test_a_chain_on_one_split_is_recorded_once():
    first = seen(MANIFEST, OWN)
    assert seen(MANIFEST, OWN, upstream=[first, first]) == first


def test_what_was_seen_survives_json():
    first = seen(MANIFEST, OWN, upstream=[upstream_of([8], [9])])
    assert Seen.from_json(json.loads(json.dumps(first.to_json()))) == first


@pytest.mark.parametrize("change", [{"train": None}, {"images": []}, {"fingerprint": None}])
def test_a_damaged_record_is_an_artifacts_fault(change):
    values = seen(MANIFEST, OWN).to_json() | change
    with pytest.raises(ArtifactError, match="what a stage has seen is damaged"):
        Seen.from_json(values)
