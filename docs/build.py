"""Build the documentation site: ``python docs/build.py [folder]``, by default build/docs.

Pages come from where their subject lives: the guide from docs/, a system's page from the README in
its folder, a dataset's from what its reader knows, the reference from the docstrings, notebooks
from running them. They are put together in ``<folder>/source``, links between them are made to
fit, and Sphinx makes ``<folder>/html`` of it. A warning is an error, and nothing is loaded from
elsewhere.
"""

import importlib
import os
import pkgutil
import re
import shutil
import sys
from pathlib import Path, PurePosixPath
from types import ModuleType

from sphinx.cmd.build import build_main

import hmtnet
from hmtnet.data.facts import Facts
from hmtnet.data.readers import find, readers

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MODELS = "src/hmtnet/models"


def pages() -> dict[str, str]:
    """Return the site's page of each Markdown file and notebook of the repository, by its path."""
    found = {
        "CONTRIBUTING.md": "contributing.md",
        "RELEASING.md": "releasing.md",
        "SECURITY.md": "security.md",
        "CHANGELOG.md": "changelog.md",
    }
    for path in [*DOCS.glob("*.md"), *DOCS.glob("guide/*.md"), *DOCS.glob("results/*.md")]:
        found[path.relative_to(ROOT).as_posix()] = path.relative_to(DOCS).as_posix()
    for path in DOCS.glob("examples/*/README.md"):
        found[path.relative_to(ROOT).as_posix()] = f"examples/{path.parent.name}.md"
    for path in (ROOT / MODELS).glob("*/README.md"):
        found[path.relative_to(ROOT).as_posix()] = f"systems/{path.parent.name}.md"
    for path in ROOT.glob("notebooks/*.ipynb"):
        found[path.relative_to(ROOT).as_posix()] = f"notebooks/{path.name}"
    return found


