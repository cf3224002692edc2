"""A split's id stands for its images, on every machine: what changes it, and what does not."""

import dataclasses
import itertools
import os
import subprocess
import sys

import pytest

from hmtnet.data.labels import Labels
from hmtnet.data.protocols import make
from hmtnet.data.split import SplitSettings

WHOLE_GRID = [(r, m, s, m, "train") for r, m, s in itertools.product(range(8), range(8), [2, 4])]

# A changed id would name another split by a published one's name.
KNOWN = {
    "content": "content-s3-c2172673",
    "kfold": "kfold5-s3-i1-9f03670a",
    "published": "published-i1-1b911ca9",
    "method": "method-s3-d2f918d7",
    "scale": "scale-x4-s3-c5667dd0",
    "image": "image-s3-ccacb245",
    "official": "official-s3-1929ed24",
    "all": "all-s3-934863a6",
}
PLAIN = ("content", "kfold", "method", "scale", "image", "official", "all")


@pytest.mark.parametrize("protocol", KNOWN)
def test_ids_are_known(fixed_manifest, split_settings, protocol):
    assert make(fixed_manifest, split_settings(protocol)).id == KNOWN[protocol]


def test_a_draw_computed_apart(manifest_from):
    # Sorting "3:r0" … "3:r7" by SHA-256 gives 5 2 1 7 0 | 6 | 4 3.
    manifest = manifest_from([(i, 0, 2, 0, "train") for i in range(8)])
    split = make(manifest, SplitSettings(seed=3))
    assert (split.train, split.val, split.test) == ((0, 1, 2, 5, 7), (6,), (3, 4))


def test_what_was_trained_elsewhere_is_tested_on_everything(fixed_manifest):
    split = make(fixed_manifest, SplitSettings(protocol="whole"))
    assert (split.train, split.val) == ((), ()) and split.test == tuple(range(38))
    assert split.id.startswith("whole-s0-") and not split.leaky


SCRIPT = """
from pathlib import Path
from hmtnet.data.labels import Labels
from hmtnet.data.protocols import make
from hmtnet.data.record import Record
from hmtnet.data.split import SplitSettings

records = tuple(
    Record(
        image=f"{r}{m}{s}.png", mos=0.5, reference=f"r{r}", method=f"m{m}", scale=s,
        official=("train", "train", "train", "train", "test", "test")[r],
    )
    for r in range(6) for m in range(3) for s in (2, 4)
)
labels = Labels(
    name="fake", root=Path(), records=records, label_kind="human", mos_range=(0.0, 1.0),
    higher_is_better=True,
)
for protocol in PROTOCOLS:
    print(make(labels, SplitSettings(protocol=protocol, seed=5)).id)
"""


def test_ids_do_not_depend_on_pythons_hash_seed():
    found = []
    for hash_seed in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.replace("PROTOCOLS", repr(PLAIN))],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.split())
    assert found[0] == found[1]
    assert len(found[0]) == len(PLAIN) and found[0][0] == "content-s5-55e89fa8"


@pytest.mark.parametrize("seed", range(10))
def test_a_whole_grid_gives_every_subset_its_methods_of_its_contents(manifest_from, seed):
    manifest = manifest_from(WHOLE_GRID)
    split = make(manifest, SplitSettings(protocol="method", seed=seed))
    by_content = make(manifest, SplitSettings(seed=seed))
    for name, number in {"train": 5, "val": 1, "test": 2}.items():  # of eight of each; two scales
        assert len(split.subsets[name]) == number * number * 2
        shown, expected = (
            {manifest.content[row] for row in subsets[name]}
            for subsets in (split.subsets, by_content.subsets)
        )
        assert shown == expected


def test_seeds_give_different_splits(manifest_from):
    for protocol in ("content", "kfold", "method", "scale", "image", "all"):
        made = [
            make(manifest_from(WHOLE_GRID), SplitSettings(protocol=protocol, seed=seed))
            for seed in range(5)
        ]
        assert len({split.id.rpartition("-")[2] for split in made}) == 5
        assert [split.seed for split in made] == list(range(5))


def test_an_official_split_depends_on_the_seed_only_where_validation_is_carved(
    manifest_from, fixed_manifest
):
    shipped = [
        make(fixed_manifest, SplitSettings(protocol="official", seed=seed)) for seed in range(5)
    ]
    assert len({split.subsets["val"] for split in shipped}) == 1
    carved = manifest_from([(r, 0, 2, 0, "test" if r > 5 else "train") for r in range(8)])
    made = [make(carved, SplitSettings(protocol="official", seed=seed)) for seed in range(9)]
    assert len({split.subsets["val"] for split in made}) > 1
    assert {split.test for split in made} == {(6, 7)}


def test_other_containers_and_reference_images_do_not_change_the_draw_of_contents(manifest_from):
    for protocol in ("content", "kfold", "method", "scale", "all"):
        plain, other, pristine = (
            make(manifest, SplitSettings(protocol=protocol))
            for manifest in (
                manifest_from(WHOLE_GRID),
                manifest_from(WHOLE_GRID, suffix=".webp"),
                manifest_from(WHOLE_GRID, pristine="hgfedcba"),
            )
        )
        assert other.subsets == plain.subsets and pristine == plain


def test_one_reference_under_two_names_is_one_content(manifest_from):
    manifest = manifest_from([(i, 0, 2, 0, "train") for i in range(6)], "ssxyzw??")
    for seed in range(20):
        split = make(manifest, SplitSettings(seed=seed))
        assert any({0, 1} <= set(rows) for rows in split.subsets.values())


def test_labels_alone_are_split_like_the_dataset_itself(fixed_manifest, split_settings):
    labels = Labels(
        **{field.name: getattr(fixed_manifest, field.name) for field in dataclasses.fields(Labels)}
    )
    for protocol in (*PLAIN, "published"):
        values = split_settings(protocol)
        if protocol != "image":  # whose copies are known by their bytes
            assert make(labels, values) == make(fixed_manifest, values)
