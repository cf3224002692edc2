"""Notebooks: what each of them promises, the quickest one run, and an ablation read by another.

All are run from top to bottom where the documentation is built (tests/test_documentation.py).
"""

import ast
import copy
import functools
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
from hydra import compose as compose_anew
from matplotlib import pyplot

import hmtnet as facade
from hmtnet.artifact import predictions
from hmtnet.metrics import srcc

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
BY_NAME = {path.stem: path for path in NOTEBOOKS}
ABLATION, SHORTCUT = BY_NAME["01_ablation"], BY_NAME["04_label_shortcut"]


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def code_cells(path):
    return [cell for cell in cells_of(path) if cell["cell_type"] == "code"]


@pytest.fixture(scope="session")
def compose():
    """Hydra's compose, which asks conf/ the same question once, however often a notebook runs."""
    once = functools.cache(lambda name, *words: compose_anew(name, [*words]))
    return lambda name, words: copy.deepcopy(once(name, *words))


@pytest.fixture
def execute(monkeypatch, tmp_path, capsys, compose):
    """Call ``execute(path, NAME="value")``: its cells, one after another, in this environment.

    With ``trains=False`` those that train are left out. Returns what the others print, and what
    stands at the axes of their figures.
    """

    def run(path, trains=True, **environment):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("hydra.compose", compose)
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))
        names = {"__name__": "__main__"}
        for number, cell in enumerate(code_cells(path), start=1):
            if not trains and "trains" in cell["metadata"].get("tags", []):
                continue
            exec(compile("".join(cell["source"]), f"{path.name}, cell {number}", "exec"), names)
        axes = [axis for figure in pyplot.get_fignums() for axis in pyplot.figure(figure).axes]
        return capsys.readouterr().out, [axis.get_xlabel() or axis.get_ylabel() for axis in axes]

    mpl.use("Agg")
    yield run
    pyplot.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_has_no_outputs(path):
    for cell in code_cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_says_one_sentence_below_its_title_and_judges_it(path):
    title, sentence, *_ = "".join(cells_of(path)[0]["source"]).split("\n\n")
    assert re.fullmatch(r"# [^\n]+", title)
    assert re.fullmatch(r"\*\*[^*.?!]+\.\*\*", sentence.replace("\n", " "))
    code = "".join("".join(cell["source"]) for cell in code_cells(path))
    assert "The sentence under the title is" in code and "NOT supported" in code


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_written_on_what_import_hmtnet_gives(path):
    for cell in code_cells(path):
        for node in ast.walk(ast.parse("".join(cell["source"]))):
            if isinstance(node, ast.ImportFrom):
                assert not node.module.startswith("hmtnet")
            elif isinstance(node, ast.Import):
                assert not [name for name in node.names if name.name.startswith("hmtnet.")]
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "hmtnet":
                assert node.attr in facade.__all__


def test_the_label_shortcut_says_that_it_runs_on_the_demo_set(execute, demo_root, tmp_path):
    text, axes = execute(SHORTCUT, HMTNET_DATA=tmp_path)
    assert text.count("Not here:") == 3 and "runs on the DEMO set" in text
    numbers = re.search(r"demo: label-only (\S+), the best that looks \(\S+\) (\S+);", text)
    supported = float(numbers[1]) > float(numbers[2])
    assert ("title is supported" in text) == supported
    assert len(axes) == 2 and "pseudo-MOS, not human" in axes[1]


@pytest.fixture(scope="session")
def ablation(hmtnet, tiny, tmp_path_factory):
    """The folder of runs of three questions and the reference over two splits."""
    runs = tmp_path_factory.mktemp("ablation") / "runs"
    questions = "ablation=reference,chain_two_stage,perspectives_pixels,prior_none"
    # Half of the references are tested: of a single one, within-τ is undefined.
    words = ["seed=0,1", "evaluate.test=true", "split.fractions=[0.34,0.16,0.5]"]
    outcome = hmtnet(*tiny(runs, "-m", questions, *words))
    assert outcome.code == 0, outcome.err
    return runs


