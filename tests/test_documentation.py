"""What is written beside the code: its links lead somewhere, and the site builds from it."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

import hmtnet

ROOT = Path(__file__).parents[1]
WRITTEN = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.md")]
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Loaded(HTMLParser):
    """The addresses that a page loads something from."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        address = dict(attributes).get(LOADING.get(tag, ""))
        if address:
            self.addresses.append(address)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < 1200


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_files(path):
    links = re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    # Pages that only the site has.
    made = re.compile(r"api/hmtnet[\w.]*\.md|datasets/table\.inc\.md")
    missing = [x for x in links if not made.fullmatch(x) and not (path.parent / x).exists()]
    assert missing == []


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["version"] == hmtnet.__version__


@pytest.mark.full
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path, demo_root):
    """Needs the extra ``docs``; a warning of Sphinx is an error. Runs all notebooks."""
    environment = {k: v for k, v in os.environ.items() if k != "HMTNET_RUNS"}
    done = subprocess.run(
        [sys.executable, ROOT / "docs/build.py", tmp_path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    html = tmp_path / "html"
    pages = {path.relative_to(html).as_posix(): path for path in html.rglob("*.html")}

    systems = {path.parent.name for path in ROOT.glob("src/hmtnet/models/*/README.md")}
    datasets = {path.stem for path in ROOT.glob("conf/data/*.yaml")} - {"custom"}
    wanted = {f"systems/{name}.html" for name in systems}
    wanted |= {f"datasets/{name}.html" for name in datasets}
    wanted |= {f"notebooks/{path.stem}.html" for path in ROOT.glob("notebooks/*.ipynb")}
    assert len(systems) > 1
    assert wanted <= set(pages)

    elsewhere = {
        (name, address)
        for name, path in pages.items()
        for address in Loaded(path.read_text(encoding="utf-8")).addresses
        if re.match(r"(https?:)?//", address)
    }
    assert elsewhere == set()
    styles = [path.read_text(encoding="utf-8") for path in html.rglob("*.css")]
    assert not [text for text in styles if re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text)]
    for name in (name for name in wanted if name.startswith("notebooks/")):
        shown = pages[name].read_text(encoding="utf-8")
        assert re.search(r"sentence under the title is (supported|NOT supported)", shown), name
