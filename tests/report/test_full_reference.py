"""Systems that look at references: marked; those that judge with them in a block of their own."""

import json
import re

import pytest

from hmtnet.errors import DataError
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.render.csv_file import as_csv
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.latex import as_latex
from hmtnet.report.render.markdown import as_markdown
from hmtnet.report.render.page import as_html
from hmtnet.report.render.text import as_text


@pytest.fixture(scope="module")
def mixed(shared_runs):
    """Full-reference systems that are better than all others, and one that was taught by some."""
    for split in range(5):
        shared_runs.write(
            "pair", "best", noise=0.001, split=split, reference="always", dataset="QADS"
        )
        shared_runs.write(
            "pair", "worse", noise=0.3, split=split, reference="always", dataset="QADS"
        )
        shared_runs.write("taught", "quality", noise=0.005, split=split, reference="training",
                   dataset="QADS")  # fmt: skip
        shared_runs.write("blind", "quality", noise=0.4, split=split, dataset="QADS")
    return build_report(collect([shared_runs.root]))


def places(text, *wanted):
    """Return where texts stand first, each after the one before."""
    found = [text.index(word) for word in wanted]
    assert found == sorted(found), wanted
    return found


ORDER = ("taught quality", "blind quality", "full reference", "pair best", "pair worse")


def test_entries_stand_in_two_blocks_each_by_srcc(mixed):
    (section,) = mixed.sections
    (name, first), (other, second) = section.blocks
    assert (name, other) == ("", "full reference")
    assert [e.name for e in second] == ["pair best", "pair worse"]
    systems = [e.name for e in first if e.kind == "system"]
    assert systems == ["taught quality", "blind quality"]
    assert {e.name for e in first if e.kind == "reference"} >= {"label-only", "scale-only"}
    assert [e.reference for e in section.systems] == ["training", "none", "always", "always"]
    assert second[0].spreads["srcc"].median > first[0].spreads["srcc"].median


def test_the_best_of_a_block_is_best_of_that_block_alone(mixed):
    (section,) = mixed.sections
    assert [name for name, _ in section.winners] == ["taught quality", "pair best"]
    first, second = section.comparisons
    for test in first.tests:
        assert not any("pair" in name for name in test.names)
        assert "full reference" not in test.title
    for test in second.tests:
        assert test.names == ("pair best", "pair worse", "label-only")
        assert test.title.endswith(", full reference")
    assert {rank.name for rank in second.ranks} == {"pair best", "pair worse", "label-only"}
    # Each system's cases stand beside its rival's of the same block.
    assert [(book.name, book.other) for book in section.casebooks] == [
        ("taught quality", "blind quality"), ("blind quality", "taught quality"),
        ("pair best", "pair worse"), ("pair worse", "pair best"),
    ]  # fmt: skip


def test_one_full_reference_system_cannot_win_over_nothing(runs):
    runs.write("pair", "only", noise=0.1, reference="always")
    runs.write("blind", noise=0.1)
    (section,) = build_report(collect([runs.root])).sections
    assert section.full_reference.tests[0].names == ("pair only", "label-only")
    assert section.winners == ()


def test_text_names_the_block(mixed):
    text = as_text(mixed)
    lines = text.splitlines()
    (divider,) = [i for i, line in enumerate(lines) if line.startswith("· full reference")]
    table = [line.split("  ")[0] for line in lines]
    assert max(table.index(n) for n in ("taught quality", "label-only")) < divider
    assert divider < table.index("pair best") < table.index("pair worse")
    assert lines[divider + 2] == "  (full reference)"
    assert lines[table.index("taught quality") + 1] == "  (references in training)"
    assert "taught quality: higher SRCC" in text and "pair best: higher SRCC" in text
    assert "· published, not ours" in text


def test_markdown_names_the_block_in_every_table(mixed):
    text = as_markdown(mixed)
    for title in ("**Leaderboard", "**SRCC by SR method", "**Grades", "**Costs and runs"):
        table = text[text.index(title) :].split("\n\n")[1]
        names = [line.split(" | ")[0].removeprefix("| ").split(" (")[0] for line in
                 table.splitlines()]  # fmt: skip
        block = names.index("**full reference**")
        assert names[block + 1 : block + 3] == ["pair best", "pair worse"]
        assert names.index("taught quality") < block
        assert {line.count(" |") for line in table.splitlines()} == {
            table.split("\n")[0].count(" |")
        }
    assert "pair best (full reference)" in text
    assert "taught quality (references in training)" in text
    assert "**published, not ours**" in text
    assert "over 5 splits, full reference" in text and "Rank stability, full reference" in text
    assert "Full reference: such a system judges" in text


