"""The page, Markdown, CSV, LaTeX, JSON and the terminal: the same numbers, nothing broken."""

import csv
import html.parser
import io
import itertools
import json
import re

import numpy as np
import pytest
from jinja2 import UndefinedError

from hmtnet.artifact.predictions import read
from hmtnet.artifact.thumbnails import THUMBNAILS, thumbnail_name, write_thumbnail
from hmtnet.errors import DataError
from hmtnet.files import in_markdown
from hmtnet.metrics import srcc
from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.numbers.run import BEST_ON_TEST
from hmtnet.report.render import latex
from hmtnet.report.render.csv_file import as_csv
from hmtnet.report.render.json_document import as_document
from hmtnet.report.render.latex import as_latex
from hmtnet.report.render.markdown import as_markdown
from hmtnet.report.render.page import as_html
from hmtnet.report.render.templating import render
from hmtnet.report.render.text import as_text
from hmtnet.report.render.write import FILES, write_report

EVIL = "<script>alert(1)</script>|&_%${}#~^\\`*[x](y)\"'.png"
VOID = {"img", "meta", "wbr"}


class Page(html.parser.HTMLParser):
    """Checks that elements are balanced, and keeps what tests look at."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.text, self.ids = [], [], [], set()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"an attribute of <{tag}> twice"
        self.tags.append((tag, attributes))
        if "id" in attributes:
            assert attributes["id"] not in self.ids
            self.ids.add(attributes["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.text.append(data)

    def find(self, element, /, **wanted):
        return [a for t, a in self.tags if t == element and wanted.items() <= a.items()]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def report(runs, title="A title"):
    return build_report(collect([runs.root]), title)


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def qads(runs):
    """A dataset of which papers report results."""
    for split in (0, 1):
        runs.write("hmtnet", dataset="QADS", split=split)
        runs.write("plain", "quality", dataset="QADS", split=split, noise=0.3)
    return report(runs)


def test_every_output_shows_the_number_that_predictions_give(runs):
    test = read(runs.write() / "predictions.csv").select("test")
    value = srcc(test.score, test.mos)
    found = report(runs)
    row = next(r for r in rows_of(as_csv(found)) if r["row"] == "hmtnet joint")
    assert float(row["srcc_median"]) == value
    assert float(row["accuracy_median"]) == np.mean(test.grade == test.true_grade)
    (entry,) = [r for r in as_document(found)["sections"][0]["rows"] if r["kind"] == "system"]
    assert entry["numbers"]["srcc"]["median"] == value
    for text in (Page(as_html(found)).words, as_markdown(found), as_latex(found), as_text(found)):
        assert "hmtnet joint" in text
        assert f"{value:.3f}" in text


def test_the_page_is_whole_and_needs_nothing_else(qads):
    text = as_html(qads)
    page = Page(text)
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", text)
    assert "url(" not in text
    assert "@import" not in text
    (policy,) = page.find("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none'")
    assert page.find("meta", name="viewport")
    targets = {a["href"].removeprefix("#") for a in page.find("a")}
    assert targets
    assert targets <= page.ids
    headings = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h\d", t)]
    assert headings[0] == headings.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(headings))
    assert "nan" not in page.words.split()


def test_tables_sort_by_mouse_and_keyboard_and_scroll_in_a_box(qads):
    page = Page(as_html(qads))
    assert page.find("table", **{"class": "sortable"})
    buttons = page.find("button")
    assert buttons
    assert all(button == {"type": "button"} for button in buttons)
    assert len(page.find("th", **{"aria-sort": "none"})) == len(buttons)
    boxes = page.find("div", **{"class": "scroll"})
    assert len(boxes) == len(page.find("table")) > 3
    assert all(b["tabindex"] == "0" and b["role"] == "region" and b["aria-label"] for b in boxes)
    assert all(a["scope"] in ("row", "col") for a in page.find("th"))
    values = [a["data-value"] for a in page.find("td") if "data-value" in a]
    assert len(values) > 50


def test_published_rows_are_marked_and_apart(qads):
    page = Page(as_html(qads))
    assert len(page.find("tbody", **{"class": "published"})) == 1
    assert len(page.find("tr", **{"class": "published"})) == 7
    assert page.words.count("published, not ours") >= 7
    rows = rows_of(as_csv(qads))
    published = [row for row in rows if row["kind"] == "published"]
    assert {row["marks"] for row in published} == {"published, not ours"}
    assert [row["kind"] for row in rows].index("published") == len(rows) - 7
    assert as_latex(qads).count("(published, not ours)") == 7
    assert as_markdown(qads).count("(published, not ours)") == 7
    assert as_text(qads).index("published, not ours") < as_text(qads).index("TADSRNet")
    document = as_document(qads)["sections"][0]
    assert all(row["mark"] == "published, not ours" for row in document["published"])
    assert not {row["name"] for row in document["rows"]} & {"TADSRNet", "CNNIQA"}


def test_other_datasets_have_no_published_rows(runs):
    runs.write()
    assert "published, not ours" not in as_html(report(runs)) + as_csv(report(runs))


def test_pseudo_mos_is_never_called_mos(runs):
    runs.write(kind="pseudo")
    found = report(runs)
    texts = [Page(as_html(found)).words, as_markdown(found), as_latex(found), as_text(found)]
    for text in [*texts, as_csv(found)]:
        assert "pseudo-MOS" in text.replace("\\", "")
        assert not re.search(r"(?<!pseudo-)\bMOS\b", text.replace("\\", ""))
        assert "not human" in text
    assert rows_of(as_csv(found))[0]["labels"] == "pseudo-MOS (not human)"


def test_human_mos_is_not_called_pseudo(runs):
    runs.write()
    found = report(runs)
    assert "pseudo" not in Page(as_html(found)).words + as_markdown(found) + as_csv(found)


def test_marks_stand_in_every_output(runs):
    runs.write(protocol="image", selection=BEST_ON_TEST)
    found = report(runs)
    outputs = [Page(as_html(found)).words, as_markdown(found), as_latex(found), as_text(found)]
    for text in [*outputs, as_csv(found)]:
        assert "epoch chosen on the test images" in text
        assert "leaky split" in text
    assert {row["leaky"] for row in rows_of(as_csv(found))} == {"yes"}


def test_what_a_name_holds_breaks_nothing(runs):
    names = tuple(f"{i}{EVIL}" for i in range(200))
    methods = tuple(f"{EVIL}{i % 4}" for i in range(200))
    folder = runs.write(
        EVIL, f"stage{EVIL}", dataset="QADS", columns={"image": names, "method": methods},
        settings={EVIL: EVIL}, key="a" * 12, split=1,
    )  # fmt: skip
    (folder / "settings.yaml").write_text(f"a: {EVIL}")
    runs.write(EVIL, f"stage{EVIL}", dataset="QADS", settings={EVIL: f"{EVIL}2"})
    runs.write(dataset=EVIL)
    bad = runs.write("bad", state="failed")
    bad.rename(bad.with_name("joint-<b>&_%"))
    found = report(runs, f"title {EVIL}")
    text = as_html(found)
    page = Page(text)
    assert len(page.find("script")) == 1
    assert not page.find("b")
    assert EVIL in page.words
    assert "<script>alert" not in text
    for line in as_markdown(found).splitlines():
        assert "<" not in line
    tables = [line for line in as_markdown(found).splitlines() if line.startswith("|")]
    assert tables
    balanced(as_latex(found))
    assert any(EVIL in row["row"] for row in rows_of(as_csv(found)))


def test_pictures_have_words(runs):
    folder = runs.write()
    section = report(runs).sections[0]
    image = section.casebooks[0].worst[0].image
    write_thumbnail(
        folder.parent / THUMBNAILS / thumbnail_name(image), np.zeros((9, 9, 3), dtype=np.uint8)
    )
    page = Page(as_html(report(runs)))
    pictures = page.find("img")
    assert pictures
    assert all(p["src"].startswith("data:image/webp;base64,") and p["alt"] for p in pictures)
    assert "no thumbnail" in page.words
    plots = page.find("svg", role="img")
    assert len(page.find("title")) >= len(plots) + 1
    assert len(page.find("desc")) == len(plots) > 2


def test_every_row_links_to_the_settings_of_its_run(qads):
    text = as_html(qads)
    page = Page(text)
    links = [a["href"].removeprefix("#") for a in page.find("a") if "settings" in a["href"]]
    assert set(links) == {f"settings-1-{entry.runs[0].key}" for entry in qads.sections[0].systems}
    for entry in qads.sections[0].systems:
        after = text[text.index(f'<div id="settings-1-{entry.runs[0].key}"') :]
        (shown,) = re.findall(r"<pre[^>]*>(.*?)</pre>", after[: after.index("</details>")], re.S)
        assert shown == (entry.runs[0].path / "settings.yaml").read_text()


def test_learning_curves_are_those_of_runs_with_several_epochs(runs):
    for split in (0, 1):
        runs.write("slow", split=split)
    runs.write("quick", epochs=1)
    page = Page(as_html(report(runs)))
    assert "slow joint: validation SRCC" in page.words
    assert "slow joint: loss" in page.words
    assert "quick joint: loss" not in page.words
    (folder,) = (entry.runs[0].path for entry in report(runs).sections[0].systems if
                 entry.name == "slow joint")  # fmt: skip
    (folder / "metrics.csv").unlink()
    assert "slow joint: loss (1 of 2 runs)" in Page(as_html(report(runs))).words


def test_cases_of_any_system_can_be_chosen(qads):
    page = Page(as_html(qads))
    books = qads.sections[0].casebooks
    assert len(books) == 2
    assert [a["value"] for a in page.find("option")] == ["0", "1"]
    assert len(page.find("div", **{"class": "casebook"})) == 2
    for book in books:
        assert f"Largest errors of {book.name}" in page.words
        assert book.worst[0].image in page.words.replace(" ", "")  # it may break at a dot


def test_a_name_that_a_template_asks_for_in_vain_is_an_error():
    with pytest.raises(UndefinedError, match="report"):
        render("page.html.j2")


def test_problems_are_on_the_page(runs):
    runs.write("good")
    bad = runs.write("bad", state="failed")
    found = report(runs)
    for text in (Page(as_html(found)).words, as_markdown(found).replace("\\", "")):
        assert str(bad) in text
        assert "the run is not finished (failed)" in text
    assert as_document(found)["problems"][0]["path"] == str(bad)


def test_what_judging_costs_is_told_with_its_device(runs):
    runs.write("hmtnet")
    runs.write("adopted", judging=None)
    report = build_report(collect([runs.root]))
    costs = as_markdown(report).partition("**Costs and runs")[2]
    (ours,) = [line for line in costs.splitlines() if line.startswith("| hmtnet")]
    assert "| 2.500 | 0.125 | 7.500 | an abacus |" in ours
    # A row is named by its system, and by more where that does not tell it from others.
    found = csv.DictReader(io.StringIO(as_csv(report)))
    rows = {row["row"].split()[0]: row for row in found}
    assert rows["hmtnet"]["judging_gflops"] == "2.5"
    assert rows["hmtnet"]["judging_device"] == "an abacus"
    assert rows["adopted"]["judging_gflops"] == ""


def test_csv_is_readable_and_cannot_run_formulas(runs):
    runs.write("=HYPERLINK(1)", columns={"score": np.full(200, 0.5)})
    rows = rows_of(as_csv(report(runs)))
    (row,) = [r for r in rows if r["kind"] == "system"]
    assert row["row"].startswith("'=")
    assert row["srcc_median"] == ""
    assert float(row["rmse_median"]) > 0
    assert row["runs"].split()
    assert None not in row
    assert all(len(r) == len(rows[0]) for r in rows)


def balanced(text):
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 0
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")
    body = re.sub(r"\\[{}%&$#_]|(?m:^%.*$)", "", text)
    assert body.count("{") == body.count("}")
    assert body.count("$") % 2 == 0
    assert not re.search(r"[#_^~%]", body)
    for table in re.findall(r"\\toprule(.*?)\\bottomrule", body, re.S):
        counts = {line.count("&") for line in table.splitlines() if line.strip().endswith(r"\\")}
        assert counts == {8}


def test_latex_is_balanced_and_without_a_test_nothing_is_bold(qads):
    text = as_latex(qads)
    balanced(text)
    assert r"\textbf" not in text
    assert "Nothing is bold" in text


def test_the_winner_is_bold_once(runs):
    for split in range(5):
        runs.write("good", noise=0.005, split=split)
        runs.write("bad", noise=0.4, split=split)
    found = report(runs)
    text = as_latex(found)
    assert len(re.findall(r"good joint & \\textbf\{0\.\d{3}", text)) == text.count(r"\textbf") == 1
    balanced(text)
    assert "Bold: higher SRCC than every other row compared" in text
    assert "good joint: higher SRCC" in Page(as_html(found)).words
    assert "good joint: higher SRCC" in as_text(found)


def test_escaping_of_text():
    assert latex.escape("a_b 50 % \\ {x} #1 ~^ <y>") == (
        r"a\_b 50 \% \textbackslash{} \{x\} \#1 \textasciitilde{}\textasciicircum{} "
        r"\textless{}y\textgreater{}"
    )
    assert latex.escape("two\nlines") == "two lines"
    assert in_markdown("| <a> *b* _c_\nd") == r"&#124; &lt;a&gt; \*b\* \_c\_ d"


def test_markdown_tables_have_as_many_cells_as_columns(qads):
    lines = as_markdown(qads).splitlines()
    for start, line in enumerate(lines):
        if line.startswith("| :---"):
            columns = line.count("|")
            table = [lines[start - 1]]
            for row in lines[start + 1 :]:
                if not row.startswith("|"):
                    break
                table.append(row)
            assert len(table) > 1
            assert {len(re.findall(r"(?<!\\)\|", row)) for row in table} == {columns}


def test_text_fits_a_terminal(qads):
    lines = as_text(qads).splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("hmtnet joint") for line in lines)


def test_the_document_is_json(qads):
    document = as_document(qads)
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_files_are_written_whole(qads, tmp_path):
    folder = tmp_path / "deep" / "report"
    page = write_report(qads, folder)
    assert page == folder / "report.html"
    assert {p.name for p in folder.iterdir()} == set(FILES) == {
        "report.html", "report.md", "leaderboard.csv", "leaderboard.tex"
    }  # fmt: skip
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    write_report(qads, folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_folder_that_cannot_be_written(qads, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*--output"):
        write_report(qads, tmp_path / "file")
