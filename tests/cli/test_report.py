import json
import shutil
import subprocess
import sys

import pytest

from hmtnet.cli.report import report
from hmtnet.errors import DataError


@pytest.fixture
def output(tmp_path):
    return tmp_path / "report"


def test_a_real_chain_is_reported(finished, output, capsys):
    assert report([str(finished.runs), "--output", str(output), "--title", "Tiny"]) == 0
    printed = capsys.readouterr()
    for name in ("hmtnet grading", "hmtnet sfen", "hmtnet joint", "label-only", "oracle-grade"):
        assert name in printed.out
    assert str(output / "report.html") in printed.out
    assert printed.err == ""
    assert "<title>Tiny</title>" in (output / "report.html").read_text(encoding="utf-8")


def test_json_for_programs(finished, output, capsys):
    assert report([str(finished.runs), "--output", str(output), "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (section,) = document["sections"]
    assert section["label_kind"] == "human"
    assert {row["name"] for row in section["rows"] if row["kind"] == "system"} == {
        "hmtnet grading", "hmtnet sfen", "hmtnet joint"
    }  # fmt: skip
    assert document["page"] == str(output / "report.html")


def test_chosen_rows(finished, output, capsys):
    words = ["--output", str(output), "--rows", "joint", "--rows", "SFEN"]
    assert report([str(finished.runs), *words]) == 0
    printed = capsys.readouterr().out
    assert "hmtnet grading" not in printed
    assert "hmtnet sfen" in printed


def test_problems_are_told_and_the_rest_is_reported(finished, output, tmp_path, capsys):
    runs = shutil.copytree(finished.runs, tmp_path / "runs")
    (bad,) = runs.glob("*/*/sfen-*")
    (bad / "status.json").unlink()
    assert report([str(runs), "--output", str(output)]) == 0
    printed = capsys.readouterr()
    assert f"not in the report: {bad}" in printed.err
    assert "hmtnet joint" in printed.out


def test_no_usable_run_is_bad_input(tmp_path, output):
    with pytest.raises(DataError, match="No run directory"):
        report([str(tmp_path), "--output", str(output)])
    assert not output.exists()


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        report(["--help"])
    assert stop.value.code == 0
    assert "example: hmtnet report runs/" in capsys.readouterr().out


def test_an_unknown_option_is_bad_input(capsys):
    with pytest.raises(SystemExit) as stop:
        report(["runs", "--formt", "json"])
    assert stop.value.code == 2
    assert "--formt" in capsys.readouterr().err


def test_no_torch_and_no_matplotlib_is_loaded(finished, output):
    code = (
        "import sys; from hmtnet.cli.report import report; "
        f"report([{str(finished.runs)!r}, '--output', {str(output)!r}]); "
        "sys.exit(len({'torch', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
