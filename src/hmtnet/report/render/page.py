"""The report as one HTML page that needs nothing else: no network, no other file.

What it looks like, and in which order things stand, is in ``templates/page.html.j2`` and the files
beside it.
"""

from hmtnet.report.numbers.model import Report
from hmtnet.report.render.templating import render
from hmtnet.report.render.words import how_computed, introduction


def as_html(report: Report) -> str:
    """Return the page."""
    return render(
        "page.html.j2",
        report=report,
        introduction=introduction(report),
        how_computed=how_computed(report),
    )