def differences(runs):
    """Each question's test SRCC less the reference's, split by split, from the files alone."""
    found = {"reference": [], "prior_none": [], "perspectives_pixels": [], "chain_two_stage": []}
    for split in sorted((runs / "qads").glob("content-*")):
        values, upstream = {}, {}
        for joint in split.glob("joint-*"):
            name = question_of(joint)
            values[name] = skill(joint)
            upstream[name] = json.loads((joint / "stage.json").read_text())["upstream"]
        values["chain_two_stage"] = skill(split / f"sfen-{upstream['reference']['sfen']['key']}")
        for name, value in values.items():
            found[name].append(value - values["reference"])
    assert found.pop("reference") == [0, 0]
    return found


def question_of(joint):
    network = json.loads((joint / "stage.json").read_text())["settings"]["network"]["sfen"]
    if network["prior"] == "none":
        return "prior_none"
    return "perspectives_pixels" if network["perspectives"] == ["pixels"] else "reference"


def skill(run):
    test = predictions.read(run / "predictions.csv").select("test")
    return srcc(test.score, test.mos)


@pytest.mark.full
def test_the_ablation_says_what_each_question_changed(execute, ablation):
    text, axes = execute(ABLATION, trains=False, HMTNET_RUNS=ablation, HMTNET_DATASET="qads")
    expected = differences(ablation)
    beyond = 0
    for name, (a, b) in expected.items():
        mean, sd = (a + b) / 2, abs(a - b) / 2**0.5
        assert re.search(rf"^{name} +{re.escape(f'{mean:+.3f} ± {sd:.3f}')} ", text, re.MULTILINE)
        beyond += abs(mean) > sd
    assert any(a or b for a, b in expected.values())
    sentence = " ".join(text.splitlines()[:6])
    assert sentence.startswith(
        f"Of 3 questions asked over 2 splits of qads, {beyond} changed the test SRCC with MOS"
    )
    assert "What is the grade prior worth? The SFEN without it." in text
    assert "Reference: size=tiny, and beside its defaults" in text
    told = " ".join(text.split())
    assert "system.grading.epochs=1" in told and "size.crops.size=48" in told
    assert "system.grading.crops" not in told and "network.encoder" not in told  # its size's
    skills = "on test images, question less reference; right is better"
    assert axes == [f"SRCC with MOS {skills}", f"within-τ with MOS {skills}", "share of attention"]


@pytest.mark.full
def test_a_change_beyond_the_spread_is_named_and_computed_labels_are_pseudo_mos(
    execute, ablation, tmp_path, rewrite
):
    runs = shutil.copytree(ablation, tmp_path / "runs")
    for joint in runs.rglob("joint-*"):
        if question_of(joint) == "prior_none":
            found = predictions.read(joint / "predictions.csv")
            predictions.write(joint / "predictions.csv", replace(found, score=-found.mos))
    for path in runs.rglob("stage.json"):
        rewrite(path.parent, lambda document: document["dataset"].update(label_kind="pseudo"))
    a, b = differences(runs)["prior_none"]
    assert a < -1 and b < -1
    text, axes = execute(ABLATION, trains=False, HMTNET_RUNS=runs, HMTNET_DATASET="qads")
    sentence = " ".join(text.splitlines()[:6])
    assert f"by more than the spread (prior_none {(a + b) / 2:+.3f}" in sentence
    everything = " ".join([text, *axes])
    assert "pseudo-MOS, not human" in text and everything.count("pseudo-MOS") >= 5
    assert not re.search("(?<!pseudo-)MOS", everything)


@pytest.mark.full
def test_one_split_answers_nothing(execute, finished):
    text, _ = execute(ABLATION, trains=False, HMTNET_RUNS=finished.runs, HMTNET_DATASET="qads")
    assert text.replace("\n", " ").startswith(
        "Of 1 question asked over 1 split of qads, none can be answered: one split has no spread"
    )
    assert "chain_two_stage" in text


@pytest.mark.parametrize("stages", ["none", "grading"])
def test_without_an_ablation_it_tells_how_to_make_one(execute, finished, tmp_path, stages):
    if stages == "grading":
        shutil.copytree(finished.stages["grading"], tmp_path / "runs/qads/split/grading-0")
    where = {"HMTNET_RUNS": tmp_path / "runs", "HMTNET_DATASET": "qads"}
    text, axes = execute(ABLATION, trains=False, **where)
    assert text.startswith("There is no ablation of 'qads' in")
    assert ("1 usable run" in text) == (stages == "grading")
    assert "make ablation" in text and "HMTNET_RUNS" in text
    assert axes == []
