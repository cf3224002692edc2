"""The readers on the real label files: run with HMTNET_DATA set to a folder that has labels/."""

import csv
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from hmtnet.baselines.study import study
from hmtnet.data import readers
from hmtnet.data.grades import Grades, GradesSettings
from hmtnet.data.readers import isrgen_qa, ma, pipal_sr, qads, realsrq, sriqa_bench
from hmtnet.data.series import series
from hmtnet.data.settings import DataSettings
from hmtnet.data.sharpness import sharpness_of
from hmtnet.data.split import SplitSettings
from hmtnet.metrics import within_reference_srcc

# Read at import, because the fixture beside this file removes it from every test's environment.
LABELS = Path(os.environ.get("HMTNET_DATA", "nowhere")) / "labels"
TABLES = {path.name: path for path in LABELS.rglob("*.mat")}

pytestmark = pytest.mark.skipif(
    not LABELS.is_dir(), reason="HMTNET_DATA names no folder with labels/"
)


def read(module, table=None, root=None):
    name = module.__name__.split(".")[-1]
    settings = DataSettings(
        reader=name,
        root=None if root is None else str(root),
        table=None if table is None else str(TABLES[table]),
        labels_only=True,
    )
    return module.read(settings)


def rows_of(name):
    with (LABELS / name).open(newline="") as file:
        return list(csv.DictReader(file))


def check_facts(labels):
    """What the facts say of the whole dataset holds for the real labels."""
    facts, records = labels.facts, labels.records
    assert len(records) + len(labels.left_out) == facts.images
    assert len({record.reference for record in records}) == facts.references
    assert len({record.method for record in records}) == facts.methods
    found = [labels.mos.min(), labels.mos.mean(), labels.mos.max()]
    assert found == pytest.approx(list(facts.mos), abs=1e-4)
    scales = Counter(record.scale for record in records if record.scale is not None)
    assert all(record.reference is not None for record in records)
    return scales


def check_published(labels, references):
    published = labels.published
    whole = np.arange(1, references + 1)
    assert published.permutations.shape == (1000, references)
    assert (np.sort(published.permutations, axis=1) == whole).all()
    pairs = {(r.reference, n) for r, n in zip(labels.records, published.references, strict=True)}
    assert len(pairs) == references and len({number for _, number in pairs}) == references


def check_splits(labels, name):
    with np.load(LABELS / name) as stored:
        assert np.array_equal(labels.published.permutations, stored["perm"])


def test_qads():
    labels = read(qads, "QADSfullinfo.mat")
    scales = check_facts(labels)
    assert scales == {2: 260, 3: 320, 4: 400} == labels.facts.scales
    assert labels.mos.min() == 0.0211 and labels.mos.max() == pytest.approx(0.9735, abs=5e-5)
    assert sum(record.method == "21" for record in labels.records) > 0
    check_published(labels, 20)
    check_splits(labels, "splits_qads_1000.npz")
    found = {record.image: record for record in labels.records}
    numbers = dict(zip(found, labels.published.references.tolist(), strict=True))
    rows = rows_of("qads.csv")
    assert len(rows) == len(found)
    for row in rows:
        record = found[row["name"]]
        assert record.mos == float(row["mos"]) and record.scale == int(row["scale"])
        assert record.method == row["method"] and numbers[row["name"]] == int(row["ref_id"])


def test_ma():
    labels = read(ma, "sr_metric_data.mat")
    assert check_facts(labels) == dict.fromkeys((2, 3, 4, 5, 6, 8), 270) == labels.facts.scales
    assert (labels.mos.min(), labels.mos.max()) == (0.075, 9.85)
    groups = Counter((record.method, record.scale) for record in labels.records)
    assert len(groups) == 54 and set(groups.values()) == {30}
    odd = [r.mos for r in labels.records if (r.method, r.scale) == ("Shan08", 3)]
    assert (min(odd), max(odd)) == (0.075, 1.375) and np.mean(odd) == pytest.approx(
        0.4067, abs=1e-4
    )
    check_published(labels, 30)
    check_splits(labels, "splits_ma_1000.npz")
    found = {record.image: record for record in labels.records}
    rows = rows_of("ma.csv")
    assert len(rows) == len(found)
    for row in rows:
        record = found[row["name"]]
        assert record.mos == float(row["mos"]) and record.scale == int(row["scale"])
        assert (record.method, record.reference) == (row["method"], row["ref"])


