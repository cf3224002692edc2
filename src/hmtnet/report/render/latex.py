"""The leaderboard as a LaTeX table, to be put into a paper."""

import math
from collections.abc import Collection

from hmtnet.errors import printable
from hmtnet.report.numbers.leaderboard import Entry
from hmtnet.report.numbers.model import Report, Section
from hmtnet.report.numbers.published import MARK
from hmtnet.report.numbers.quantities import SKILL, Quantity, Spread
from hmtnet.report.render.formats import decimals, written

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    # Behind the end of a line, these are an option of it.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "τ": r"$\tau$",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": "--",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "×": r"$\times$",
    "→": r"$\rightarrow$",
    "↓": r"$\downarrow$",
}


def as_latex(report: Report) -> str:
    """Return one table a section; they need the package booktabs, and nothing else.

    A system's SRCC is bold only if a paired test tells it from every other system of its block: see
    ``Comparison.winner``. Else nothing is bold.
    """
    lines = [
        f"% Made by hmtnet {report.version} from {report.runs} runs.",
        r"% Needs \usepackage{booktabs}.",
    ]
    for section in report.sections:
        lines += ["", *_table(section)]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    r"""Make text that LaTeX sets as it is, on one line.

    >>> escape("50 % of a_b")
    '50 \\% of a\\_b'
    """
    shown = printable(" ".join(text.split()))
    return "".join(_SPECIAL.get(character, character) for character in shown)


def _table(section: Section) -> list[str]:
    several = any(len(entry.splits) > 1 for entry in section.entries)
    numbers = "medians over splits (standard deviation)" if several else "one split"
    reasons = "; ".join(dict.fromkeys(why for _, why in section.winners))
    bold = f"Bold: {reasons}." if reasons else "Nothing is bold: no test tells one system from all."
    caption = f"{section.grounds.title}; {numbers}. Labels: {section.grounds.labels}. {bold}" + (
        f" Rows below the line: {MARK}." if section.published else ""
    )
    titles = [q.title + ("" if q.higher_is_better else " ↓") for q in SKILL]
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(caption)}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(SKILL)}}}",
        r"    \toprule",
        _line([escape("system"), *map(escape, titles)]),
        r"    \midrule",
    ]
    best = {name for name, _ in section.winners}
    for block, members in section.blocks:
        if block:
            name = rf"\emph{{{escape(block)}}}"
            lines += [r"    \midrule", _line([name, *("" for _ in SKILL)])]
        lines += [_line(_entry(entry, best)) for entry in members]
    if section.published:
        lines.append(r"    \midrule")
        for row in section.published:
            cells = [escape(decimals(row.values.get(q.key), 4)) for q in SKILL]
            lines.append(_line([rf"\emph{{{escape(f'{row.name} ({MARK})')}}}", *cells]))
    return [*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]


def _entry(entry: Entry, best: Collection[str]) -> list[str]:
    marks = f" ({'; '.join(entry.marks)})" if entry.marks else ""
    cells = [_number(entry.spreads[quantity.key], quantity) for quantity in SKILL]
    if entry.name in best:
        cells[0] = rf"\textbf{{{cells[0]}}}"
    return [escape(entry.name + marks), *cells]


def _number(spread: Spread, quantity: Quantity) -> str:
    sd = "" if math.isnan(spread.sd) else f" ({written(spread.sd, quantity)})"
    return escape(written(spread.median, quantity) + sd)


def _line(cells: list[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"
