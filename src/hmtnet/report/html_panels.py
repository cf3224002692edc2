"""The parts of the page that are no tables: figures, cases, pairs of images."""

import base64
import math

from hmtnet.metrics import confusion
from hmtnet.metrics.mapping import fit_mapping
from hmtnet.report import svg
from hmtnet.report.cases import Case, Duel, Extremes
from hmtnet.report.leaderboard import Entry
from hmtnet.report.markup import Markup, breakable, element
from hmtnet.report.model import Section
from hmtnet.report.quantities import decimals
from hmtnet.report.reference_rows import LABEL_ONLY

MOST_FIGURES = 3
"""Systems that have figures of their own, the best ones."""


def dot_plot(section: Section) -> Markup | None:
    """Show every row's SRCC on one scale: splits as dots, median, interval."""
    rows = [entry for entry in section.entries if entry.spreads["srcc"].defined]
    values = {entry.name: _per_split(entry) for entry in rows}
    ends = {entry.name: _interval(entry) for entry in rows}
    everything = [v for found in values.values() for v in found]
    everything += [end for found in ends.values() if found for end in found]
    if not everything:
        return None
    low, high = min(everything), max(everything)
    margin = 0.05 * (high - low) or 0.05
    limits = (low - margin, high + margin)
    parts: list[Markup] = []
    for before, entry in zip([None, *rows], rows, strict=False):
        median = entry.spreads["srcc"].median
        if entry.block and (before is None or before.block != entry.block):
            parts.append(element("div", entry.block, class_="name block"))
        kind = "name isreference" if entry.kind == "reference" else "name"
        parts += [
            element("div", breakable(entry.name), class_=kind),
            svg.strip(values[entry.name], median, ends[entry.name], limits),
            element("div", decimals(median), class_="number"),
        ]
    parts += [
        element("div", "SRCC", class_="name soft"),
        svg.rule(limits),
        element("div", class_="number"),
    ]
    return element("div", *parts, class_="dots")


def scatter_plots(section: Section) -> Markup | None:
    """Show scores against labels: the best systems, and label-only beside them."""
    rows = [*section.systems[:MOST_FIGURES], *_named(section, LABEL_ONLY)]
    figures = []
    for entry in rows:
        if entry.view is None or len(entry.view) == 0:
            continue
        mapping = fit_mapping(entry.view.score, entry.view.mos)
        plot = svg.scatter(
            entry.view.score,
            entry.view.mos,
            mapping,
            entry.name,
            ("score", section.grounds.mos),
        )
        drawn = len(svg.thinned(entry.view.mos))
        thin = f", {drawn} of them drawn" if drawn < len(entry.view) else ""
        images = f"{len(entry.view)} images of {entry.view_label}{thin}"
        text = f"{entry.name}: {images}; fit {mapping.status}"
        figures.append(element("figure", plot, element("figcaption", text)))
    return element("div", *figures, class_="figures") if figures else None


def grade_plots(section: Section) -> Markup | None:
    """Show confusion and calibration of the best systems that predict grades."""
    figures: list[Markup] = []
    for entry in section.systems:
        rows = entry.view
        if rows is None or (rows.true_grade < 0).any() or (rows.grade < 0).any():
            continue
        if len(figures) >= 2 * MOST_FIGURES:
            break
        count = max(
            rows.probabilities.shape[1], int(max(rows.true_grade.max(), rows.grade.max())) + 1
        )
        plot = svg.confusion(confusion(rows.true_grade, rows.grade, count), entry.name)
        text = f"{entry.name}: grades of {len(rows)} images of {entry.view_label}"
        figures.append(element("figure", plot, element("figcaption", text)))
        if rows.probabilities.shape[1]:
            plot = svg.calibration(rows.probabilities, rows.true_grade, entry.name)
            text = f"{entry.name}: accuracy of grades by their confidence"
            figures.append(element("figure", plot, element("figcaption", text)))
    return element("div", *figures, class_="figures") if figures else None


def case_lists(found: Extremes, mos: str) -> Markup:
    """Show best and worst cases."""
    parts = []
    for title, cases in (("Largest errors", found.worst), ("Smallest errors", found.best)):
        items = [_case(case, found.name, found.other, mos) for case in cases]
        parts += [element("h4", title), element("ul", *items, class_="cases")]
    return element("div", *parts)


def duel_list(duels: tuple[Duel, ...], mos: str) -> Markup:
    """Show pairs of images on which two rows disagree."""
    return element("div", *(_duel(duel, mos) for duel in duels), class_="duels")


def _duel(duel: Duel, mos: str) -> Markup:
    cases = [
        _case(case, duel.equal, duel.different, mos, brief=True)
        for case in (duel.better, duel.worse)
    ]
    return element(
        "div",
        element(
            "p",
            element("strong", duel.equal),
            f" calls them equal ({duel.level} scores); ",
            element("strong", duel.different),
            " calls the left one better.",
        ),
        element("p", f"The {mos} sides with {duel.verdict}."),
        element("ul", *cases, class_="cases"),
        class_="duel",
    )


def _case(case: Case, name: str, other: str, mos: str, *, brief: bool = False) -> Markup:
    facts: list[tuple[str, str]] = [(mos, decimals(case.mos)), (name, decimals(case.score))]
    if other:
        facts.append((other, decimals(math.nan if case.other is None else case.other)))
    if not brief and case.true_grade is not None:
        facts.append(("true grade", str(case.true_grade + 1)))
        if case.grade is not None:
            facts.append(("predicted grade", str(case.grade + 1)))
    pairs = [
        part
        for key, value in facts
        for part in (element("dt", breakable(key)), element("dd", value))
    ]
    return element(
        "li",
        _picture(case, mos),
        element("p", breakable(case.image), class_="file"),
        element("dl", *pairs),
        class_="case",
    )


def _picture(case: Case, mos: str) -> Markup:
    if case.thumbnail is None:
        return element("div", "no thumbnail", class_="nopicture")
    data = base64.b64encode(case.thumbnail).decode("ascii")
    return element(
        "img",
        src=f"data:image/webp;base64,{data}",
        alt=f"Image {case.image}, {mos} {decimals(case.mos)}",
        width=160,
        height=160,
        loading="lazy",
    )


def _per_split(entry: Entry) -> list[float]:
    found = [outcome.measured.values["srcc"] for outcome in entry.outcomes]
    return [value for value in found if not math.isnan(value)]


def _interval(entry: Entry) -> tuple[float, float] | None:
    found = entry.interval
    return None if found is None or math.isnan(found.low) else (found.low, found.high)


def _named(section: Section, name: str) -> list[Entry]:
    return [entry for entry in section.entries if entry.name == name]
