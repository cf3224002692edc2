from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.run import BEST_ON_TEST
from hmtnet.report.numbers.sections import by_grounds, configurations, grounds_of, natural


def tables(runs):
    return by_grounds(collect([runs.root]).runs)


def names(runs):
    found = collect([runs.root]).runs
    return sorted(configuration.name for configuration in configurations(found, found)[0])


def test_what_is_never_in_one_table(runs):
    runs.write()
    runs.write(dataset="other")
    runs.write(protocol="image")
    runs.write(kind="pseudo", seed=1)
    runs.write(seed=2, dataset="tiny", protocol="kfold")
    given = {"name": "tiny", "fingerprint": "another", "label_kind": "human"}
    runs.write(seed=3, dataset="tiny ", parts={"dataset": given | unit(0, 1)})
    runs.write(seed=4, parts={"dataset": given | {"fingerprint": f"{0:016x}"} | unit(1, 5)})
    found = tables(runs)
    assert len(found) == 7
    assert all(len(members) == 1 for members in found.values())


def unit(low, high):
    return {"mos_range": [float(low), float(high)], "higher_is_better": True, "licence": ""}


def test_splits_and_seeds_are_in_one_table(runs):
    for split in (0, 1):
        for seed in (0, 1):
            runs.write(split=split, seed=seed)
    ((grounds, members),) = tables(runs).items()
    assert len(members) == 4
    assert grounds.title == "tiny, protocol content"
    (row,), problems = configurations(members, members)
    assert (row.name, len(row.runs), problems) == ("hmtnet joint", 4, [])


def test_how_splits_are_drawn_is_told_and_not_read_from_their_names(runs):
    for split, variant in enumerate(("official-clean", "official", "official")):
        told = {"id": f"name{split}", "protocol": "official", "variant": variant, "seed": split}
        runs.write(split=split, parts={"split": {**told, "leaky": False, "images": {}}})
    assert {g.variant: len(found) for g, found in tables(runs).items()} == {
        "official": 2,
        "official-clean": 1,
    }


def test_rows_are_told_apart_by_few_settings(runs):
    for rate in (0.001, 0.0003):
        runs.write(settings={"optimizer": {"lr": rate, "decay": rate}, "epochs": 3})
    runs.write("plain", "quality")
    assert names(runs) == [
        "hmtnet joint [joint.optimizer.lr=0.0003]",
        "hmtnet joint [joint.optimizer.lr=0.001]",
        "plain quality",
    ]


def test_all_differences_are_kept(runs):
    runs.write(settings={"lr": 1, "long": "a", "flag": True, "parts": ["x", "y"]})
    runs.write(settings={"lr": 2, "long": "b", "flag": None, "parts": []})
    found = collect([runs.root]).runs
    rows, _ = configurations(found, found)
    assert [set(row.differences) for row in rows] == [
        {"joint.lr", "joint.long", "joint.flag", "joint.parts"}
    ] * 2
    values = {value for row in rows for value in row.differences.values()}
    assert values == {"1", "2", "a", "b", "true", "null", "x+y", "none"}


def test_an_upstream_stage_trained_otherwise_is_another_row(runs):
    for epochs in (1, 2):
        grading = runs.write(stage="grading", settings={"epochs": epochs}).name.split("-")[1]
        runs.write(seed=0, upstream={"grading": {"key": grading, "path": "."}}, precision="32-true")
    assert names(runs) == [
        "hmtnet grading [grading.epochs=1]",
        "hmtnet grading [grading.epochs=2]",
        "hmtnet joint [grading.epochs=1]",
        "hmtnet joint [grading.epochs=2]",
    ]


def test_one_split_and_seed_counts_once(runs):
    old = runs.write(key="aaa")
    new = runs.write(key="bbb")
    for folder, when in ((old, "2020"), (new, "2021")):
        path = folder / "status.json"
        path.write_text(path.read_text().replace('"updated": "20', f'"updated": "{when}-20'))
    found = collect([runs.root]).runs
    (row,), (problem,) = configurations(found, found)
    assert [run.path for run in row.runs] == [new]
    assert problem.path == old
    assert new.name in problem.message


def test_marks(runs):
    runs.write(protocol="image", selection=BEST_ON_TEST)
    found = collect([runs.root]).runs
    (row,), _ = configurations(found, found)
    assert row.marks == ("leaky split", "epoch chosen on the test images")
    assert "LEAKY" in grounds_of(found[0]).title


def test_pseudo_labels_are_never_called_mos(runs):
    runs.write(kind="pseudo")
    runs.write(seed=1, kind="human")
    human, pseudo = sorted(tables(runs), key=lambda g: g.label_kind)
    assert (human.mos, pseudo.mos) == ("MOS", "pseudo-MOS")
    assert pseudo.labels == "pseudo-MOS, not human, 0 to 1, 1 = best"


def test_natural_order():
    assert sorted(["s-10-b", "s-9-a", "s-1"], key=natural) == ["s-1", "s-9-a", "s-10-b"]
