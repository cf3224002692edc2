"""The page's files: HTML, style and script, which hold everything that a browser loads."""

from collections.abc import Sequence

from hmtnet import __version__
from hmtnet.files import size_words
from hmtnet.report.render.templating import render
from hmtnet.scoring.listing import SUFFIXES

Card = Sequence[tuple[str, Sequence[str]]]
"""What is told of a model: names, and lines of text."""


def page_files(model: str, card: Card, most_bytes: int) -> dict[str, tuple[str, str]]:
    """Return the media type and the text of each path.

    Args:
        model: How it is named.
        card: What is told of it.
        most_bytes: Size that an upload may have.
    """
    page = render(
        "serve.html.j2",
        model=model,
        card=card,
        suffixes=SUFFIXES,
        most_bytes=most_bytes,
        most_words=size_words(most_bytes),
        version=__version__,
    )
    styles = (render(f"{name}.css") for name in ("figure", "page", "scores", "serve"))
    return {
        "/": ("text/html", page),
        "/serve.css": ("text/css", "".join(styles)),
        "/serve.js": ("text/javascript", render("serve.js")),
    }