def test_latex_rules_the_block_off_and_is_bold_in_each(mixed):
    text = as_latex(mixed)
    places(text, "taught quality", r"\emph{full reference}", "pair best", "pair worse", "CNNIQA")
    before = text[: text.index(r"\emph{full reference}")]
    assert before.rstrip().endswith(r"\midrule")
    bold = re.findall(r"^ *(\w+ \w+) \(.*?\) & \\textbf", text, re.M)
    assert bold == ["taught quality", "pair best"]
    rows = re.search(r"\\toprule(.*)\\bottomrule", text, re.S)[1].splitlines()
    assert {row.count("&") for row in rows if row.endswith(r"\\")} == {8}


def test_html_has_a_body_for_the_block(mixed):
    text = as_html(mixed)
    table = text[text.index('<table class="sortable"') : text.index("</table>")]
    bodies = re.findall(r"<tbody[^>]*>.*?</tbody>", table, re.S)
    assert [re.search(r'class="(\w+)"', b.split(">")[0]) is not None for b in bodies] == [
        False, True, False, True
    ]  # fmt: skip
    ours, heading, paired, published = bodies
    assert heading.startswith('<tbody class="block">') and "full reference" in heading
    # The script looks cells up by their column.
    columns = table.count('scope="col"')
    assert heading.count("<td") + heading.count("<th") == columns
    for name, body in (("taught quality", ours), ("pair best", paired)):
        words = re.sub(r"<[^>]*>", "", body)
        assert name in words
    assert "pair" not in re.sub(r"<[^>]*>", "", ours)
    assert published.startswith('<tbody class="published">')
    assert text.count('class="label block"') == 1  # in the plot of dots
    assert "taught quality: higher SRCC" in text and "pair best: higher SRCC" in text


def test_csv_and_json_say_when_references_are_looked_at(mixed):
    header, *rows = [line.split(",") for line in as_csv(mixed).splitlines()]
    column, row = header.index("reference"), header.index("row")
    found = {line[row]: line[column] for line in rows}
    assert found["pair best"] == found["pair worse"] == "always"
    assert (found["taught quality"], found["blind quality"]) == ("training", "none")
    assert found["label-only"] == found["TADSRNet"] == ""
    document = json.loads(json.dumps(as_document(mixed), allow_nan=False))
    (section,) = document["sections"]
    assert (section["winner"], section["winner_full_reference"]) == ("taught quality", "pair best")
    assert [r["reference"] for r in section["rows"] if r["kind"] == "system"] == [
        "training", "none", "always", "always"
    ]  # fmt: skip
    assert any(test["title"].endswith("full reference") for test in section["tests"])
    assert {rank["block"] for rank in section["ranks"]} == {"", "full reference"}


def test_a_note_says_what_the_block_is(mixed):
    (section,) = mixed.sections
    (note,) = [n for n in section.notes if "full reference" in n]
    assert note.startswith("pair best, pair worse: full reference")


def test_without_such_a_system_nothing_is_said_of_it(runs):
    runs.write("blind")
    found = build_report(collect([runs.root]))
    (section,) = found.sections
    assert section.full_reference is None and len(section.blocks) == 1
    for text in (as_html(found), as_markdown(found), as_latex(found), as_text(found)):
        words = text.replace("full-reference and published", "")  # the page's script
        assert "full reference" not in words and "full-reference" not in words.lower()


def test_only_full_reference_systems(runs):
    runs.write("pair", reference="always")
    found = build_report(collect([runs.root]))
    (section,) = found.sections
    assert [block for block, _ in section.blocks] == ["", "full reference"]
    assert [book.name for book in section.casebooks] == ["pair joint"]
    for make in (as_html, as_markdown, as_latex, as_text, as_csv):
        assert "full reference" in make(found)


def test_an_older_description_is_one_without_references(runs):
    runs.write("old")
    (run,) = collect([runs.root]).runs
    assert run.reference == "none"


def test_a_damaged_description_is_a_problem(runs):
    runs.write("odd", reference="sometimes")
    found = collect([runs.root])
    assert found.runs == ()
    assert "'reference' must be one of none, training, always; found 'sometimes'" in str(
        found.problems[0]
    )
    with pytest.raises(DataError, match="No usable run"):
        build_report(found)
