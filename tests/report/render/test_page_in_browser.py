"""The page in a real browser, where there is one: no error, nothing too wide, tables that sort."""

import html
import json
import re
import subprocess

import numpy as np
import pytest

from hmtnet.report.numbers.build import build_report
from hmtnet.report.numbers.collect import collect
from hmtnet.report.render.page import as_html
from tests.browser import BROWSER

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed"),
]

# Runs before the page's own script, so that no error escapes it.
LISTEN = """<script>
window.found = {errors: []};
window.addEventListener("error", (event) => window.found.errors.push(event.message));
document.addEventListener("securitypolicyviolation",
  (event) => window.found.errors.push(event.violatedDirective));
</script>"""
LOOK = r"""<script>
const table = document.querySelector("table.sortable");
const column = [...table.querySelectorAll("thead th")].findIndex(
  (th) => th.textContent.startsWith("RMSE"));
const button = table.querySelectorAll("thead button")[column];
const order = () => [...table.tBodies].map(
  (body) => [...body.rows].map((row) => row.cells[column].dataset.value ?? null));
button.focus();
found.focused = document.activeElement === button;
button.click();
found.descending = order();
found.state = button.closest("th").getAttribute("aria-sort");
button.click();
found.ascending = order();
// A word is broken where one without a place to break it stands on several lines.
found.broken = [];
for (const heading of document.querySelectorAll("thead th")) {
  const walker = document.createTreeWalker(heading, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    for (const word of node.data.matchAll(/[\p{L}\p{N}.-]+/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) found.broken.push(word[0]);
    }
  }
}
found.overflowing = [...document.querySelectorAll("thead th")]
  .filter((th) => th.scrollWidth > th.clientWidth).map((th) => th.textContent);
const right = table.parentElement.getBoundingClientRect().right;
found.columns = [...table.querySelectorAll("thead th")]
  .filter((th) => th.getBoundingClientRect().right <= right + 1)
  .map((th) => th.textContent.replace(/[\s⇅▲▼]+/g, " ").trim());
const books = [...document.querySelectorAll(".casebook")];
const shown = () => books.map((book) => book.checkVisibility());
const choice = document.querySelector(".choice select");
found.chosen = [shown()];
choice.value = "1";
choice.dispatchEvent(new Event("change"));
found.chosen.push(shown());
const link = table.querySelector("tbody th a");
location.hash = link.getAttribute("href");
reveal();
found.settings = document.querySelector(link.getAttribute("href")).checkVisibility();
found.names = [...table.tBodies].map((body) => body.className);
found.wide = document.documentElement.scrollWidth;
found.window = document.documentElement.clientWidth;
parent.document.body.setAttribute("data-found", JSON.stringify(found));
</script>"""


def look(page, width):
    """Open a page in a frame of a width, and return what the script in it has found."""
    # A frame, because a window cannot be as narrow as a phone.
    frame = page.with_name("frame.html")
    inner = html.escape(page.read_text(encoding="utf-8"))
    style = f"width: {width}px; height: 1600px; border: 0"
    frame.write_text(
        f'<!DOCTYPE html><body><iframe style="{style}" srcdoc="{inner}"></iframe></body>',
        encoding="utf-8",
    )
    done = subprocess.run(
        [
            *(BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--window-size=1400,1800", f"--user-data-dir={page.parent / 'profile'}"),
            *("--virtual-time-budget=5000", "--dump-dom", frame.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (found,) = re.findall(r'data-found="([^"]*)"', done.stdout)
    return json.loads(html.unescape(found))


@pytest.fixture
def page(runs, tmp_path):
    for split in (0, 1):
        for name in ("hmtnet", "a_system_with_a_very_long_name_and_no_place_to_break_it"):
            runs.write(name, dataset="QADS", split=split)
    runs.write("flat", dataset="QADS", columns={"score": np.full(200, 0.5)})
    text = as_html(build_report(collect([runs.root])))
    path = tmp_path / "page.html"
    text = text.replace("<style>", f"{LISTEN}<style>", 1).replace("</body>", f"{LOOK}</body>")
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [360, 390, 1280])
def test_the_page_fits_sorts_and_has_no_error(page, width):
    found = look(page, width)
    assert found["errors"] == []
    assert found["window"] == width
    assert found["wide"] <= width
    assert found["focused"]
    assert found["state"] == "descending"
    assert found["names"] == ["", "published"]
    assert found["broken"] == found["overflowing"] == []
    assert found["columns"][:4] == ["system", "SRCC", "SRCC 95 %", "PLCC"] or width < 390
    assert found["chosen"] == [[True, False, False], [False, True, False]]
    assert found["settings"]
    for part in (0, 1):
        values = [float(v) for v in found["descending"][part] if v is not None]
        assert len(values) > 4
        assert values == sorted(values, reverse=True)
        assert [float(v) for v in found["ascending"][part] if v is not None] == sorted(values)


def test_undefined_values_stay_last(page):
    text = page.read_text(encoding="utf-8").replace('startsWith("RMSE")', 'startsWith("KRCC")')
    page.write_text(text, encoding="utf-8")
    found = look(page, 1280)
    for order in ("ascending", "descending"):
        ours, _ = found[order]
        assert ours[-1] is None
        assert None not in ours[:-1]