def relinked(text: str, origin: str, page: str, known: dict[str, str]) -> str:
    """Return Markdown with its relative links as they must be from ``page``.

    Args:
        text: Content of the file.
        origin: Where it lies in the repository.
        page: Where it goes in the site.
        known: The site's page of each file that may be linked to.

    Raises:
        ValueError: A link leads to a file that is no part of the site.
    """

    def link(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        path = os.path.normpath(PurePosixPath(origin).parent / target)
        place = known.get(path)
        if place is None and path.startswith("docs/") and path.endswith(".png"):
            place = path.removeprefix("docs/")
        if place is None:
            raise ValueError(f"{origin} links to {target}, which is no page of the site.")
        return f"]({os.path.relpath(place, PurePosixPath(page).parent)}{anchor})"

    return re.sub(r"\]\((?![a-z]+:|#)(?P<target>[^)#\s]+)(?P<anchor>#[^)\s]*)?\)", link, text)


def settings(kind: str, name: str) -> str:
    """Return the section with a file of conf/, comments and all."""
    path = ROOT / "conf" / kind / f"{name}.yaml"
    text = path.read_text(encoding="utf-8").rstrip()
    return f"## Settings\n\n`conf/{kind}/{name}.yaml`:\n\n```yaml\n{text}\n```\n"


def files(package: Path) -> str:
    """Return the sections with the files of an example, those that say something."""
    code = sorted(package.rglob("*.py"))
    found = [*package.glob("*.toml"), *code, *package.rglob("conf/system/*.yaml")]
    parts = ["\n## The files"]
    for path in found:
        text = path.read_text(encoding="utf-8").rstrip()
        if text.count("\n") > 1:
            language = {".py": "python"}.get(path.suffix, path.suffix[1:])
            name = path.relative_to(package).as_posix()
            parts += [f"### {name}", f"```{language}\n{text}\n```"]
    return "\n\n".join(parts) + "\n"


def datasets() -> dict[str, Facts | None]:
    """Return what is known of each dataset that conf/data can name, in the order of their names."""
    named = {path.stem for path in (ROOT / "conf/data").glob("*.yaml")}
    return {name: find(name).facts for name in sorted(named & set(readers()))}


def counts(facts: Facts) -> dict[str, str]:
    """Return the rows of a dataset's table."""
    low, high = facts.range
    best = f"{high:g}" if facts.higher_is_better else f"{low:g}"
    kind = "given by people" if facts.label_kind == "human" else "pseudo-MOS, not human"
    rows = {
        "Scored images": f"{facts.images:,}",
        "References": "none" if facts.references is None else f"{facts.references:,}",
        "SR methods or distortions": "none" if facts.methods is None else str(facts.methods),
        "Images per scale factor": ", ".join(f"×{s}: {n:,}" for s, n in facts.scales.items()),
        "Labels": f"{kind}; {low:g} to {high:g}, {best} = best",
        "Lowest, mean, highest label": ", ".join(f"{value:g}" for value in facts.mos or ()),
        "Official split": ", ".join(f"{name} {n:,}" for name, n in facts.subsets.items()),
        "Licence": facts.licence,
        "Where from": facts.obtained,
        "To cite": facts.citation,
    }
    return {name: value for name, value in rows.items() if value}


def dataset_page(name: str, facts: Facts | None) -> str:
    """Return the page of a dataset: what is known of it, its layout, how to use it."""
    layout = (importlib.import_module(readers()[name].module).__doc__ or "").strip()
    parts = [f"# {facts.title if facts else 'Any folder with a CSV'}", f"`data={name}`"]
    if facts:
        rows = [f"| {what} | {value} |" for what, value in counts(facts).items()]
        parts.append("\n".join(["| | |", "|---|---|", *rows]))
        parts.append("\n".join(f"- {note}" for note in facts.notes))
    parts += ["## Layout", layout]
    root = "" if name == "demo" else " data.root=<folder>"
    commands = [f"hmtnet data verify data={name}{root}", f"hmtnet train data={name}{root}"]
    parts += ["## Use", "```sh\n" + "\n".join(commands) + "\n```", settings("data", name)]
    return "\n\n".join(part for part in parts if part)


def dataset_table(known: dict[str, Facts | None]) -> str:
    """Return the table of all published datasets and the demo."""
    head = "| `data=` | Dataset | Images | References | Labels |\n|---|---|--:|--:|---|\n"
    rows = [
        f"| [`{name}`](datasets/{name}.md) | {facts.title} | {facts.images:,} "
        f"| {'–' if facts.references is None else f'{facts.references:,}'} "
        f"| {facts.label_kind}, {facts.range[0]:g} to {facts.range[1]:g} |"
        for name, facts in known.items()
        if facts
    ]
    return head + "\n".join(rows) + "\n"


def reference() -> dict[str, str]:
    """Return the pages of the reference by package: every public module with its docstrings."""
    found: dict[str, str] = {}
    packages = [hmtnet.__name__] + [
        module.name
        for module in pkgutil.walk_packages(hmtnet.__path__, f"{hmtnet.__name__}.")
        if module.ispkg
    ]
    for package in packages:
        room = importlib.import_module(package)
        parts = [f"# {package}", directive("automodule", package), exported(room)]
        for module in pkgutil.iter_modules(room.__path__):
            if not module.ispkg and not module.name.startswith("_"):
                name = f"{package}.{module.name}"
                parts += [f"## {module.name}", directive("automodule", name)]
        found[package] = "\n\n".join(part for part in parts if part) + "\n"
    return found


def exported(package: ModuleType) -> str:
    """Return a line with the names that a package exports, each leading to where it is told."""
    names = []
    for name in getattr(package, "__all__", ()):
        thing = getattr(package, name)
        module, own = getattr(thing, "__module__", None), getattr(thing, "__qualname__", None)
        place = f"{module}.{own}" if module and own else getattr(thing, "__name__", name)
        names.append(f"{{py:obj}}`{name} <{place}>`")
    return f"`from {package.__name__} import` " + ", ".join(names) + "." if names else ""


def directive(name: str, argument: str) -> str:
    """Return a reStructuredText directive for a Markdown page."""
    return f"```{{eval-rst}}\n.. {name}:: {argument}\n```"


def assemble(source: Path) -> None:
    """Write what Sphinx reads."""
    sets = datasets()
    made = {f"datasets/{name}.md": dataset_page(name, facts) for name, facts in sets.items()}
    made |= {f"api/{name}.md": text for name, text in reference().items()}
    made["datasets/table.inc.md"] = dataset_table(sets)
    made["datasets/settings.inc.md"] = settings("data", "custom")
    known = pages()
    links = known | {f"docs/{page}": page for page in made}
    for origin, page in known.items():
        text = (ROOT / origin).read_text(encoding="utf-8")
        if origin.endswith(".md"):
            text = relinked(text, origin, page, links)
        if origin.startswith(MODELS):
            text += f"\n{settings('system', Path(page).stem)}"
            name = f"hmtnet.models.{Path(page).stem}"
            text += f"\nReference: [{name}](../api/{name}.md)\n"
        if origin.startswith("docs/examples"):
            text += files((ROOT / origin).parent)
        made[page] = text
    for page, text in made.items():
        path = source / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for path in DOCS.glob("*.png"):
        shutil.copyfile(path, source / path.name)


def main() -> int:
    """Build the site; return 0 if there was nothing to warn of."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/docs").resolve()
    source, html = folder / "source", folder / "html"
    shutil.rmtree(source, ignore_errors=True)  # a page whose file is gone goes too
    # What notebooks train is kept between builds; the path is relative, since pages may show it.
    os.environ["HMTNET_RUNS"] = os.environ.get("HMTNET_RUNS") or "../../runs"
    assemble(source)
    options = ["-W", "--keep-going", "-q", "-c", str(DOCS), "-d", str(folder / "trees")]
    code = build_main([*options, str(source), str(html)])
    if code == 0:
        print(f"The site is in {html}: open index.html there.")
    return code


if __name__ == "__main__":
    sys.exit(main())
