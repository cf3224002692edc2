import json

import numpy as np
import pytest

from hmtnet.artifact.predictions import read, write
from hmtnet.baselines import KEPT
from hmtnet.errors import DataError
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.run import BEST_ON_TEST
from hmtnet.storage import status as run_status
from hmtnet.storage.status import Status


@pytest.fixture
def change(rewrite):
    """Change parts of a run's description, as if it had been written so; None removes a key."""

    def changed(folder, **parts):
        def apply(document):
            for where, value in parts.items():
                *parents, last = where.split("__")
                inner = document
                for parent in parents:
                    inner = inner[parent]
                if value is None:
                    del inner[last]
                else:
                    inner[last] = value

        rewrite(folder, apply)

    return changed


def only_problem(runs):
    """The message about the one run that is not usable; the other one is still reported."""
    found = collect([runs.root])
    assert [run.system for run in found.runs] == ["good"]
    (problem,) = found.problems
    return problem


@pytest.fixture
def bad(runs):
    """The folder of a run to be spoilt, beside a good one."""
    runs.write("good")
    return runs.write("bad")


def test_what_stage_json_says(runs):
    folder = runs.write(
        "hmtnet",
        "sfen",
        seed=3,
        kind="pseudo",
        upstream={"grading": {"key": "abc", "path": "../x"}},
        selection=BEST_ON_TEST,
    )
    (run,) = collect([runs.root]).runs
    assert (run.path, run.system, run.stage, run.seed) == (folder, "hmtnet", "sfen", 3)
    assert (run.dataset, run.label_kind, run.mos_range) == ("tiny", "pseudo", (0.0, 1.0))
    assert (run.protocol, run.leaky, run.higher_is_better) == ("content", False, True)
    assert run.split == folder.parent.name
    assert run.settings["optimizer"] == {"lr": 0.001}
    assert run.grades == ((0.2, 0.4, 0.6, 0.8), "width")
    assert run.upstream == {"grading": "abc"}
    assert run.selection == BEST_ON_TEST
    assert run.cost["parameters"] == 1234
    assert run.train_images == run.predictions.subset.count("train") > 0
    assert run.fold is None
    assert run.finished.startswith("20")


def test_a_fold_is_recognised(runs):
    runs.write(protocol="kfold", split=3)
    (run,) = collect([runs.root]).runs
    assert run.fold == ("kfold5-s0", 3)


def test_a_run_given_twice_counts_once(runs, monkeypatch):
    folder = runs.write()
    monkeypatch.chdir(runs.root.parent)
    assert len(collect([runs.root, folder, folder.parent, "runs"]).runs) == 1


def test_the_folders_of_baselines_are_no_runs(runs):
    folder = runs.write()
    for name in KEPT:
        (folder.parent / f"{name}-0123456789ab").mkdir()
        write(
            folder.parent / f"{name}-0123456789ab" / "predictions.csv",
            read(folder / "predictions.csv"),
        )
    found = collect([runs.root])
    assert len(found.runs) == 1
    assert found.problems == ()