def test_realsrq_is_joined():
    rows = {row["name"]: row for row in rows_of("realsrq.csv")}
    labels = read(realsrq, root=TABLES["RealSRQ_LR2_meta.mat"].parent)
    assert check_facts(labels) == {2: 599, 3: 540, 4: 478}
    assert [text.split(" ")[0].split("/")[-1] for text in labels.left_out] == [
        "Buildings_007_LR2_ASDS.png",
        "Natural_007_LR4_VDSR.png",
        "People_007_LR4_VDSR.png",
    ]
    assert labels.published is None
    assert {name for name, row in rows.items() if row["mos"]} == {r.image for r in labels.records}
    groups = defaultdict(list)
    for record in labels.records:
        row = rows[record.image]
        assert record.mos == float(row["mos"]) and record.scale == int(row["scale"])
        assert (record.method, record.reference) == (row["method"], row["ref"])
        groups[record.reference, record.scale].append(record.mos)
    # Scores say nothing across scenes and scales: each group adds up to nothing.
    assert len(groups) == 180
    assert max(abs(sum(group)) for group in groups.values()) < 1e-9


@pytest.mark.parametrize(("scale", "scored", "left_out"), [(2, 599, 1), (3, 540, 0), (4, 478, 2)])
def test_realsrq_tables(scale, scored, left_out):
    labels = read(realsrq, f"RealSRQ_LR{scale}_meta.mat")
    assert (len(labels), len(labels.left_out)) == (scored, left_out)
    assert {record.scale for record in labels.records} == {scale}
    assert len(labels) + left_out == labels.facts.scales[scale]
    check_published(labels, 60)


def test_pipal_sr():
    labels = read(pipal_sr, "PIPAL_SRsubset_meta.mat")
    check_facts(labels)
    assert set(Counter(record.reference for record in labels.records).values()) == {116}
    assert len({record.method.split("_")[0] for record in labels.records}) == 7
    check_published(labels, 50)
    # Three of PIPAL's own Elo scores, and the scaling that the facts state.
    elo = {"A0078_00_00": 1408.9757, "A0080_03_23": 1007.478, "A0080_02_04": 1769.6304}
    found = {record.image.removesuffix(".bmp"): record.mos for record in labels.records}
    for name, score in elo.items():
        assert 952.0358 + 883.9498 * found[name] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("kind", ["xlsx", "txt"])
