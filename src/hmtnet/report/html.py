"""The report as one HTML page that needs nothing else: no network, no other file."""

from importlib import resources

from hmtnet.report.explanations import how_computed, introduction
from hmtnet.report.html_panels import (
    case_lists,
    dot_plot,
    duel_list,
    grade_plots,
    scatter_plots,
)
from hmtnet.report.html_table import as_table
from hmtnet.report.markup import Markup, element, joined
from hmtnet.report.model import Report, Section
from hmtnet.report.tables import (
    breakdown_table,
    cost_table,
    grades_table,
    leaderboard_table,
    significance_tables,
    stability_table,
)

# Nothing is loaded from anywhere: what the page forbids itself, it cannot do by mistake.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def as_html(report: Report) -> str:
    """Return the page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="color-scheme", content="light dark"),
        element("title", report.title),
        element("style", _file("page.css")),
    )
    links = [
        element("li", element("a", section.grounds.title, href=f"#table-{number}"))
        for number, section in enumerate(report.sections, start=1)
    ]
    links += [element("li", element("a", "Problems", href="#problems"))] if report.problems else []
    links += [element("li", element("a", "How each number is computed", href="#computed"))]
    main = element(
        "main",
        *(_section(section, number) for number, section in enumerate(report.sections, start=1)),
        _problems(report),
        _computed(report),
    )
    body = element(
        "body",
        element(
            "header",
            element("h1", report.title),
            *(element("p", text) for text in introduction(report)),
            element("nav", element("ul", *links), aria_label="Contents"),
        ),
        main,
        element("footer", element("p", f"Made by hmtnet {report.version} from run directories.")),
        element("script", _file("page.js")),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _section(section: Section, number: int) -> Markup:
    mos = section.grounds.mos
    tests = [table for found in section.comparisons for table in significance_tables(found)]
    stability = [stability_table(found) for found in section.comparisons]
    grades = grades_table(section)
    parts = [
        element("h2", section.grounds.title, id=f"table-{number}"),
        element("p", f"Labels: {section.grounds.labels}.", class_="soft"),
        *(element("p", note, class_="note") for note in section.notes),
        element("h3", "Leaderboard"),
        as_table(leaderboard_table(section), sortable=True),
        _part(
            "SRCC at a glance",
            f"A dot is one split and seed, the upright bar the median, the band the 95 % interval "
            f"({section.view.label}). A system that is not clearly right of label-only has not "
            "shown that it looks at pixels.",
            dot_plot(section),
        ),
        _part("Is one better than another?", _verdict(section), *map(as_table, tests)),
        _part("How stable is the order?", "", *(as_table(t) for t in stability if t is not None)),
        _part(
            "By SR method and scale",
            "SRCC within one SR method or one scale: there, knowing the method helps less.",
            *(as_table(breakdown_table(b), sortable=True) for b in section.breakdowns),
        ),
        _part(
            "Grades",
            "",
            as_table(grades, sortable=True) if grades else None,
            grade_plots(section),
        ),
        _part(
            "Scores",
            f"Each point is a test image: its score and its {mos}.",
            scatter_plots(section),
        ),
        _cases(section),
        _part("Costs and runs", "", as_table(cost_table(section))),
        _settings(section),
    ]
    return element("section", *parts)


def _part(title: str, text: str, *content: Markup | None) -> Markup | None:
    """Return a part with its heading; nothing where it has no content."""
    if not any(content):
        return None
    return joined([element("h3", title), element("p", text) if text else None, *content])


def _verdict(section: Section) -> str:
    told = [f"{name}: {why}." for name, why in section.winners]
    told = told or ["No test tells one system from every other row."]
    return " ".join([*told, "An asterisk marks Holm-adjusted p < .05."])


def _cases(section: Section) -> Markup | None:
    mos, found = section.grounds.mos, section.extremes
    parts: list[Markup | None] = []
    if found is not None:
        text = f"Of {found.name}, by the distance between its mapped score and the {mos}."
        parts.append(_part("Best and worst cases", text, case_lists(found, mos)))
    if section.duels:
        text = (
            "Images that one row calls equal and the other most different (group maximum "
            "differentiation): about each pair, one of the two is wrong. Scores are mapped."
        )
        parts.append(_part("Where two rows disagree", text, duel_list(section.duels, mos)))
    return joined(parts) if parts else None


def _settings(section: Section) -> Markup | None:
    """List the settings in which rows of one name differ."""
    items = []
    for entry in section.systems:
        differences = entry.configuration.differences if entry.configuration else {}
        if differences:
            text = "; ".join(f"{key} = {value}" for key, value in differences.items())
            items.append(element("li", element("strong", entry.name), f": {text}"))
    if not items:
        return None
    summary = element("summary", "All settings in which rows of one name differ")
    return element("details", summary, element("ul", *items))


def _problems(report: Report) -> Markup | None:
    items = [element("li", element("code", p.path), f": {p.message}") for p in report.problems]
    if not items:
        return None
    return element(
        "section",
        element("h2", "Problems", id="problems"),
        element("p", "These run directories are in no table."),
        element("ul", *items),
    )


def _computed(report: Report) -> Markup:
    return element(
        "section",
        element("h2", "How each number is computed", id="computed"),
        element("ul", *(element("li", text) for text in how_computed(report))),
    )


def _file(name: str) -> Markup:
    return Markup(resources.files("hmtnet.report").joinpath(name).read_text(encoding="utf-8"))