def test_a_path_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"No such folder: .*nowhere"):
        collect([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("state", "said"),
    [("running", "still running"), ("interrupted", "interrupted"), ("failed", "failed")],
)
def test_an_unfinished_run(runs, state, said):
    runs.write("good")
    folder = runs.write("bad", state=state)
    problem = only_problem(runs)
    assert problem.path == folder
    assert said in problem.message
    assert "resumes" in problem.message


def test_a_run_that_was_interrupted_before_it_predicted(bad, runs):
    (bad / "predictions.csv").unlink()
    (bad / "stage.json").unlink()
    run_status.write(bad / "status.json", Status.begin("joint", "k", 3))
    assert "not finished" in only_problem(runs).message


@pytest.mark.parametrize("text", [None, "{", "[]", "[" * 100_000])
def test_a_status_that_is_missing_or_damaged(bad, runs, text):
    (bad / "status.json").unlink() if text is None else (bad / "status.json").write_text(text)
    assert "status.json" in only_problem(runs).message


def test_missing_columns(bad, runs, rewrite):
    path = bad / "predictions.csv"
    lines = [line.rsplit(",", 2) for line in path.read_text().splitlines()]
    path.write_text("\n".join(first for first, *_ in lines) + "\n")
    rewrite(bad)
    problem = only_problem(runs)
    assert "lacks the columns method, scale" in problem.message
    assert str(bad) in str(problem)


@pytest.mark.parametrize("wrong", ["nan", "inf", "-inf", ""])
def test_a_score_that_is_no_number(bad, runs, rewrite, wrong):
    path = bad / "predictions.csv"
    header, first, *rest = path.read_text().splitlines()
    cells = first.split(",")
    cells[4] = wrong
    path.write_text("\n".join([header, ",".join(cells), *rest]) + "\n")
    rewrite(bad)
    assert "row 2, column score: expected a finite number" in only_problem(runs).message


def test_stage_json_damaged_or_from_a_newer_hmtnet(bad, runs):
    (bad / "stage.json").write_text("{")
    assert "damaged" in only_problem(runs).message
    (bad / "stage.json").write_text(json.dumps({"format": 99, "hmtnet": "9.0"}))
    assert "Upgrade hmtnet" in only_problem(runs).message


def test_an_older_version_that_wrote_less(bad, runs, change):
    change(bad, cost=None, precision=None, upstream=None, grades=None, debug=None)
    old = next(run for run in collect([runs.root]).runs if run.system == "bad")
    assert (old.cost, old.precision, old.upstream) == ({}, "", {})
    assert (old.grades, old.selection) == (((), ""), "validation")


@pytest.mark.parametrize(
    "key", ["dataset__label_kind", "dataset__mos_range", "dataset__fingerprint", "split__leaky"]
)
def test_an_older_version_without_what_tables_need(bad, runs, key, change):
    change(bad, **{key: None})
    message = only_problem(runs).message
    assert f"'{key.replace('__', '.')}'" in message
    assert "Train the stage again" in message


def test_labels_of_an_unknown_kind_do_not_pass_for_those_of_people(bad, runs, change):
    change(bad, dataset__label_kind="pseud")
    assert "must be one of human, pseudo; found 'pseud'" in only_problem(runs).message


@pytest.mark.parametrize("wrong", [[1, 0], [0], [0, "a"], [0, 1, 2]])
def test_a_range_that_is_none(bad, runs, wrong, change):
    change(bad, dataset__mos_range=wrong)
    assert "mos_range" in only_problem(runs).message


@pytest.mark.parametrize("wrong", ["ab", [0.5, 0.4], [None], [[0.5]]])
def test_edges_of_grades_that_are_none(bad, runs, wrong, change):
    change(bad, grades__edges_unit=wrong)
    message = only_problem(runs).message
    assert "stage.json" in message and "Train the stage again" in message


def test_a_capped_run(runs):
    runs.write("good")
    runs.write("bad", debug={"epochs": 1, "batches": 1})
    assert "capped by trainer.debug" in only_problem(runs).message


def test_test_images_that_are_not_predicted(bad, runs, rewrite):
    path = bad / "predictions.csv"
    found = read(path)
    write(path, type(found).concatenate([found.select("train"), found.select("val")]))
    rewrite(bad)
    assert "evaluate.test=true" in only_problem(runs).message


def test_a_part_of_the_test_images(bad, runs, rewrite):
    path = bad / "predictions.csv"
    lines = path.read_text().splitlines()
    last = max(i for i, line in enumerate(lines) if ",test," in line)
    path.write_text("\n".join(lines[:last] + lines[last + 1 :]) + "\n")
    rewrite(bad)
    assert "holds 39 of 40 test images" in only_problem(runs).message


def test_runs_that_contradict_each_other_about_a_split(runs):
    good = runs.write("good")
    mos = read(good / "predictions.csv").mos + 0.001
    runs.write("zbad", stage="other", columns={"mos": np.asarray(mos)})
    problem = only_problem(runs)
    assert "not those of" in problem.message
    assert str(good) in problem.message


def test_a_run_of_before_is_named_with_the_command_that_makes_it_anew(runs):
    folder = runs.write(split=2)
    path = folder / "stage.json"
    document = json.loads(path.read_text()) | {"format": 1, "weights_sha256": None}
    for name in ("variant", "index", "folds"):
        del document["split"][name]
    path.write_text(json.dumps(document))
    runs.write(split=3)
    found = collect([runs.root])
    assert len(found.runs) == 1
    (problem,) = found.problems
    assert problem.path == folder
    assert problem.message.endswith(
        "hmtnet train system=hmtnet seed=0 data=tiny split=content split.seed=2"
    )


@pytest.mark.parametrize(
    "name, advice",
    [
        ("predictions.csv", "predicts these images anew"),
        ("stage.json", "train the stage again"),
        ("stage.safetensors", "train the stage again"),
    ],
)
def test_what_was_changed_after_it_was_written(bad, runs, name, advice):
    path = bad / name
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1", b"2", 1) if name != "stage.safetensors" else b"")
    assert path.read_bytes() != content
    message = only_problem(runs).message
    assert f"{name} was changed after it was written" in message and advice in message


def test_a_changed_curve_is_not_shown_and_told_and_the_numbers_are(bad, runs, rewrite):
    rewrite(bad, lambda document: document["files"].update({"metrics.csv": {}}))
    assert not collect([runs.root]).problems
    (bad / "metrics.csv").write_text("epoch,val/srcc\n1,0.99\n2,1.0\n")
    found = collect([runs.root])
    assert [run.history.curves is None for run in found.runs] == [True, False]
    assert [problem.path for problem in found.problems] == [bad]
    assert "metrics.csv was changed after it was written" in found.problems[0].message


def test_a_run_of_before_digests_is_marked(runs, unverified):
    unverified(runs.write("old"))
    runs.write("new")
    entries = [
        entry
        for section in build_report(collect([runs.root])).sections
        for entry in section.entries
        if "unverified" in entry.marks
    ]
    assert [entry.name for entry in entries] == ["old joint"]