def test_isrgen_qa(tmp_path, kind):
    for path in (LABELS / "isrgen_qa").glob(f"*.{kind}"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    labels = read(isrgen_qa, root=tmp_path)
    assert check_facts(labels) == labels.facts.scales
    assert Counter(record.official for record in labels.records) == labels.facts.subsets
    assert labels.facts.subsets == {"train": 576, "val": 72, "test": 72}
    references = defaultdict(set)
    for record in labels.records:
        references[record.official].add(record.reference)
        assert (record.mos_std is not None) == (kind == "xlsx")
    # The official split shares its references, as the notes say.
    assert [len(references[subset]) for subset in ("train", "val", "test")] == [19, 19, 18]
    assert references["test"] < references["train"] == references["val"]


def test_isrgen_qa_says_the_same_in_both_formats(tmp_path):
    found = []
    for kind in ("xlsx", "txt"):
        root = tmp_path / kind
        root.mkdir()
        for path in (LABELS / "isrgen_qa").glob(f"*.{kind}"):
            (root / path.name).write_bytes(path.read_bytes())
        found.append(read(isrgen_qa, root=root))
    sheets, texts = (
        [(r.image, r.reference, r.method, r.scale, r.official) for r in labels.records]
        for labels in found
    )
    assert sheets == texts
    assert np.abs(found[0].mos - found[1].mos).max() < 1e-12


def test_sriqa_bench():
    labels = read(sriqa_bench, root=LABELS / "sriqa_bench")
    assert check_facts(labels) == {4: 1000} == labels.facts.scales
    assert sum(record.method == "Original" for record in labels.records) == 100
    scenes = defaultdict(list)
    for record in labels.records:
        scenes[record.reference].append((record.mos, record.method))
    # Every scene is scaled by itself, and its original is not always the best.
    assert {len(scene) for scene in scenes.values()} == {11}
    assert all(min(scene)[0] == 0 for scene in scenes.values())
    assert all(max(scene)[0] == pytest.approx(100) for scene in scenes.values())
    assert sum(max(scene)[1] == "Original" for scene in scenes.values()) == 60


# What a predictor that never looks at a pixel reaches on the usual splits: SRCC, PLCC, KRCC, RMSE,
# medians over the 1000 stored orders.
MEDIANS = {
    "qads": ("QADSfullinfo.mat", (0.973, 0.976, 0.875, 0.060), 0.004),
    "ma": ("sr_metric_data.mat", (0.945, 0.957, 0.811, 0.757), 0.016),
}


@pytest.mark.parametrize("name", MEDIANS)
def test_label_only_over_all_published_splits(name):
    table, medians, spread = MEDIANS[name]
    labels = read({"qads": qads, "ma": ma}[name], table)
    started = time.process_time()
    found = study(labels, series(labels, SplitSettings(protocol="published")))
    assert time.process_time() - started < 20
    outcomes = [outcome for outcome in found.outcomes if outcome.baseline == "label-only"]
    assert len(outcomes) == 1000
    for number, known in zip(("srcc", "plcc", "krcc", "rmse"), medians, strict=True):
        values = [getattr(outcome, number) for outcome in outcomes]
        assert np.median(values) == pytest.approx(known, abs=1e-3), number
    assert np.std([outcome.srcc for outcome in outcomes]) == pytest.approx(spread, abs=1e-3)


def test_on_the_official_split_of_isrgen_qa_references_tell_much():
    labels = read(isrgen_qa, root=LABELS / "isrgen_qa")
    found = study(labels, [SplitSettings(protocol="official")])
    values = {o.baseline: (o.srcc, o.plcc) for o in found.outcomes}
    assert found.leaky
    assert values["label-only"] == pytest.approx((0.790, 0.861), abs=1e-3)
    assert values["label+reference"] == pytest.approx((0.880, 0.911), abs=1e-3)


def test_sharpness_orders_what_people_choose_among_networks(monkeypatch, tmp_path):
    root = LABELS.parent / "human_choice"
    if not root.is_dir():
        pytest.skip("HMTNET_DATA has no human_choice/")
    monkeypatch.setenv("HMTNET_HOME", str(tmp_path))
    meaning = {"range": (0.0, 1.0), "direction": "higher", "label_kind": "human"}
    manifest = readers.read(DataSettings(reader="table", root=str(root), **meaning))
    variance = sharpness_of(manifest, range(len(manifest)))
    within = within_reference_srcc(variance, manifest.mos, manifest.reference, minimum=4)
    assert within == pytest.approx(0.587, abs=1e-3)


def test_method_disjoint_splits_of_qads_leave_only_the_scale():
    labels = read(qads, "QADSfullinfo.mat")
    outcomes = study(labels, series(labels, SplitSettings(protocol="method"), 50)).outcomes
    values = {
        name: [outcome.srcc for outcome in outcomes if outcome.baseline == name]
        for name in ("scale-only", "label-only")
    }
    assert values["label-only"] == values["scale-only"]
    assert 0.75 < np.median(values["scale-only"]) < 0.85 and np.std(values["scale-only"]) > 0.05


@pytest.mark.parametrize(
    ("module", "table", "edges"),
    [
        (qads, "QADSfullinfo.mat", [0.220, 0.408, 0.591, 0.786]),
        (ma, "sr_metric_data.mat", [2.363, 3.974, 5.693, 7.589]),
    ],
)
def test_the_five_grades_of_a_whole_dataset_are_near_the_known_ones_and_no_worse(
    module, table, edges
):
    def distance(grades):
        grade = grades.assign(scores)
        return sum(((scores - scores[grade == k].mean()) ** 2)[grade == k].sum() for k in range(5))

    # The known edges are near the optimum but not quite it, as an iterated k-means may end.
    labels = read(module, table)
    scores, known = labels.unit_mos, Grades(tuple(labels.to_unit(np.array(edges)).tolist()))
    found = Grades.fit(scores, GradesSettings())
    assert found.edges == pytest.approx(known.edges, abs=0.0025)
    assert distance(found) < distance(known) < 1.001 * distance(found)
    assert np.mean(found.assign(scores) == known.assign(scores)) > 0.99
